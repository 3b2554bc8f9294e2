"""Makes what `benches/forward.rs` and `benches/start.rs` read: networks with seeded random weights,
each as a frozen TorchScript program and as a state dict, and one image.

    pip install torch==2.13.0 torchvision==0.28.0 safetensors==0.8.0
    python benches/networks.py

Everything goes to target/bench, which git ignores: 1.3 GB.
"""

import pathlib

import torch
import torchvision
from safetensors.torch import save_file

NAMES = ["resnet50", "mobilenet_v2", "convnext_tiny", "vit_b_16"]
FOLDER = pathlib.Path(__file__).parent.parent / "target" / "bench"


def network(name):
    """A network whose activations stay in range, as those of a trained one do."""
    torch.manual_seed(0)
    model = torchvision.models.get_model(name, weights=None).eval()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None
            module.train()
    with torch.no_grad():
        for parameter in model.heads.parameters() if name == "vit_b_16" else []:
            # torchvision's is all zeros, and so would be the logits.
            parameter.normal_(std=0.02)
        for _ in range(2):
            model(torch.randn(8, 3, 224, 224))
    return model.eval()


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        model = network(name)
        weights = {key: tensor.contiguous() for key, tensor in model.state_dict().items()}
        save_file(weights, FOLDER / f"{name}.safetensors")
        if name == "resnet50":
            torch.save(weights, FOLDER / f"{name}.pth")
        image = torch.randn(1, 3, 224, 224)
        # With autograd on, so that attention is traced as the operations it consists of.
        program = torch.jit.trace(model, image, check_trace=False)
        torch.jit.freeze(program).save(str(FOLDER / f"{name}.torchscript"))
        print(f"made {name}")
    pixels = torch.randint(0, 256, (3, 320, 320), dtype=torch.uint8)
    torchvision.io.write_png(pixels, str(FOLDER / "image.png"))


if __name__ == "__main__":
    main()
