"""What pytorch-grad-cam computes on a network of every family: tests/golden/methods/*.json.gz.

    python tests/golden/methods.py [--family NAME]

Needs torch 2.13, torchvision 0.28, timm 1.0.31, transformers 5.23 and grad-cam 1.5.7; downloads nothing.
Networks, weights and inputs are those of the records in tests/golden/families, by the same names;
families.py says how they are made. `literal.json` is a network small enough to stand there in full.

A record: `name`, and `maps`: `method` by its key in gradcam; `layers`; `class`; `eigen` and `aug`
where eigen_smooth or aug_smooth is on; `size`: [height, width] of the map; `peak`: its largest value
without sign; `sample[i]`: the value at floor(i * numbers / n). `at` says which map: "raw" is before
the ReLU, on the layer's grid (what `get_cam_image` returns); "mean" the mean over changed images,
"final" what the caller gets, both at the input's size.

Grad-CAM++ and XGrad-CAM divide by sums that may come near to zero, and eigenvectors may be nearly
equal in weight; a value that rounding alone changes is no reference. Of the four classes with the
highest logits the one is taken for which the fewest maps move by STEADY of their peak when the input
moves by 1e-7 of its size, in SHIFTS ways (of methods that run the network often, in one), and these
maps are left out: `unsteady` has method, layers and how much. One that passes may still stand on an
edge: a gradient has a step where a value crosses the corner of a ReLU6, and processors round on
either side of it.

Where pytorch-grad-cam is not followed as it comes:

- Hooks see the layer's output by reference. An operation in place that follows (a ReLU, as after
  DenseNet's `features`) changes what they have kept, on the CPU; on a GPU `activation.cpu()` was a
  copy by then. Here the output goes on as a clone. What comes without one is in `aliased`.
- Ablation-CAM runs in batches of one: in a batch of 32 the minimum is taken over rows that were
  ablated already, so each channel gets another value.
- Shapley-CAM does not reshape tokens before it sums, which fails; here it does. Attention runs in its
  parts, since libtorch has no second derivative of the fused operation.
"""

import argparse
import collections
import contextlib
import gzip
import json
import math
import pathlib
import warnings

import numpy as np
import pytorch_grad_cam as pgc
import torch
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch.nn.attention import SDPBackend, sdpa_kernel

import families

HERE = pathlib.Path(__file__).parent / "methods"
SAMPLE = 100
STEADY = 1e-5
# In how many ways the input moves.
SHIFTS = 4
warnings.filterwarnings("ignore")


class AblationCAM(pgc.AblationCAM):
    def __init__(self, model, layers, reshape):
        layer = pgc.ablation_layer.AblationLayerVit() if reshape else pgc.ablation_layer.AblationLayer()
        super().__init__(model, layers, reshape, layer, batch_size=1)

    def save_activation(self, module, inputs, output):
        self.activations = output.clone()


class ShapleyCAM(pgc.ShapleyCAM):
    def get_cam_image(self, inputs, layer, targets, activations, grads, eigen_smooth=False):
        weights = self.get_cam_weights(inputs, layer, targets, activations, grads)
        reshape = self.reshape_transform or (lambda tensor: tensor)
        return (weights[:, :, None, None] * reshape(activations).detach().numpy()).sum(axis=1)


GRADIENT = {
    "grad-cam": pgc.GradCAM,
    "grad-cam++": pgc.GradCAMPlusPlus,
    "xgrad-cam": pgc.XGradCAM,
    "hires-cam": pgc.HiResCAM,
    "element-wise-grad-cam": pgc.GradCAMElementWise,
    "layer-cam": pgc.LayerCAM,
    "eigen-cam": pgc.EigenCAM,
    "eigen-grad-cam": pgc.EigenGradCAM,
    "shapley-cam": ShapleyCAM,
    "finer-cam": pgc.FinerCAM,
}
SLOW = {"ablation-cam": AblationCAM, "score-cam": pgc.ScoreCAM}
UP_TO_SIGN = ("eigen-cam", "eigen-grad-cam")


