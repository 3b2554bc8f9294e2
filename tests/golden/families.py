"""What PyTorch computes for every network of every family: tests/golden/families/FAMILY.json.gz.

    python tests/golden/families.py [--family NAME] [--only SUBSTRING]

Needs torch 2.13, torchvision 0.28, timm 1.0.31 and transformers 5.23; downloads nothing. Networks are
built with random weights, which are then replaced by numbers that every libtorch makes again.

The contract with src/model/zoo/oracle.rs. Keys of the state dict without `num_batches_tracked`,
floating point ones only, are sorted by their bytes and numbered from 0. For number n:
`torch.manual_seed(1000 + n)`, then `t = torch.empty(shape).uniform_(-1, 1)`, and by the last part of
the key:

    logit_scale                                      t + 2
    *layer_scale*, *gamma*, lambda* (not 2-D: GRN)   0.3 t + 0.5
    running_var                                      0.5 |t| + 1
    weight with two axes or more                     gain * sqrt(3 / fan_in) * t
    weight with one axis or none                     0.3 t + 1
    all others                                       0.3 t

The input: `torch.manual_seed(7)`, `torch.empty(1, 3, h, w).uniform_(-2, 2)`.
"""

import argparse
import gzip
import json
import math
import pathlib

import torch

HERE = pathlib.Path(__file__).parent / "families"


def fill(model, gain):
    state = model.state_dict()
    names = sorted(
        (k for k, v in state.items() if v.is_floating_point() and not k.endswith("num_batches_tracked")),
        key=lambda k: k.encode(),
    )
    for n, name in enumerate(names):
        shape = state[name].shape
        torch.manual_seed(1000 + n)
        t = torch.empty(shape).uniform_(-1, 1)
        last = name.rsplit(".", 1)[-1]
        if name.endswith("logit_scale"):
            t = t + 2.0
        elif "layer_scale" in last or "gamma" in last or last.startswith("lambda"):
            t = t * 0.3 + 0.5
        elif name.endswith("running_var"):
            t = t.abs() * 0.5 + 1.0
        elif len(shape) > 1 and last == "weight":
            t = t * (gain * math.sqrt(3.0 / t[0].numel()))
        elif last == "weight":
            t = t * 0.3 + 1.0
        else:
            t = t * 0.3
        state[name].copy_(t)
    return model.eval()


def keys(model):
    out = []
    for name, tensor in sorted(model.state_dict().items(), key=lambda item: item[0].encode()):
        if name.endswith("num_batches_tracked"):
            continue
        key = [name, list(tensor.shape)]
        if not tensor.is_floating_point():
            key.append(str(tensor.dtype).removeprefix("torch."))
        out.append(key)
    return out


def rounded(values):
    return [float(f"{float(v):.7g}") for v in values]


def as_map(output, grid, prefix):
    if output.dim() == 4:
        a, b, c = output.shape[1:]
        return output[0].permute(2, 0, 1) if a == b and c > a else output[0]
    return output[0, prefix:].T.reshape(output.shape[2], *grid)


