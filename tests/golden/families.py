"""What PyTorch computes for every network of every family: tests/golden/families/FAMILY.json.gz.

    python tests/golden/families.py [--family NAME] [--only SUBSTRING]

Needs torch 2.13, torchvision 0.28, timm 1.0.31 and transformers 5.23; downloads nothing. Networks are
built with random weights, which are then replaced by numbers that every libtorch makes again. A
record replaces the one of the same name in its family's file.

The contract with src/model/zoo/oracle.rs. Keys of the state dict without `num_batches_tracked`,
floating point ones only, are sorted by their bytes and numbered from 0. For number n:
`torch.manual_seed(1000 + n)`, then `t = torch.empty(shape).uniform_(-1, 1)`, float32 and contiguous,
and by the last part of the key, the first line that fits:

    logit_scale                              t + 2
    *layer_scale*, *gamma*, lambda*          0.3 t + 0.5
    running_var                              0.5 |t| + 1
    *weight with two axes or more            (gain * sqrt(3 / numbers in shape[1:])) * t
    *weight with one axis or none            0.3 t + 1
    all others                               0.3 t

Each operation is one of float32 tensors with a scalar, the bracket is computed in float64. The star
takes in `in_proj_weight`: left unscaled, attention is so sharp that rounding alone moves the logits.
Whole numbers stay what the network makes of itself.

The input: `torch.manual_seed(7)`, `torch.empty(1, 3, h, w).uniform_(-2, 2)`.

The gain is the first of GAINS for which values are neither tiny nor huge, the map is not flat, and
noise in the input's last digit stays in the last digits; where none makes a map of much contrast, the
one that makes the most. A network that does not look at its input would make a test that passes for
wrong reasons, and one that amplifies rounding a test that fails for wrong ones.

A record: `name`; `family`; `keys`: [key, shape] or [key, shape, kind] where it is not float32, sorted;
`input`: [height, width]; `gain`; `classes`; `settings`: what config.json says; `logits`: the first 16
and the sum of all absolute values; `layers`: the default one first, `sample[i]` being the value at
floor(i * numbers / 16) of the output in the module's own order; `cam`: Grad-CAM (Selvaraju et al.
2017, section 3) at the default layer for the class of the highest logit, before ReLU.

Records of transformers named "saved" have the keys that `save_pretrained` writes and that published
checkpoints have; the others those of `state_dict()`, which transformers 5 names differently for ViT,
DeiT and Swin. Their layers are named to match.
"""

import argparse
import gzip
import json
import math
import pathlib
import re
import tempfile

import torch

HERE = pathlib.Path(__file__).parent / "families"
GAINS = [1.0, 1.4, 1.2, 1.7, 0.8, 2.0]
# Above this many numbers, each try takes long.
LARGE = 150_000_000


class NoInit(torch.overrides.TorchFunctionMode):
    """Zeros for random initialisation, which takes long and is overwritten."""

    random = {"normal_", "uniform_"}

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if getattr(function, "__name__", "") in self.random:
            # Truncated normals are drawn until they are inside their bounds; 0 is.
            with torch.no_grad():
                return (args[0] if args else kwargs["tensor"]).zero_()
        return function(*args, **kwargs)


def fill(state, gain):
    names = sorted(
        (k for k, v in state.items() if v.is_floating_point() and not k.endswith("num_batches_tracked")),
        key=lambda k: k.encode(),
    )
    for n, name in enumerate(names):
        shape = state[name].shape
        assert state[name].dtype == torch.float32, name
        torch.manual_seed(1000 + n)
        t = torch.empty(shape).uniform_(-1, 1)
        last = name.rsplit(".", 1)[-1]
        if last == "logit_scale":
            t = t + 2.0
        elif "layer_scale" in last or "gamma" in last or last.startswith("lambda"):
            t = t * 0.3 + 0.5
        elif last == "running_var":
            t = t.abs() * 0.5 + 1.0
        elif len(shape) > 1 and last.endswith("weight"):
            t = t * (gain * math.sqrt(3.0 / t[0].numel()))
        elif last.endswith("weight"):
            t = t * 0.3 + 1.0
        else:
            t = t * 0.3
        with torch.no_grad():
            state[name].copy_(t)