class Logits(torch.nn.Module):
    """A network that gives a tensor, as transformers' do not."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        out = self.model(x)
        return out if isinstance(out, torch.Tensor) else out.logits


class Network:
    def __init__(self, model, x, reshape):
        self.model, self.x, self.reshape = model, x, reshape

    def module(self, name):
        return self.model.get_submodule(f"model.{name}")

    def noisy(self, seed=1):
        """The same with another last digit in the input."""
        torch.manual_seed(seed)
        return Network(self.model, self.x * (1 + 1e-7 * torch.randn_like(self.x)), self.reshape)

    @contextlib.contextmanager
    def copying(self, modules):
        """What follows these modules gets a copy of their output."""
        handles = [module.register_forward_hook(lambda _m, _i, output: output.clone()) for module in modules]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def run(self, make, layers, chosen, eigen=False, aug=False, copy=True):
        """The raw map and the final one."""
        modules = [self.module(layer) for layer in layers]
        cam = make(self.model, modules, self.reshape)
        cams = getattr(cam, "base_cam_per_layer", [getattr(cam, "base_cam", cam)])
        kept = []

        def keeping(own):
            def image(*args, **kwargs):
                kept.append(own(*args, **kwargs))
                return kept[-1]

            return image

        for base in cams:
            base.get_cam_image = keeping(base.get_cam_image)
            modules = base.target_layers if isinstance(base, pgc.FullGrad) else modules
        more = {"target_idx": chosen} if isinstance(cam, pgc.FinerCAM) else {"targets": [ClassifierOutputTarget(chosen)]}
        more |= {"aug_smooth": True} if aug else {}
        plain = sdpa_kernel(SDPBackend.MATH) if make is ShapleyCAM else contextlib.nullcontext()
        with plain, self.copying(modules if copy else []):
            final = cam(input_tensor=self.x, eigen_smooth=eigen, **more)[0]
        for base in cams:
            for handle in base.activations_and_grads.handles:
                handle.remove()
            base.activations_and_grads.handles.clear()
            base.activations_and_grads.activations.clear()
            base.activations_and_grads.gradients.clear()
        self.model.zero_grad()
        return (np.asarray(kept[0][0]) if kept else None), np.asarray(final)


def grid(tensor):
    """Tokens beyond the largest square come first; of four axes the channels come last."""
    if tensor.dim() == 4:
        return tensor.permute(0, 3, 1, 2)
    side = math.isqrt(tensor.shape[1])
    tokens = tensor[:, tensor.shape[1] - side * side :]
    return tokens.transpose(1, 2).reshape(tensor.shape[0], tensor.shape[2], side, side)


def map_record(method, layers, chosen, at, values, **flags):
    values = np.asarray(values)
    flat = values.flatten()
    n = min(SAMPLE, flat.size)
    return {
        "method": method,
        "layers": layers,
        "class": chosen,
        "at": at,
        **{flag: True for flag, on in flags.items() if on},
        "size": list(values.shape),
        "peak": number(np.abs(flat).max()),
        "sample": [number(flat[i * flat.size // n]) for i in range(n)],
    }


def number(value):
    return float(f"{float(value):.6g}")


def moved(method, a, b):
    """The largest difference of two maps, in parts of the peak."""
    peak = np.abs(a).max()
    if not 1e-12 < peak < 1e9:
        return 999.0
    apart = np.abs(a - b).max()
    if method in UP_TO_SIGN:
        apart = min(apart, np.abs(a + b).max())
    return apart / peak


def shaken(network, method, value, run):
    """By how much a map moves, at most, when the input's last digit does."""
    return max(moved(method, value, run(network.noisy(seed))) for seed in range(1, SHIFTS + 1))


def gradient_maps(network, layers, methods):
    """The class of the first four with the fewest maps that are not steady, its raw maps, and those."""
    with torch.no_grad():
        order = network.model(network.x)[0].argsort(descending=True).tolist()
    found = []
    for chosen in order[:4]:
        maps, unsteady = {}, []
        for layer in layers:
            for method, make in methods.items():
                raw = network.run(make, [layer], chosen)[0]
                apart = shaken(network, method, raw, lambda seen: seen.run(make, [layer], chosen)[0])
                if apart < STEADY:
                    maps[method, layer] = raw
                else:
                    unsteady.append([method, layer, number(apart)])
        found.append((len(unsteady), chosen, maps, unsteady))
        if not unsteady:
            break
    _, chosen, maps, unsteady = min(found, key=lambda item: item[0])
    print("   class", chosen, "unsteady", unsteady, flush=True)
    return chosen, maps, unsteady


