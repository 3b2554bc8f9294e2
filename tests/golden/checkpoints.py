"""Checkpoints as people have them, in small: every container, nest and class beside the weights.

Writes `checkpoints/`. Each file has the weights of one tiny network under names of its own, or is one
that gradcam must refuse; `src/model/checkpoint/odd.rs` says which. Needs torch and safetensors. `tch.ot` is
of tch, by `Tensor::save_multi` with the names `fc|weight` and `fc|bias`.
"""

import argparse
import collections
import datetime
import enum
import pathlib
import zipfile

import numpy
import safetensors.torch
import torch

OUT = pathlib.Path(__file__).parent / "checkpoints"


class Color(enum.Enum):
    RED = 1


def weights():
    """Names and numbers that the tests know: `weight` is 0 to 5, `bias` 6 and 7."""
    return collections.OrderedDict(
        weight=torch.arange(6.0).view(2, 3), bias=torch.tensor([6.0, 7.0])
    )


def linear():
    module = torch.nn.Linear(3, 2)
    module.load_state_dict(weights())
    return module


def optimizer(kind):
    module = linear()
    stepping = kind(module.parameters(), lr=0.1)
    module(torch.ones(1, 3)).sum().backward()
    stepping.step()
    return stepping.state_dict()


def save(name, value, **options):
    torch.save(value, OUT / name, **options)


def zipped(name, compression, folder):
    """The same archive, packed again by somebody's tool."""
    with zipfile.ZipFile(OUT / "ordered.pth") as source:
        with zipfile.ZipFile(OUT / name, "w", compression) as target:
            for member in source.namelist():
                inner = member.split("/", 1)[1]
                target.writestr(zipfile.ZipInfo(folder + inner), source.read(member), compression)


def main():
    OUT.mkdir(exist_ok=True)
    old = {"_use_new_zipfile_serialization": False}
    save("plain.pth", dict(weights()))
    save("ordered.pth", weights())
    # The archive's first name has 30 bytes, which some readers of zip files stumble over.
    save("a_name_of_21_letters_.pth", weights())
    save("old.pth", weights(), **old)
    save("protocol4.pth", weights(), pickle_protocol=4)
    save("protocol5.pth", weights(), pickle_protocol=5)
    for key in ["state_dict", "model", "model_state_dict", "net", "ema", "model_ema", "state_dict_ema"]:
        save(f"nest_{key}.pth", {"epoch": 3, key: weights()})
    save("old_nest.pth", {"epoch": 3, "state_dict": weights()}, **old)
    save(
        "training.pth",
        {
            "model": weights(),
            "optimizer": optimizer(torch.optim.AdamW),
            "sgd": optimizer(torch.optim.SGD),
            "rng": torch.get_rng_state(),
            "args": argparse.Namespace(lr=0.1, out=pathlib.Path("runs")),
            "best": numpy.float64(0.5),
            "curve": numpy.arange(3),
            "when": datetime.datetime(2020, 1, 2),
            "color": Color.RED,
            "counts": collections.Counter("abca"),
            "lists": collections.defaultdict(list, a=[1]),
            "scores": {1, 2},
            "big": 1 << 80,
            "raw": b"abc",
            "classes": ["cat", "dog"],
        },
    )
    save(
        "lightning.ckpt",
        {
            "epoch": 1,
            "global_step": 10,
            "pytorch-lightning_version": "2.4.0",
            "state_dict": {f"model.{key}": value for key, value in weights().items()},
            "loops": {"fit_loop": {"state_dict": {}}},
            "callbacks": {"ModelCheckpoint": {"best_model_score": torch.tensor(0.5)}},
            "optimizer_states": [optimizer(torch.optim.Adam)],
            "lr_schedulers": [{"last_epoch": 1}],
            "hyper_parameters": {"lr": 0.1},
        },
    )
    save("class_to_idx.pth", {"state_dict": weights(), "class_to_idx": {"dog": 1, "cat": 0}})
    save("whole_module.pth", torch.nn.Sequential(collections.OrderedDict(fc=linear())))
    save("old_whole_module.pth", torch.nn.Sequential(collections.OrderedDict(fc=linear())), **old)
    tied = torch.arange(8.0)
    save("tied.pth", {"weight": tied[:6].view(2, 3), "bias": tied[6:], "again": tied})
    save("old_tied.pth", {"weight": tied[:6].view(2, 3), "bias": tied[6:], "again": tied}, **old)
    turned = torch.tensor([[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]]).t()
    save("turned.pth", {"weight": turned, "bias": torch.tensor([6.0, 0.0, 7.0])[::2]})
    for kind in [torch.float16, torch.bfloat16, torch.float64]:
        name = str(kind).removeprefix("torch.")
        save(f"{name}.pth", {key: value.to(kind) for key, value in weights().items()})
    save("parameters.pth", {key: torch.nn.Parameter(value) for key, value in weights().items()})
    save("quantized.pth", {"bias": weights()["bias"], "weight": torch.quantize_per_tensor(weights()["weight"], 0.1, 0, torch.qint8)})
    save("sparse.pth", {"bias": weights()["bias"], "weight": weights()["weight"].to_sparse()})
    save("complex.pth", {"bias": weights()["bias"], "weight": torch.complex(weights()["weight"], weights()["weight"])})
    save("float8.pth", {"bias": weights()["bias"], "weight": weights()["weight"].to(torch.float8_e4m3fn)})
    save("meta.pth", {"bias": weights()["bias"], "weight": torch.empty(2, 3, device="meta")})
    save("integers.pth", {"bias": weights()["bias"], "weight": weights()["weight"].long()})
    zipped("deflated.pth", zipfile.ZIP_DEFLATED, "x/")
    zipped("under_no_folder.pth", zipfile.ZIP_STORED, "")
    safetensors.torch.save_file(dict(weights()), OUT / "whole.safetensors", {"format": "pt"})
    halves = {key: value.half() for key, value in weights().items()}
    safetensors.torch.save_file(halves, OUT / "half.safetensors")
    save("list.pth", list(weights().values()))
    save("single.pth", weights()["weight"])
    save("empty.pth", {})
    save("words.pth", {"epoch": 3, "name": "net"})


if __name__ == "__main__":
    main()