def keys(state):
    out = []
    for name, tensor in sorted(state.items(), key=lambda item: item[0].encode()):
        if name.endswith("num_batches_tracked"):
            continue
        key = [name, list(tensor.shape)]
        if not tensor.is_floating_point():
            key.append(str(tensor.dtype).removeprefix("torch."))
        out.append(key)
    return out


def own_keys(model):
    """The state dict, and how to fill the network by it."""
    state = model.state_dict()

    def filled(gain):
        fill(state, gain)
        return model.eval()

    return state, filled


def saved_keys(model):
    """The same by the names that `save_pretrained` gives."""
    from safetensors.torch import load_file, save_file

    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        state = load_file(f"{folder}/model.safetensors")

    def filled(gain):
        fill(state, gain)
        with tempfile.TemporaryDirectory() as folder:
            model.save_pretrained(folder)
            save_file(state, f"{folder}/model.safetensors", {"format": "pt"})
            loaded, info = type(model).from_pretrained(folder, output_loading_info=True, local_files_only=True)
        assert not any(info[what] for what in ("missing_keys", "unexpected_keys", "mismatched_keys")), info
        return loaded.eval()

    return state, filled


def saved_name(layer):
    """transformers' name of a module as published checkpoints have it."""
    layer = re.sub(r"^(vit|deit)\.layers\.", r"\1.encoder.layer.", layer)
    return layer.replace(".mlp.fc1", ".intermediate.dense").replace(".mlp.fc2", ".output.dense")


def rounded(values):
    return [float(f"{float(v):.7g}") for v in values]


def as_map(output, family, grid, prefix):
    """The default layer's output as [channels, height, width]."""
    if output.dim() == 4:
        return output[0].permute(2, 0, 1) if family == "swin" else output[0]
    return output[0, prefix:].T.reshape(output.shape[2], *grid)


def first_tensor(output):
    return output if isinstance(output, torch.Tensor) else output[0]


def with_first(output, tensor):
    if isinstance(output, torch.Tensor):
        return tensor
    if hasattr(output, "keys"):
        return type(output)(**{**output, next(iter(output.keys())): tensor})
    return (tensor, *output[1:])


def run(model, x, layers):
    """Logits, the outputs of the layers, the class, and its gradients at the first layer."""
    seen = {}

    # What is kept is a copy that nothing that follows can overwrite; a clone of it goes on.
    def keeping(layer):
        def hook(_module, _inputs, output):
            leaf = first_tensor(output).detach().clone()
            seen[layer] = leaf
            if layer == layers[0]:
                return with_first(output, leaf.requires_grad_().clone())

        return hook

    handles = [model.get_submodule(layer).register_forward_hook(keeping(layer)) for layer in layers]
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    out = model(x)
    for handle in handles:
        handle.remove()
    logits = out if isinstance(out, torch.Tensor) else out.logits
    chosen = int(logits[0].argmax())
    gradients = torch.autograd.grad(logits[0, chosen], seen[layers[0]])[0]
    return logits[0].detach(), [seen[layer].detach() for layer in layers], chosen, gradients


def contrast(logits, outputs, activations, raw):
    """How far from flat the map is, in parts of its size; 0 where the values are no good test."""
    peak = max(t.abs().max() for t in [logits, raw, *outputs])
    if not peak < 1e3 or logits.abs().max() < 0.05 or logits.std() < 0.02:
        return 0.0
    if min(t.std() for t in [raw, *outputs]) < 1e-4:
        return 0.0
    spread = activations.std((1, 2)).mean() / activations.abs().mean()
    return float(min(spread, 3 * raw.std() / raw.abs().mean()))


def steady(model, x, layers, logits, outputs, gradients):
    """Whether noise of the size of float32's rounding stays far below what the tests allow."""
    for seed in range(1, 5):
        torch.manual_seed(seed)
        noisy, moved, chosen, slopes = run(model, x * (1 + 1e-7 * torch.randn_like(x)), layers)
        shifts = [(a - b).abs().max() / b.abs().mean() for a, b in zip([noisy, *moved], [logits, *outputs])]
        shifts.append((slopes - gradients).abs().max() / gradients.abs().max())
        if chosen != int(logits.argmax()) or not max(shifts) < 3e-5:
            return False
    return True