def record(name, model, x, layers, slow, stages, more):
    print(name, flush=True)
    reshape = grid if name.startswith(TOKENS) else None
    network = Network(Logits(model).eval(), x, reshape)
    # PyTorch has no second derivative of MobileNet v3's hard sigmoid, and Shapley-CAM needs it.
    methods = {key: make for key, make in GRADIENT.items() if (key, "mobilenet_v3" in name) != ("shapley-cam", True)}
    chosen, maps, unsteady = gradient_maps(network, layers, methods)
    out = [map_record(method, [layer], chosen, "raw", raw) for (method, layer), raw in maps.items()]
    for method, make in SLOW.items():
        for layer in slow:
            raw, again = (seen.run(make, [layer], chosen)[0] for seen in (network, network.noisy()))
            if moved(method, raw, again) < STEADY:
                out.append(map_record(method, [layer], chosen, "raw", raw))
            else:
                unsteady.append([method, layer, number(moved(method, raw, again))])

    def keep(method, read, at_class, at, run, **flags):
        """Takes a map where it is steady."""
        value = run(network)
        apart = shaken(network, method, value, run)
        if apart < STEADY:
            out.append(map_record(method, read, at_class, at, value, **flags))
        else:
            unsteady.append([method, ", ".join([*read, *flags]), number(apart)])
            print("   unsteady", unsteady[-1], flush=True)

    whole = {"refine-cam": (pgc.RefineCAM, stages)}
    # FullGrad takes the biases of exactly torch's Conv2d and BatchNorm2d; timm has classes of its own.
    if not reshape and name.startswith("torchvision/"):
        whole["full-grad"] = (FullGrad, [])
    for method, (make, layers_read) in whole.items():
        keep(method, layers_read, chosen, "final", lambda seen: seen.run(make, layers_read, chosen)[1])
    if more:
        both = sorted({*layers[:2]}, key=layers.index, reverse=True)
        for method in ("grad-cam", "layer-cam"):
            make = GRADIENT[method]
            keep(method, both, chosen, "final", lambda seen: seen.run(make, both, chosen)[1])
            for layer in layers[:2]:
                eigen = lambda seen: seen.run(make, [layer], chosen, eigen=True)[0]
                keep(method, [layer], chosen, "raw", eigen, eigen=True)
        for method in ("grad-cam", "hires-cam"):
            mean = lambda seen: seen.run(GRADIENT[method], layers[:1], chosen, aug=True)[1]
            keep(method, layers[:1], chosen, "mean", mean, aug=True)
        # Another class at the same layers, the last one by logit.
        with torch.no_grad():
            least = int(network.model(x)[0].argmin())
        for method in ("grad-cam", "finer-cam"):
            keep(method, layers[:1], least, "raw", lambda seen: seen.run(GRADIENT[method], layers[:1], least)[0])
    made = {"name": name, "maps": out, "unsteady": unsteady}
    if name == "torchvision/densenet121":
        raw = network.run(pgc.GradCAM, layers[:1], chosen, copy=False)[0]
        made["aliased"] = map_record("grad-cam", layers[:1], chosen, "raw", raw)
    return made


class FullGrad(pgc.FullGrad):
    """Takes no layers, and makes sure that the biases stand in the order of the gradients."""

    def __init__(self, model, _layers, reshape):
        super().__init__(model, [], reshape)
        self.ran = []
        note = lambda module, _inputs, _output: self.ran.append(module)
        self.activations_and_grads.handles += [layer.register_forward_hook(note) for layer in self.target_layers]

    def compute_cam_per_layer(self, *args):
        assert all(a is b for a, b in zip(self.ran, self.target_layers, strict=True))
        return super().compute_cam_per_layer(*args)


def literal():
    """A network whose numbers stand in the file, with an operation in place after its first layer."""
    torch.manual_seed(5)
    model = torch.nn.Sequential(
        collections.OrderedDict(
            conv=torch.nn.Conv2d(3, 4, 3, padding=1),
            relu=torch.nn.ReLU(inplace=True),
            mix=torch.nn.Conv2d(4, 3, 3, padding=1),
            gelu=torch.nn.GELU(),
            pool=torch.nn.AdaptiveAvgPool2d(1),
            flat=torch.nn.Flatten(),
            head=torch.nn.Linear(3, 5),
        )
    )
    x = torch.empty(1, 3, 6, 7).uniform_(-2, 2).mul(100).round().div(100)
    weights = {}
    for name, tensor in model.state_dict().items():
        tensor.uniform_(-1, 1).mul_(100).round_().div_(100)
        weights[name] = {"shape": list(tensor.shape), "values": [number(v) for v in tensor.flatten()]}
    layers = ["conv", "relu", "gelu"]
    made = record("literal", model, x, layers, layers, ["conv", "gelu"], False)
    made |= {"input": {"shape": list(x.shape), "values": [number(v) for v in x.flatten()]}, "weights": weights}
    (HERE / "literal.json").write_text(json.dumps(made, separators=(",", ":")) + "\n")


# Whose maps are not [batch, channels, height, width].
TOKENS = ("torchvision/swin", "transformers/Swin", "timm/vit", "transformers/ViT")

