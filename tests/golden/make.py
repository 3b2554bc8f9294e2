"""Makes the golden values beside this file from the reference implementations.

    pip install torch==2.13.0 torchvision==0.28.0 grad-cam==1.5.7 pillow==12.3.0
    python tests/golden/make.py

Images and weights are integer formulas, so that the tests can make the same ones without a file and
without a random generator: see `image` and `weight`, and their twins in src/model/recipe/tests.rs
and src/model/zoo/tests.rs.
"""

import json
import math
from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torchvision import transforms
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet
from torchvision.transforms import InterpolationMode

HERE = Path(__file__).parent
torch.set_num_threads(1)


def image(width, height):
    """Stripes, a slope, and noise that a filter must average: [height, width, 3], 0..255."""
    y, x, c = np.mgrid[0:height, 0:width, 0:3]
    return ((x * 7 + y * 13 + c * 29 + (x * y) % 31 * 5) % 256).astype(np.uint8)


def recipes():
    """What torchvision makes of a Pillow image, as hexadecimal bytes."""
    modes = {
        "nearest": InterpolationMode.NEAREST,
        "bilinear": InterpolationMode.BILINEAR,
        "bicubic": InterpolationMode.BICUBIC,
        "lanczos": InterpolationMode.LANCZOS,
    }
    cases = []
    for width, height in [(61, 43), (20, 35)]:
        for name, mode in modes.items():
            for resize, crop in [(32, [24, 20]), ([30, 18], None), (17, [23, 23]), (29, [26, 22])]:
                size = resize if isinstance(resize, int) else resize[::-1]
                steps = [transforms.Resize(size, interpolation=mode)]
                if crop:
                    steps.append(transforms.CenterCrop(crop[::-1]))
                seen = transforms.Compose(steps)(Image.fromarray(image(width, height)))
                cases.append({
                    "image": [width, height],
                    "interpolation": name,
                    "resize": resize,
                    "crop": crop,
                    "size": list(seen.size),
                    "pixels": np.asarray(seen).tobytes().hex(),
                })
    return cases


def weight(index, key_number):
    """-0.5 to 0.499, evenly spread, the same in every language."""
    return ((index * 7919 + key_number * 104729 + index * index % 10007 * 31) % 1000) / 1000.0 - 0.5


def fill(model):
    """He et al.'s spread for convolutions, and BatchNorm statistics that are not trivial."""
    state = model.state_dict()
    keys = sorted(key for key in state if state[key].is_floating_point())
    for number, key in enumerate(keys):
        tensor = state[key]
        index = torch.arange(tensor.numel(), dtype=torch.float64).reshape(tensor.shape)
        value = weight(index, number)
        if tensor.dim() > 1:
            value = value * (math.sqrt(24.0) / math.sqrt(tensor[0].numel()))
        elif key.endswith("running_var"):
            value = 1.0 + value.abs()
        elif key.endswith("weight"):
            value = 1.0 + 0.4 * value
        else:
            value = 0.4 * value
        state[key] = value.to(torch.float32)
    model.load_state_dict(state)
    return model.eval()


def grad_cam(name, model, layers):
    x = torch.from_numpy(image(64, 64)).permute(2, 0, 1).float().div(255).sub(0.5).div(0.25)[None]
    out = []
    for layer in layers:
        module = model.get_submodule(layer)
        kept = {}
        handle = module.register_forward_hook(lambda _m, _i, o: kept.update(activations=o))
        logits = model(x)
        handle.remove()
        for target in [int(logits.argmax()), 0]:
            gradients = torch.autograd.grad(logits[0, target], kept["activations"], retain_graph=True)[0]
            raw = (gradients.mean((2, 3), keepdim=True) * kept["activations"]).sum(1)[0]
            with GradCAM(model=model, target_layers=[module]) as cam:
                final = cam(input_tensor=x, targets=[ClassifierOutputTarget(target)])[0]
            out.append({
                "layer": layer,
                "class": target,
                "grid": list(raw.shape),
                "raw": [round(v, 7) for v in raw.flatten().tolist()],
                # Every fourth pixel of every fourth row of the 64x64 map.
                "final": [round(float(v), 6) for v in final[::4, ::4].flatten()],
            })
    return {"network": name, "logits": [round(v, 6) for v in logits[0].tolist()], "maps": out}


def networks():
    basic = fill(ResNet(BasicBlock, [1, 2, 1, 1], num_classes=7))
    grouped = fill(ResNet(Bottleneck, [1, 1, 1, 1], num_classes=5, groups=4, width_per_group=16))
    return [
        grad_cam("basic", basic, ["layer4", "layer3", "layer2.0.conv1"]),
        grad_cam("grouped", grouped, ["layer4", "layer2"]),
    ]


class Evil:
    """Creates a file when a pickle of it is executed."""

    def __reduce__(self):
        return (open, ("evil-was-here", "w"))


def checkpoints():
    """What torch.save writes; the weights are small whole numbers."""
    def numbers(*shape, kind=torch.float32, first=0):
        return torch.arange(first, first + math.prod(shape)).reshape(shape).to(kind)

    storage = numbers(12)
    state = OrderedDict(
        [
            ("module.half", numbers(2, 3, kind=torch.float16)),
            ("module.bfloat", numbers(2, kind=torch.bfloat16)),
            ("module.double", numbers(2, kind=torch.float64)),
            ("module.turned", numbers(2, 3).t()),
            ("module.part_of_a_storage", storage[4:8]),
            ("module.parameter", torch.nn.Parameter(numbers(3, first=7))),
            ("module.whole_numbers", torch.tensor([1, 2])),
        ]
    )
    optimizer = {"state": {0: {"step": torch.tensor(3.0)}}, "param_groups": [{"lr": 0.1, "params": [0]}]}
    torch.save({"epoch": 3, "state_dict": state, "optimizer": optimizer}, HERE / "nested.pth")
    torch.save({"weight": numbers(2)}, HERE / "old_format.pth", _use_new_zipfile_serialization=False)
    torch.save({"weight": numbers(2), "evil": Evil()}, HERE / "evil.pth")
    torch.save(torch.nn.Linear(2, 1), HERE / "whole_module.pth")
    torch.jit.script(torch.nn.Linear(2, 1)).save(HERE / "script.pt")


def write(name, value):
    (HERE / name).write_text(json.dumps(value, indent=None, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    checkpoints()
    write("recipe.json", recipes())
    write("grad_cam.json", networks())
