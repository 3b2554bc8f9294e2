"""Writes the checkpoints that people have, of one tiny network, into `formats/` beside this file.

Needs torch, numpy and safetensors; runs no training and downloads nothing:

    python tests/golden/formats.py

The weights are seeded multiples of a quarter between -2 and 2, which every floating point type holds
exactly. `expected.json` says what a reader must find: the weights of the network under "network" and
its logits for the input `sin(0), sin(1), …`, and for each file either the prefix that the network's
names have in it, or its weights one by one. A file of which the weights are not all readable has the
readable ones. The sentences for the others stand in the Rust test.

Files of the format before torch 1.6 differ each time: their storages are named by addresses.
"""

import argparse
import datetime
import enum
import json
import pathlib
import shutil
import zipfile
from collections import Counter, OrderedDict, defaultdict

import numpy
import safetensors.torch
import torch
from torch import nn

HERE = pathlib.Path(__file__).parent / "formats"
SIDE = 8  # of the input


class Block(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x):
        y = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(y)) + x)


class Net(nn.Module):
    """A ResNet of one block for small images."""

    def __init__(self, channels=2, classes=3):
        super().__init__()
        self.conv1 = nn.Conv2d(3, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.layer1 = nn.Sequential(Block(channels))
        self.fc = nn.Linear(channels, classes)

    def forward(self, x):
        x = self.layer1(torch.relu(self.bn1(self.conv1(x))))
        return self.fc(x.mean((2, 3)))


class Split(enum.Enum):
    TRAIN = "train"


class Tracker:
    """An object of a training script's own, beside the weights."""

    def __init__(self):
        self.best = 0.5
        self.history = [1, 2]


def quarters(*shape, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(-8, 9, shape, generator=generator) / 4


def network(seed):
    net = Net().eval()
    state = net.state_dict()
    for number, (name, tensor) in enumerate(state.items()):
        if name.endswith("running_var"):
            tensor.copy_(quarters(*tensor.shape, seed=seed + number).abs() + 0.25)
        elif tensor.is_floating_point():
            tensor.copy_(quarters(*tensor.shape, seed=seed + number))
    return net


def prefixed(state, prefix):
    return OrderedDict((prefix + name, tensor) for name, tensor in state.items())


def recorded(tensor):
    return {"shape": list(tensor.shape), "values": tensor.detach().to_dense().double().flatten().tolist()}


class Record:
    """Writes files and notes what is in them."""

    def __init__(self, net):
        self.net = net
        image = torch.arange(3 * SIDE * SIDE).float().sin().reshape(1, 3, SIDE, SIDE)
        floats = {name: tensor for name, tensor in net.state_dict().items() if tensor.is_floating_point()}
        self.expected = {
            "side": SIDE,
            "network": {name: recorded(tensor) for name, tensor in floats.items()},
            "logits": net(image).flatten().tolist(),
            "files": {},
        }

    def network(self, name, content, prefix, **options):
        """A file with the network, whose names have the prefix."""
        torch.save(content, HERE / name, **options)
        self.expected["files"][name] = {"prefix": prefix}

    def weights(self, name, content, weights, **options):
        """A file with these weights."""
        torch.save(content, HERE / name, **options)
        self.note(name, weights)

    def note(self, name, weights):
        self.expected["files"][name] = {"weights": {key: recorded(tensor) for key, tensor in weights.items()}}

    def refused(self, name, content, **options):
        """A file with nothing that can be read."""
        self.weights(name, content, {}, **options)


def networks(record):
    """The network in the nests and with the prefixes that training scripts give it."""
    net = record.net
    state = net.state_dict()
    average = network(seed=1000).state_dict()  # must not be taken for the network
    old = {"_use_new_zipfile_serialization": False}

    record.network("state_dict.pth", state, "")
    record.network("legacy.pth", state, "", **old)
    record.network("whole_module.pth", net, "")
    # The old format has the source text of each module, with the path of its file.
    torch.serialization.get_source_lines_and_file = lambda *_: (["class Module: ...\n"], 1, "net.py")
    record.network("whole_module_legacy.pth", {"model": net, "epoch": 3}, "model.", **old)
    for nest in ["state_dict", "model", "model_state_dict", "net", "ema", "model_ema", "state_dict_ema"]:
        record.network(f"nest_{nest}.pth", {"epoch": 3, nest: state}, f"{nest}.", **old)
    record.network("nest_model_and_ema.pth", {"model": state, "model_ema": average}, "model.", **old)
    record.network("nest_state_dict_and_ema.pth", {"state_dict_ema": average, "state_dict": state}, "state_dict.", **old)
    for name, prefix in [
        ("data_parallel", "module."),
        ("compiled", "_orig_mod."),
        ("wrapped", "model.backbone."),
        ("compiled_data_parallel", "module._orig_mod."),
    ]:
        record.network(f"prefix_{name}.pth", prefixed(state, prefix), prefix, **old)

    parameters = [net.fc.weight, net.fc.bias]
    optimizer = torch.optim.AdamW(parameters, lr=0.1)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1)
    kept = {name: tensor.clone() for name, tensor in state.items()}
    net.fc(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    net.load_state_dict(kept)
    training = {
        "epoch": 3,
        "args": argparse.Namespace(lr=0.1, data=pathlib.PurePosixPath("/data"), resume=None, betas=(0.9, 0.99)),
        "model_state_dict": state,
        "optimizer_state_dict": optimizer.state_dict(),
        "scheduler": scheduler.state_dict(),
        "best_acc1": numpy.float64(0.5),
        "confusion": numpy.arange(4).reshape(2, 2),
        "saved": datetime.datetime(2024, 2, 29, 12, 30, tzinfo=datetime.timezone.utc),
        "took": datetime.timedelta(seconds=5),
        "folder": pathlib.PurePosixPath("runs/1"),
        "history": defaultdict(list, {"loss": [1.0, 0.5], "acc": [0.1, 0.2]}),
        "seen": Counter("aab"),
        "classes": ["cat", "dog", "wren"],
        "class_to_idx": {"cat": 0, "dog": 1, "wren": 2},
        "split": Split.TRAIN,
        "tracker": Tracker(),
        "device": torch.device("cpu"),
        "type": torch.float32,
        "size": torch.Size([3, 8, 8]),
        "rng": torch.zeros(16, dtype=torch.uint8),
        "big": 1 << 100,
        "tags": frozenset(["a"]),
        "nothing": None,
        "raw": b"\x00\xff",
    }
    record.network("training.pth", training, "model_state_dict.")
    record.network("training_legacy.pth", training, "model_state_dict.", **old)
    lightning = {
        "epoch": 3,
        "global_step": 30,
        "pytorch-lightning_version": "2.4.0",
        "state_dict": prefixed(state, "model."),
        "loops": {"fit_loop": {"state_dict": {}, "epoch_progress": {"total": {"ready": 1}}}},
        "callbacks": {"ModelCheckpoint{'monitor': 'val_loss'}": {"best_model_score": torch.tensor(0.5), "best_model_path": "a.ckpt"}},
        "optimizer_states": [optimizer.state_dict()],
        "lr_schedulers": [scheduler.state_dict()],
        "hparams_name": "kwargs",
        "hyper_parameters": {"lr": 0.1, "channels": 2, "root": pathlib.PurePosixPath("/data")},
    }
    record.network("lightning.ckpt", lightning, "state_dict.model.")
    record.network("class_to_idx.pth", {"state_dict": state, "class_to_idx": {"wren": 2, "cat": 0, "dog": 1}}, "state_dict.", **old)
    record.network("with_optimizer.pth", (state, optimizer.state_dict()), "0.", **old)
    # A stem of 21 characters is as long as what some readers take for a folder of their own.
    record.network("stem_of_21_characters.pth", state, "")


def layouts(record):
    """Tensors of every type and layout, and other ways to write them."""
    old = {"_use_new_zipfile_serialization": False}
    base = quarters(4, 6, seed=1)
    views = {
        "whole": base,
        "transposed": base.t(),
        "strided": base[::2, ::3],
        "offset": base[1:3, 2:5],
        "expanded": base[:, :1].expand(4, 5),
        "one": base[2, 3],
        "empty": torch.zeros(0, 3),
        "channels_last": quarters(1, 2, 3, 2, seed=2).to(memory_format=torch.channels_last),
    }
    record.weights("views.pth", views, views)
    record.weights("views_legacy.pth", views, views, **old)
    tied = quarters(3, 2, seed=3)
    both = {"embedding.weight": tied, "head.weight": tied}
    record.weights("tied.pth", both, both)
    record.weights("tied_legacy.pth", both, both, **old)
    w = quarters(2, 3, seed=4)
    kinds = {
        "half": w.half(),
        "bfloat": w.bfloat16(),
        "single": w,
        "double": w.double(),
        "parameter": nn.Parameter(w),
        "frozen": nn.Parameter(w, requires_grad=False),
        "buffer": nn.Buffer(w),
    }
    record.weights("kinds.pth", kinds, kinds)
    record.weights("kinds_legacy.pth", kinds, kinds, **old)
    plain = {"w": w}
    for protocol in [3, 4, 5]:
        record.weights(f"protocol_{protocol}.pth", plain, plain, pickle_protocol=protocol)
    record.weights("numbers_as_keys.pth", {1: w, ("a", 2): w}, {"1": w})
    record.weights("list_of_state_dicts.pth", [plain, {"v": w}], {"0.w": w, "1.v": w})
    record.weights("beside_numbers.pth", {"w": w, "steps": torch.tensor([1, 2])}, plain)

    # Saved on a GPU that the reader has not.
    tag = lambda storage: "cuda:0"
    torch.serialization.register_package(0, tag, lambda storage, location: None)
    record.weights("saved_on_cuda.pth", plain, plain)
    record.weights("saved_on_cuda_legacy.pth", plain, plain, **old)
    torch.serialization._package_registry[:] = [entry for entry in torch.serialization._package_registry if entry[1] is not tag]

    with zipfile.ZipFile(HERE / "protocol_3.pth") as source, zipfile.ZipFile(HERE / "compressed.pth", "w") as target:
        for name in source.namelist():
            target.writestr(zipfile.ZipInfo(name), source.read(name), zipfile.ZIP_DEFLATED)
    record.note("compressed.pth", plain)
    with zipfile.ZipFile(HERE / "protocol_3.pth") as source, zipfile.ZipFile(HERE / "under_no_folder.pth", "w") as target:
        for name in source.namelist():
            target.writestr(zipfile.ZipInfo(name.split("/", 1)[1]), source.read(name))
    record.note("under_no_folder.pth", plain)

    # One weight that cannot be read leaves the others readable.
    record.weights("quantised.pth", {"q": torch.quantize_per_tensor(w, 0.25, 0, torch.qint8), **plain}, plain)
    channels = torch.quantize_per_channel(w, torch.tensor([0.25, 0.5]), torch.tensor([0, 0]), 0, torch.qint8)
    record.weights("quantised_by_channel.pth", {"q": channels, **plain}, plain)
    record.weights("sparse.pth", {"s": w.to_sparse(), **plain}, plain)
    record.weights("sparse_rows.pth", {"s": w.to_sparse_csr(), **plain}, plain)
    record.weights("complex.pth", {"c": torch.complex(w, w), **plain}, plain)
    record.weights("float8.pth", {"f": w.to(torch.float8_e4m3fn), **plain}, plain)
    record.weights("meta.pth", {"m": torch.empty(2, 3, device="meta"), **plain}, plain)

    record.refused("empty.pth", {})
    record.refused("empty_nest.pth", {"state_dict": OrderedDict(), "epoch": 3})
    record.refused("tensor.pth", w)
    record.refused("list_of_tensors.pth", [w, w])
    record.refused("text.pth", "just text")
    record.weights("unknown.pth", {"tower.mix.weight": w, "tower.out.bias": w[0]}, {"tower.mix.weight": w, "tower.out.bias": w[0]})


def safetensors_files(record):
    w = quarters(2, 3, seed=5)
    kinds = {"half": w.half(), "bfloat": w.bfloat16(), "single": w, "double": w.double()}
    safetensors.torch.save_file(kinds, HERE / "kinds.safetensors", metadata={"format": "pt", "note": "of no interest"})
    record.note("kinds.safetensors", kinds)
    odd = {"f": w.to(torch.float8_e4m3fn), "n": torch.tensor([1, 2]), "w": w}
    safetensors.torch.save_file(odd, HERE / "odd.safetensors")
    record.note("odd.safetensors", {"w": w})
    state = record.net.state_dict()
    safetensors.torch.save_file(state, HERE / "network.safetensors", metadata={"format": "pt"})
    record.expected["files"]["network.safetensors"] = {"prefix": ""}

    folder = HERE / "sharded"
    folder.mkdir()
    halves = [dict(list(state.items())[:9]), dict(list(state.items())[9:])]
    for ending, save in [("safetensors", safetensors.torch.save_file), ("bin", torch.save)]:
        stem = {"safetensors": "model", "bin": "pytorch_model"}[ending]
        places = {}
        for number, half in enumerate(halves, 1):
            name = f"{stem}-{number:05}-of-00002.{ending}"
            save(half, folder / name)
            places |= {key: name for key in half}
        index = {"metadata": {"total_size": 1}, "weight_map": places}
        (folder / f"{stem}.{ending}.index.json").write_text(json.dumps(index) + "\n")
        record.expected["files"][f"sharded/{stem}.{ending}.index.json"] = {"prefix": ""}
    record.expected["files"]["sharded"] = {"prefix": ""}


if __name__ == "__main__":
    shutil.rmtree(HERE, ignore_errors=True)
    HERE.mkdir()
    record = Record(network(seed=0))
    networks(record)
    layouts(record)
    safetensors_files(record)
    (HERE / "expected.json").write_text(json.dumps(record.expected, separators=(",", ":")) + "\n")