def record(family, name, model, size, target, layers, settings=None, prefix=0, patch=None):
    saved = name.endswith(" saved")
    state, filled = saved_keys(model) if saved else own_keys(model)
    h, w = size
    torch.manual_seed(7)
    x = torch.empty(1, 3, h, w).uniform_(-2, 2)
    layers = list(dict.fromkeys([target, *layers]))
    grid = None if patch is None else (h // patch, w // patch)
    wanted = 0.15 if sum(t.numel() for t in state.values()) > LARGE else 0.4
    best = 0.0
    for gain in GAINS:
        logits, outputs, chosen, gradients = run(model := filled(gain), x, layers)
        activations = as_map(outputs[0], family, grid, prefix)
        weights = as_map(gradients, family, grid, prefix).mean((1, 2), keepdim=True)
        raw = (weights * activations).sum(0)
        found = contrast(logits, outputs, activations, raw)
        if found > best and steady(model, x, layers, logits, outputs, gradients):
            best, kept = found, (gain, logits, outputs, chosen, raw)
        if best > wanted:
            break
    assert best > 0.05, (name, "no gain makes a good test")
    gain, logits, outputs, chosen, raw = kept
    names = [saved_name(layer) if saved else layer for layer in layers]
    print(
        f"{name:45} gain {gain} logits {logits.abs().mean():8.3g} map {raw.min():8.3g} to {raw.max():8.3g} contrast {best:.2f}",
        flush=True,
    )
    return {
        "name": name,
        "family": family,
        "keys": keys(state),
        "input": [h, w],
        "gain": gain,
        "classes": logits.numel(),
        "settings": settings or {},
        "logits": {"first": rounded(logits[:16]), "sum_abs": rounded([logits.double().abs().sum()])[0]},
        "layers": [
            {
                "name": layer,
                "shape": list(output.shape),
                "mean_abs": rounded([output.double().abs().mean()])[0],
                "sample": rounded(output.flatten()[i * output.numel() // 16] for i in range(16)),
            }
            for layer, output in zip(names, outputs, strict=True)
        ],
        "cam": {"layer": names[0], "class": chosen, "grid": list(raw.shape), "raw": rounded(raw.flatten())},
    }


def linear(c_in, classes=7):
    return torch.nn.Linear(c_in, classes)


def torchvision_networks():
    """(family, name, make, size, target, layers, prefix, patch)"""
    import torchvision.models as tv

    def get(name, **more):
        return lambda: tv.get_model(name, weights=None, **more)

    for name in tv.list_models(module=tv):
        size, prefix, patch, more = (96, 96), 0, None, {}
        if name == "alexnet":
            family, target, layers, size = "alexnet", "features", ["features.3", "features.10"], (127, 127)
        elif name.startswith("vgg"):
            family, target, layers = "vgg", "features", ["features.3", "features.8"]
        elif name.startswith("squeezenet"):
            family, target, layers = "squeezenet", "features", ["features.3.expand3x3", "features.5"]
        elif name.startswith("densenet"):
            family, target, layers = "densenet", "features", ["features.denseblock2", "features.transition1.conv"]
        elif name.startswith(("resne", "wide")):
            family, target, layers = "resnet", "layer4", ["layer2", "layer3.0.conv2"]
        elif name == "googlenet":
            family, target, layers, more = "googlenet", "inception5b", ["inception3a", "inception4c.branch2.1.conv"], {"init_weights": False, "aux_logits": True}
        elif name == "inception_v3":
            family, target, layers, size, more = "inception", "Mixed_7c", ["Mixed_5b", "Mixed_6b.branch7x7_2.conv"], (139, 139), {"init_weights": False, "aux_logits": True}
        elif name.startswith("shufflenet"):
            family, target, layers = "shufflenet", "conv5", ["stage2", "stage3.1.branch2.3"]
        elif name == "mobilenet_v2":
            family, target, layers = "mobilenet_v2", "features", ["features.7", "features.3.conv.1.0"]
        elif name.startswith("mobilenet_v3"):
            family, target, layers = "mobilenet_v3", "features", ["features.4", "features.4.block.1.0"]
        elif name.startswith("mnasnet"):
            family, target, layers = "mnasnet", "layers", ["layers.8", "layers.9.0.layers.3"]
        elif name.startswith("efficientnet"):
            family, target, layers = "efficientnet", "features", ["features.3", "features.4.0.block.1.0"]
        elif name.startswith("regnet"):
            family, target, layers = "regnet", "trunk_output", ["trunk_output.block2", "trunk_output.block1.block1-0.f.b.0"]
        elif name.startswith("convnext"):
            family, target, layers = "convnext", "features.7", ["features.3", "features.1.0.block.0"]
        elif name.startswith("vit"):
            blocks = {"b": 12, "l": 24, "h": 32}[name.split("_")[1]]
            target = f"encoder.layers.encoder_layer_{blocks - 1}.ln_1"
            family, layers, size = "vit", ["encoder.layers.encoder_layer_3", "conv_proj"], (224, 224)
            prefix, patch = 1, int(name.split("_")[2])
        elif name.startswith("swin"):
            family, target, layers = "swin", "norm", ["features.3", "features.1.1.attn"]
            size = (256, 256) if "v2" in name else (224, 224)
        else:
            family, target, layers, size = "maxvit", "blocks.3", ["blocks.1", "blocks.0.layers.0.layers.MBconv"], (224, 224)
        yield family, f"torchvision/{name}", get(name, **more), size, target, layers, prefix, patch
        changed = {
            "resnet18": ("fc", torch.nn.Sequential(torch.nn.Dropout(), linear(512, 256), torch.nn.ReLU(), linear(256))),
            "vgg11": ("classifier.6", linear(4096)),
            "mobilenet_v2": ("classifier.1", linear(1280)),
            "efficientnet_b0": ("classifier.1", linear(1280)),
            "densenet121": ("classifier", linear(1024)),
            "vit_b_16": ("heads.head", linear(768)),
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

            yield family, f"torchvision/{name} with 7 classes", fine_tuned, size, target, layers, prefix, patch
        # Sides that differ, and that strides and windows do not divide.
        other = {"resnet18": (65, 99), "convnext_tiny": (67, 101), "swin_t": (130, 190), "swin_v2_t": (200, 136)}
        if name in other:
            h, w = other[name]
            yield family, f"torchvision/{name} {h}x{w}", get(name), (h, w), target, layers, prefix, patch


class Beside(torch.nn.Module):
    """A network as a part of another module, with its head beside it. Layers have the network's names."""

    def __init__(self, part, network, c_in):
        super().__init__()
        self.part = part
        setattr(self, part, network)
        self.classifier = linear(c_in)

    def forward(self, x):
        return self.classifier(getattr(self, self.part)(x).flatten(1))

    def get_submodule(self, target):
        return super().get_submodule(f"{self.part}.{target}")


def changed_heads():
    """Heads as people put them on torchvision's networks."""
    import torchvision.models as tv

    nn, small = torch.nn, (96, 96)

    def replaced(name, **parts):
        def make():
            model = tv.get_model(name, weights=None)
            for where, part in parts.items():
                parent, _, last = where.replace("__", ".").rpartition(".")
                setattr(model.get_submodule(parent), last, part)
            return model

        return make

    def two(c_in, *between):
        return nn.Sequential(linear(c_in, 64), nn.ReLU(), *between, linear(64))

    stages = ["layer2", "layer3.0.conv2"]
    norms = nn.Sequential(nn.BatchNorm1d(512), nn.Dropout(), *two(512, nn.BatchNorm1d(64), nn.Dropout()))
    yield "resnet", "resnet18 with batch norms in its head", replaced("resnet18", fc=norms), small, "layer4", stages, 0, None
    yield "resnet", "resnet18 with a layer norm in its head", replaced("resnet18", fc=two(512, nn.LayerNorm(64))), small, "layer4", stages, 0, None
    body = replaced("resnet18", fc=nn.Identity())
    yield "resnet", "resnet18 beside its head", lambda: Beside("backbone", body(), 512), small, "layer4", stages, 0, None
    modules = lambda: nn.Sequential(*list(body().children())[:-1])
    yield "resnet", "resnet18 as a Sequential", lambda: Beside("features", modules(), 512), small, "7", ["5", "6.0.conv2"], 0, None
    pooled = replaced("vgg11_bn", avgpool=nn.AdaptiveAvgPool2d(1), classifier=two(512))
    yield "vgg", "vgg11_bn with a global average", pooled, small, "features", ["features.3", "features.8"], 0, None
    head = nn.Sequential(nn.Dropout(), *two(1280))
    yield "efficientnet", "efficientnet_b0 with two linear layers", replaced("efficientnet_b0", classifier=head), small, "features", ["features.3", "features.4.0.block.1.0"], 0, None
    head = replaced("mobilenet_v3_small", classifier__3=two(1024))
    yield "mobilenet_v3", "mobilenet_v3_small with three linear layers", head, small, "features", ["features.4", "features.4.block.1.0"], 0, None
    blocks = ["encoder.layers.encoder_layer_3", "conv_proj"]
    yield "vit", "vit_b_32 with two linear layers", replaced("vit_b_32", heads=two(768)), (224, 224), "encoder.layers.encoder_layer_11.ln_1", blocks, 1, 32


def timm_networks():
    import timm

    def get(name, **more):
        return lambda: timm.create_model(name, pretrained=False, **more)

    small = (96, 96)
    rows = [
        *[("resnet", n, small, "layer4", ["layer2", "layer3.0.conv2"]) for n in
          ["resnet18", "resnet50", "resnet50d", "resnet26t", "resnext50_32x4d", "seresnet50", "wide_resnet50_2"]],
        *[("convnext", n, small, "stages", ["stages.1", "stages.0.blocks.0.conv_dw"]) for n in
          ["convnext_atto", "convnext_tiny", "convnextv2_atto", "convnextv2_tiny"]],
        *[("efficientnet", n, small, "bn2", ["blocks.2", "blocks.3.0.conv_dw"]) for n in
          ["efficientnet_b0", "tf_efficientnet_b0", "efficientnetv2_rw_t", "tf_efficientnetv2_s", "mobilenetv2_100", "mnasnet_100",
           "efficientnet_lite0", "efficientnet_es", "efficientnet_b1_pruned", "semnasnet_050", "fbnetc_100", "mobilenetv1_100h", "tinynet_e",
           "mobilenet_edgetpu_v2_xs"]],
        *[("mobilenet_v3", n, small, "blocks", ["blocks.2", "blocks.3.0.conv_dw"]) for n in
          ["mobilenetv3_large_100", "mobilenetv3_small_100", "tf_mobilenetv3_small_100", "tf_mobilenetv3_small_minimal_100", "lcnet_050",
           "fbnetv3_b", "hardcorenas_a"]],
        *[("regnet", n, small, "s4", ["s2", "s2.b1.conv2.conv"]) for n in ["regnetx_002", "regnety_002", "regnety_032"]],
        ("densenet", "densenet121", small, "features", ["features.denseblock2", "features.transition1.conv"]),
        *[("vgg", n, small, "features", ["features.3", "features.8"]) for n in ["vgg11", "vgg11_bn", "vgg16"]],
        ("inception", "inception_v3", (139, 139), "Mixed_7c", ["Mixed_5b", "Mixed_6b.branch7x7_2.conv"]),
    ]
    for family, name, size, target, layers in rows:
        yield family, f"timm/{name}", get(name, num_classes=10), size, target, layers, 0, None, {"architecture": name}
        # What the weights alone tell.
        if name in ["efficientnet_lite0", "efficientnet_es", "semnasnet_050", "mnasnet_100", "fbnetc_100", "mobilenetv1_100h", "mobilenetv2_100", "lcnet_050", "fbnetv3_b"]:
            yield family, f"timm/{name} without its name", get(name, num_classes=10), size, target, layers, 0, None, {}
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
        yield "vit", f"timm/{name}", make, (size, size), "blocks.11.norm1", ["blocks.3", "patch_embed.proj"], prefix, patch, {"architecture": name}
    for name, size in [("swin_tiny_patch4_window7_224", 224), ("swinv2_tiny_window8_256", 256), ("swin_s3_tiny_224", 224)]:
        yield "swin", f"timm/{name}", get(name, num_classes=10), (size, size), "norm", ["layers.1", "layers.0.blocks.1.attn"], 0, None, {"architecture": name}


def transformers_networks():
    import transformers as hf

    def rows(family, config, size, target, layers, prefix=0, patch=None, note="", forms=("", " saved"), teacher=""):
        kind = type(config).__name__.removesuffix("Config")
        network = f"{kind}ForImageClassification{teacher}"
        # As config.json has it, without the names of classes.
        settings = json.loads(config.to_json_string(use_diff=True)) | {"architectures": [network]}
        settings = {k: v for k, v in settings.items() if k not in ("id2label", "label2id", "transformers_version")}
        make = lambda: getattr(hf, network)(config)
        for form in forms:
            yield family, f"transformers/{kind}{note}{form}", make, size, target, layers, prefix, patch, settings

    small, own = (96, 96), ("",)
    for layer_type, depths, sizes in [("basic", [2, 2, 2, 2], [64, 128, 256, 512]), ("bottleneck", [2, 1, 2, 1], [64, 128, 256, 512])]:
        config = hf.ResNetConfig(layer_type=layer_type, depths=depths, hidden_sizes=sizes, num_labels=10)
        layers = ["resnet.encoder.stages.1", "resnet.encoder.stages.2.layers.0.layer.1.convolution"]
        yield from rows("resnet", config, small, "resnet.encoder", layers, note=f" {layer_type}", forms=own)
    sizes = [24, 48, 96, 192]
    for kind, stem in [("ConvNextConfig", "convnext"), ("ConvNextV2Config", "convnextv2")]:
        config = getattr(hf, kind)(hidden_sizes=sizes, depths=[2, 1, 2, 1], num_labels=10)
        layers = [f"{stem}.encoder.stages.1", f"{stem}.encoder.stages.0.layers.0.dwconv"]
        yield from rows("convnext", config, small, f"{stem}.encoder", layers, forms=own)
    for kind, stem, prefix in [("ViTConfig", "vit", 1), ("DeiTConfig", "deit", 2)]:
        layers = [f"{stem}.layers.0", f"{stem}.embeddings.patch_embeddings.projection"]
        config = getattr(hf, kind)(num_hidden_layers=3, hidden_size=192, num_attention_heads=6, intermediate_size=384, num_labels=10, image_size=96)
        yield from rows("vit", config, (96, 96), f"{stem}.layers.2.layernorm_before", layers, prefix, 16)
        if stem == "deit":
            yield from rows("vit", config, (96, 96), f"{stem}.layers.2.layernorm_before", layers, prefix, 16, " with a teacher", (" saved",), "WithTeacher")
        if stem == "vit":
            config = hf.ViTConfig(num_hidden_layers=2, num_labels=10)
            yield from rows("vit", config, (224, 224), f"{stem}.layers.1.layernorm_before", layers, prefix, 16, " base-16 of 2 layers", (" saved",))
    for kind, stem, size, forms in [("SwinConfig", "swin", 96, ("", " saved")), ("Swinv2Config", "swinv2", 128, own)]:
        config = getattr(hf, kind)(image_size=size, embed_dim=32, depths=[2, 2], num_heads=[2, 4], window_size=4, num_labels=10)
        layers = [f"{stem}.encoder.layers.0.blocks.1", f"{stem}.embeddings.patch_embeddings.projection"]
        yield from rows("swin", config, (size, size), f"{stem}.layernorm", layers, 0, 8, forms=forms)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--family", default="")
    parser.add_argument("--only", default="")
    chosen = parser.parse_args()
    torch.set_num_threads(2)
    HERE.mkdir(exist_ok=True)
    rows = [(*row, {}) for row in torchvision_networks()]
    rows += [(family, f"torchvision/{name}", *rest, {}) for family, name, *rest in changed_heads()]
    rows += list(timm_networks()) + list(transformers_networks())
    for row in rows:
        family, name, make, size, target, layers, prefix, patch, settings = row
        if (chosen.family and family != chosen.family) or chosen.only not in name:
            continue
        with NoInit():
            model = make()
        made = record(family, name, model, size, target, layers, settings, prefix, patch)
        path = HERE / f"{family}.json.gz"
        records = json.loads(gzip.decompress(path.read_bytes())) if path.exists() else []
        records = [r for r in records if r["name"] != name] + [made]
        text = json.dumps(sorted(records, key=lambda r: r["name"]), separators=(",", ":"))
        path.write_bytes(gzip.compress(text.encode(), mtime=0))
        del model, made


if __name__ == "__main__":
    main()
