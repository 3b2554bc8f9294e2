"""Small programs for the readers of .pt2 and TorchScript: tests/golden/programs/*.

    python tests/golden/programs.py

Run with torch 2.6, 2.8 and 2.13, each writes its own files; 2.13 also writes the numbers that all of
them must give (programs.json) and the odd ones. The weights do not depend on the version.
"""

import json
import pathlib

import torch
from torch import nn

HERE = pathlib.Path(__file__).parent / "programs"
VERSION = ".".join(torch.__version__.split(".")[:2])


class Block(nn.Module):
    """In-place operations, a module that is called twice, and one that does nothing."""

    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.drop = nn.Dropout(0.1)

    def forward(self, x):
        y = self.drop(self.bn(self.relu(self.conv(x))))
        y += x
        return self.relu(y)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(inplace=True))
        self.layer1 = nn.Sequential(Block(8), Block(8))
        self.fc = nn.Sequential(nn.Dropout(0.1), nn.Linear(8, 5))
        self.register_buffer("scale", torch.tensor(0.5), persistent=False)

    def forward(self, x):
        x = self.layer1(self.stem(x))
        a, b = x.chunk(2, 1)
        x = torch.cat([b, a * 0.5 + b * self.scale], 1)
        return self.fc(x.mean((2, 3)))


class Reshaping(nn.Module):
    """Sizes are computed from the image: TorchScript keeps such computations."""

    def __init__(self):
        super().__init__()
        self.patch = nn.Conv2d(3, 8, 4, 4)
        self.norm = nn.LayerNorm(8)
        self.head = nn.Linear(8, 5)

    def forward(self, x):
        x = self.patch(x)
        b, c, h, w = x.shape
        x = x.reshape(b, c, h * w).transpose(1, 2)
        x = self.norm(x)
        if x.shape[1] > 100:
            raise ValueError("too many tokens")
        return self.head((x * torch.softmax(x.sum(2, keepdim=True), 1)).sum(1))


class Overwriting(nn.Module):
    """Writes into a part of a tensor that is read as a whole afterwards."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.fc = nn.Linear(4, 5)

    def forward(self, x):
        x = self.conv(x)
        x[:, 0] = 0.0
        return self.fc(x.mean((2, 3)))


def filled(model):
    for n, (_, tensor) in enumerate(sorted(model.state_dict().items())):
        if tensor.is_floating_point():
            torch.manual_seed(100 + n)
            tensor.copy_(torch.empty(tensor.shape).uniform_(-0.5, 0.9))
    for name, tensor in model.state_dict().items():
        if name.endswith("running_var"):
            tensor.abs_().add_(0.5)
    return model.eval()


def image():
    torch.manual_seed(7)
    return torch.empty(1, 3, 16, 16).uniform_(-2, 2)


def expected(model, layer):
    x = image().requires_grad_()
    seen = {}
    module = model.get_submodule(layer)
    module.register_forward_hook(lambda _m, _i, o: seen.update(o=o) or o.clone())
    logits = model(x)[0]
    activations = seen["o"]
    gradients = torch.autograd.grad(logits[int(logits.argmax())], activations)[0]
    if activations.dim() == 3:
        side = int(activations.shape[1] ** 0.5)
        activations, gradients = (t.transpose(1, 2).reshape(1, -1, side, side) for t in (activations, gradients))
    raw = (gradients.mean((2, 3), keepdim=True) * activations).sum(1)[0]
    return {
        "layer": layer,
        "logits": [round(float(v), 6) for v in logits],
        "grid": list(raw.shape),
        "map": [round(float(v), 6) for v in raw.flatten()],
    }


def main():
    HERE.mkdir(exist_ok=True)
    x = image()
    torch.export.save(torch.export.export(filled(Net()), (x,)), HERE / f"net-{VERSION}.pt2")
    if VERSION != "2.13":
        return
    batch = {"x": {0: torch.export.Dim("batch", min=1, max=64)}}
    two = torch.cat([x, x])
    torch.export.save(torch.export.export(filled(Net()), (two,), dynamic_shapes=batch), HERE / "net-batch.pt2")
    torch.export.save(torch.export.export(filled(Net()).train(), (two,), dynamic_shapes=batch), HERE / "net-training.pt2")
    torch.export.save(torch.export.export(filled(Reshaping()), (two,), dynamic_shapes=batch), HERE / "reshaping-batch.pt2")
    torch.export.save(torch.export.export(filled(Net()), (two,)), HERE / "net-two-images.pt2")
    torch.export.save(torch.export.export(filled(Overwriting()), (x,)), HERE / "overwriting.pt2")
    functional = torch.export.export(filled(Overwriting()), (x,)).run_decompositions({})
    torch.export.save(functional, HERE / "overwriting-functional.pt2")
    for name, make in [("net", Net), ("reshaping", Reshaping)]:
        torch.jit.script(filled(make())).save(HERE / f"{name}-scripted.pt")
        torch.jit.trace(filled(make()), x).save(HERE / f"{name}-traced.pt")
    torch.jit.freeze(torch.jit.script(filled(Net()))).save(HERE / "net-frozen.pt")
    numbers = {
        "net": expected(filled(Net()), "layer1.0"),
        "reshaping": expected(filled(Reshaping()), "norm"),
        "overwriting": expected(filled(Overwriting()), "conv"),
    }
    (HERE / "programs.json").write_text(json.dumps(numbers, indent=1) + "\n")


if __name__ == "__main__":
    main()