def record(name, model, size, target, layers, gain, settings=None, prefix=0, patch=None):
    fill(model, gain)
    h, w = size
    torch.manual_seed(7)
    x = torch.empty(1, 3, h, w).uniform_(-2, 2)
    seen = {}

    # Activations are cloned before anything can overwrite them; the clone is what goes on.
    def cloning(layer):
        def hook(_module, _inputs, output):
            if isinstance(output, torch.Tensor):
                copy = output.clone()
                seen[layer] = output
                return copy
            seen[layer] = output[0]
            if hasattr(output, "keys"):
                first = next(iter(output.keys()))
                return type(output)(**{**output, first: output[0].clone()})
            return (output[0].clone(),) + tuple(output[1:])

        return hook

    handles = [
        model.get_submodule(layer).register_forward_hook(cloning(layer)) for layer in dict.fromkeys([target, *layers])
    ]
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    x.requires_grad_(True)
    out = model(x)
    for handle in handles:
        handle.remove()
    logits = out if isinstance(out, torch.Tensor) else out.logits
    tapped = seen[target]
    chosen = int(logits[0].argmax())
    gradients = torch.autograd.grad(logits[0, chosen], tapped)[0]
    grid = None if patch is None else (h // patch, w // patch)
    activations, gradients = as_map(tapped, grid, prefix), as_map(gradients, grid, prefix)
    raw = (gradients.mean((1, 2), keepdim=True) * activations).sum(0)
    logits = logits[0].detach()
    assert torch.isfinite(logits).all() and logits.std() > 1e-4, (name, logits.std())
    assert raw.abs().max() > 1e-9, (name, "the map is empty")
    shown = []
    for layer in dict.fromkeys([target, *layers]):
        flat = seen[layer].detach().flatten()
        sample = [flat[i * flat.numel() // 16] for i in range(16)]
        shown.append(
            {
                "name": layer,
                "shape": list(seen[layer].shape),
                "mean_abs": rounded([flat.abs().mean()])[0],
                "sample": rounded(sample),
            }
        )
    print(f"{name:60} logits {logits.abs().mean():9.3g}  map {raw.abs().max():9.3g}", flush=True)
    return {
        "name": name,
        "keys": keys(model),
        "input": [h, w],
        "gain": gain,
        "classes": logits.numel(),
        "settings": settings or {},
        "logits": {"first": rounded(logits[:16]), "sum_abs": rounded([logits.abs().sum()])[0]},
        "layers": shown,
        "cam": {"layer": target, "class": chosen, "grid": list(raw.shape), "raw": rounded(raw.detach().flatten())},
    }


def linear(c_in, classes=7):
    return torch.nn.Linear(c_in, classes)


def torchvision_networks():
    """(family, name, make, size, target, layers, gain, prefix, patch)"""
    import torchvision.models as tv

    def get(name, **more):
        return lambda: tv.get_model(name, weights=None, **more)

    for name in tv.list_models(module=tv):
        size, gain, prefix, patch, more = (64, 64), 1.4, 0, None, {}
        if name == "alexnet":
            family, target, layers, size = "alexnet", "features", ["features.3", "features.10"], (128, 128)
        elif name.startswith("vgg"):
            family, target, layers = "vgg", "features", ["features.3", "features.8"]
        elif name.startswith("squeezenet"):
            family, target, layers = "squeezenet", "features", ["features.3.expand3x3", "features.5"]
        elif name.startswith("densenet"):
            family, target, layers, gain = "densenet", "features", ["features.denseblock2", "features.transition1.conv"], 1.2
        elif name.startswith(("resne", "wide")):
            family, target, layers, gain = "resnet", "layer4", ["layer2", "layer3.0.conv2"], 1.0
        elif name == "googlenet":
            family, target, layers, more = "googlenet", "inception5b", ["inception3a", "inception4c.branch2.1.conv"], {"init_weights": False}
        elif name == "inception_v3":
            family, target, layers, size, more = "inception", "Mixed_7c", ["Mixed_5b", "Mixed_6b.branch7x7_2.conv"], (96, 96), {"init_weights": False}
        elif name.startswith("shufflenet"):
            family, target, layers = "shufflenet", "conv5", ["stage2", "stage3.1.branch2.3"]
        elif name == "mobilenet_v2":
            family, target, layers = "mobilenet_v2", "features", ["features.7", "features.3.conv.1.0"]
        elif name.startswith("mobilenet_v3"):
            family, target, layers = "mobilenet_v3", "features", ["features.4", "features.4.block.1.0"]
        elif name.startswith("mnasnet"):
            family, target, layers = "mnasnet", "layers", ["layers.8", "layers.9.0.layers.3"]
        elif name.startswith("efficientnet"):
            family, target, layers, gain = "efficientnet", "features", ["features.3", "features.4.0.block.1.0"], 1.6
        elif name.startswith("regnet"):
            family, target, layers, gain = "regnet", "trunk_output", ["trunk_output.block2", "trunk_output.block1.block1-0.f.b.0"], 1.0
        elif name.startswith("convnext"):
            family, target, layers, gain = "convnext", "features.7", ["features.3", "features.1.0.block.0"], 1.0
        elif name.startswith("vit"):
            blocks = {"b": 12, "l": 24, "h": 32}[name.split("_")[1]]
            target = f"encoder.layers.encoder_layer_{blocks - 1}.ln_1"
            family, layers, size, gain = "vit", ["encoder.layers.encoder_layer_3", "conv_proj"], (224, 224), 1.0
            prefix, patch = 1, int(name.split("_")[2])
        elif name.startswith("swin"):
            family, target, layers, gain = "swin", "norm", ["features.3", "features.1.1.attn"], 1.0
            size = (256, 256) if "v2" in name else (224, 224)
        else:
            family, target, layers, size, gain = "maxvit", "blocks.3", ["blocks.1", "blocks.0.layers.0.layers.MBconv"], (224, 224), 1.2
        yield family, f"torchvision/{name}", get(name, **more), size, target, layers, gain, prefix, patch
        changed = {
            "resnet18": ("fc", torch.nn.Sequential(torch.nn.Dropout(), linear(512, 256), torch.nn.ReLU(), linear(256))),
            "vgg11": ("classifier.6", linear(4096)),
            "mobilenet_v2": ("classifier.1", linear(1280)),
            "efficientnet_b0": ("classifier.1", linear(1280)),
            "densenet121": ("classifier", linear(1024)),
            "vit_b_32": ("heads.head", linear(768)),
            "convnext_tiny": ("classifier.2", linear(768)),
            "swin_t": ("head", linear(768)),
        }
        if name in changed:

            def fine_tuned(name=name, more=more):
                model = tv.get_model(name, weights=None, **more)
                where, head = changed[name]
                parent, _, last = where.rpartition(".")
                setattr(model.get_submodule(parent), last, head)
                return model

            yield family, f"torchvision/{name} with 7 classes", fine_tuned, size, target, layers, gain, prefix, patch


def timm_networks():
    import timm

    def get(name, **more):
        return lambda: timm.create_model(name, pretrained=False, **more)

    small = (64, 64)
    rows = [
        *[("resnet", n, small, "layer4", ["layer2", "layer3.0.conv2"], 1.0) for n in
          ["resnet18", "resnet50", "resnet50d", "resnet26t", "resnext50_32x4d", "seresnet50", "wide_resnet50_2"]],
        *[("convnext", n, small, "stages", ["stages.1", "stages.0.blocks.0.conv_dw"], 1.0) for n in
          ["convnext_atto", "convnext_tiny", "convnextv2_atto", "convnextv2_tiny"]],
        *[("efficientnet", n, small, "bn2", ["blocks.2", "blocks.3.0.conv_dw"], 1.6) for n in
          ["efficientnet_b0", "tf_efficientnet_b0", "efficientnetv2_rw_t", "tf_efficientnetv2_s", "mobilenetv2_100", "mnasnet_100"]],
        *[("mobilenet_v3", n, small, "blocks", ["blocks.2", "blocks.3.0.conv_dw"], 1.6) for n in
          ["mobilenetv3_large_100", "mobilenetv3_small_100", "tf_mobilenetv3_small_100"]],
        *[("regnet", n, small, "s4", ["s2", "s2.b1.conv2.conv"], 1.0) for n in ["regnetx_002", "regnety_002", "regnety_032"]],
        ("densenet", "densenet121", small, "features", ["features.denseblock2", "features.transition1.conv"], 1.2),
        *[("vgg", n, small, "features", ["features.3", "features.8"], 1.4) for n in ["vgg11", "vgg11_bn", "vgg16"]],
        ("inception", "inception_v3", (96, 96), "Mixed_7c", ["Mixed_5b", "Mixed_6b.branch7x7_2.conv"], 1.4),
    ]
    for family, name, size, target, layers, gain in rows:
        yield family, f"timm/{name}", get(name, num_classes=10), size, target, layers, gain, 0, None, {"architecture": name}
    for name, size, patch, prefix, more in [
        ("vit_tiny_patch16_224", 224, 16, 1, {}),
        ("vit_small_patch32_224", 224, 32, 1, {}),
        ("vit_base_patch16_clip_224", 224, 16, 1, {}),
        ("deit_tiny_patch16_224", 224, 16, 1, {}),
        ("deit_tiny_distilled_patch16_224", 224, 16, 2, {}),
        ("deit3_small_patch16_224", 224, 16, 1, {}),
        ("vit_small_patch14_reg4_dinov2", 224, 14, 5, {"img_size": 224}),
        ("vit_medium_patch16_gap_240", 240, 16, 0, {}),
    ]:
        make = get(name, num_classes=10, **more)
        yield "vit", f"timm/{name}", make, (size, size), "blocks.11.norm1", ["blocks.3", "patch_embed.proj"], 1.0, prefix, patch, {"architecture": name}
    for name, size in [("swin_tiny_patch4_window7_224", 224), ("swinv2_tiny_window8_256", 256), ("swin_s3_tiny_224", 224)]:
        yield "swin", f"timm/{name}", get(name, num_classes=10), (size, size), "norm", ["layers.1", "layers.0.blocks.1.attn"], 1.0, 0, None, {"architecture": name}


def transformers_networks():
    import transformers as hf

    def row(family, config, size, target, layers, gain, prefix=0, patch=None, note=""):
        kind = type(config).__name__.removesuffix("Config")
        make = lambda: getattr(hf, f"{kind}ForImageClassification")._from_config(config)
        settings = {k: v for k, v in config.to_dict().items() if isinstance(v, (int, float, str, bool, list)) and v != []}
        return family, f"transformers/{kind}{note}", make, size, target, layers, gain, prefix, patch, settings

    small = (64, 64)
    for layer_type, depths, sizes in [("basic", [2, 2, 2, 2], [64, 128, 256, 512]), ("bottleneck", [2, 1, 2, 1], [64, 128, 256, 512])]:
        config = hf.ResNetConfig(layer_type=layer_type, depths=depths, hidden_sizes=sizes, num_labels=10)
        yield row("resnet", config, small, "resnet.encoder", ["resnet.encoder.stages.1", "resnet.encoder.stages.2.layers.0.layer.1.convolution"], 1.0, note=f" {layer_type}")
    sizes = [24, 48, 96, 192]
    deep = ["encoder.stages.1", "encoder.stages.0.layers.0.dwconv"]
    for kind, stem in [("ConvNextConfig", "convnext"), ("ConvNextV2Config", "convnextv2")]:
        config = getattr(hf, kind)(hidden_sizes=sizes, depths=[2, 1, 2, 1], num_labels=10)
        yield row("convnext", config, small, f"{stem}.encoder", [f"{stem}.{d}" for d in deep], 1.0)
    for kind, stem, prefix in [("ViTConfig", "vit", 1), ("DeiTConfig", "deit", 2)]:
        config = getattr(hf, kind)(num_hidden_layers=3, hidden_size=192, num_attention_heads=6, intermediate_size=384, num_labels=10, image_size=96)
        yield row("vit", config, (96, 96), "last norm", ["patch"], 1.0, prefix, 16)
    for kind, stem, size in [("SwinConfig", "swin", 96), ("Swinv2Config", "swinv2", 128)]:
        config = getattr(hf, kind)(image_size=size, embed_dim=32, depths=[2, 2], num_heads=[2, 4], window_size=4, num_labels=10)
        yield row("swin", config, (size, size), f"{stem}.layernorm", [], 1.0, 0, 8)


def last_norm(model, row):
    """Names of transformers' modules differ from version to version; they are looked up."""
    names = [n for n, _ in model.named_modules()]
    if row[4] == "last norm":
        target = [n for n in names if n.endswith("layernorm_before")][-1]
        return target, [n for n in names if n.endswith("patch_embeddings.projection")]
    return row[4], [n for n in row[5] if n in names]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--family", default="")
    parser.add_argument("--only", default="")
    chosen = parser.parse_args()
    torch.set_num_threads(2)
    HERE.mkdir(exist_ok=True)
    rows = [(*row, {}) for row in torchvision_networks()] + list(timm_networks()) + list(transformers_networks())
    for row in rows:
        family, name = row[:2]
        if (chosen.family and family != chosen.family) or chosen.only not in name:
            continue
        model = row[2]()
        target, layers = last_norm(model, row)
        missing = [n for n in [target, *layers] if n not in dict(model.named_modules())]
        assert not missing, (name, missing)
        made = record(name, model, row[3], target, layers, row[6], row[9], row[7], row[8])
        path = HERE / f"{family}.json.gz"
        records = json.loads(gzip.decompress(path.read_bytes())) if path.exists() else []
        records = [r for r in records if r["name"] != name] + [made]
        text = json.dumps(sorted(records, key=lambda r: r["name"]), separators=(",", ":"))
        path.write_bytes(gzip.compress(text.encode(), mtime=0))
        del model


if __name__ == "__main__":
    main()