# No layer that a layer norm follows: its gradients stand at right angles to the activations at every
# position, and what HiResCAM makes of them is rounding.
# The record's name; layers beside the default one; layers narrow enough for the slow methods (0 is the
# default one); the stages that RefineCAM multiplies; whether there are also smoothed and joined maps.
ROWS = [
    ("torchvision/alexnet", ["features.3"], [1], ["features.3", "features.10"], False),
    ("timm/convnext_atto", ["stages.1.blocks.0"], [0, 1], ["stages.1", "stages.3"], False),
    ("torchvision/densenet121", ["features.transition1.conv"], [1], ["features.denseblock1", "features.denseblock2", "features.denseblock3", "features.denseblock4"], False),
    ("torchvision/efficientnet_b0", ["features.3"], [1], ["features.3", "features.7"], False),
    ("torchvision/googlenet", ["inception4c.branch2.1.conv"], [], ["inception4e", "inception5b"], False),
    ("torchvision/inception_v3", ["Mixed_5b"], [], ["Mixed_5d", "Mixed_6e", "Mixed_7c"], False),
    ("torchvision/maxvit_t", ["blocks.1"], [], ["blocks.0", "blocks.1", "blocks.2", "blocks.3"], False),
    ("torchvision/mnasnet0_5", ["layers.8"], [1], ["layers.8", "layers.9", "layers.11", "layers.13"], False),
    ("torchvision/mobilenet_v2", ["features.7", "features.3.conv.1.0"], [1], ["features.3", "features.6", "features.13", "features.17"], True),
    ("torchvision/mobilenet_v3_small", ["features.4"], [0, 1], ["features.1", "features.3", "features.8", "features.11"], False),
    ("timm/regnetx_002", ["s2"], [0, 1], ["s1", "s2", "s3", "s4"], False),
    ("torchvision/resnet18", ["layer2", "layer3.0.conv2"], [1, 2], ["layer1", "layer2", "layer3", "layer4"], True),
    ("torchvision/shufflenet_v2_x0_5", ["stage2"], [1], ["stage2", "stage3", "conv5"], False),
    ("torchvision/squeezenet1_1", ["features.5"], [0, 1], ["features.4", "features.7", "features.12"], False),
    ("torchvision/swin_t", ["features.3"], [], ["features.1", "features.3", "features.5", "features.7"], False),
    ("transformers/Swin", ["swin.encoder.layers.0.blocks.0.layernorm_after"], [0, 1], ["swin.encoder.layers.0.blocks.0.layernorm_after", "swin.layernorm"], False),
    ("torchvision/vgg11 with 7 classes", ["features.8"], [], ["features.7", "features.12", "features.17"], False),
    ("timm/vit_tiny_patch16_224", ["blocks.3"], [], ["blocks.3", "blocks.11.norm1"], True),
    ("transformers/ViT", ["vit.layers.1.layernorm_before"], [0, 1], ["vit.layers.1.layernorm_before", "vit.layers.2.layernorm_before"], False),
]


def networks():
    rows = [(*row, {}) for row in families.torchvision_networks()]
    rows += [*families.timm_networks(), *families.transformers_networks()]
    return {row[1]: row for row in rows}


def known(family, name):
    """How families.py has filled a network."""
    records = json.loads(gzip.decompress((families.HERE / f"{family}.json.gz").read_bytes()))
    return next(record for record in records if record["name"] == name)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--family", default="")
    wanted = parser.parse_args().family
    torch.set_num_threads(1)
    HERE.mkdir(exist_ok=True)
    if wanted in ("", "literal"):
        literal()
    made, all_networks = {}, networks()
    for name, others, slow, stages, more in ROWS:
        family, _, make, size, target, *_ = all_networks[name]
        if wanted not in ("", family):
            continue
        with families.NoInit():
            model = make()
        _, filled = families.own_keys(model)
        model = filled(known(family, name)["gain"])
        # What runs in training alone, and FullGrad waits for.
        for head in ("aux1", "aux2", "AuxLogits"):
            if hasattr(model, head):
                setattr(model, head, torch.nn.Identity())
        torch.manual_seed(7)
        x = torch.empty(1, 3, *size).uniform_(-2, 2)
        layers = [target, *others]
        made.setdefault(family, []).append(record(name, model, x, layers, [layers[i] for i in slow], stages, more))
        text = json.dumps(made[family], separators=(",", ":"))
        (HERE / f"{family}.json.gz").write_bytes(gzip.compress(text.encode(), mtime=0))


if __name__ == "__main__":
    main()
