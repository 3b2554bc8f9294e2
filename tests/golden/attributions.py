"""What captum, pytorch-grad-cam and torchcam say of small networks: attributions.json.gz.

    pip install torch==2.13.0 torchvision==0.28.0 timm==1.0.31 captum==0.9.0 grad-cam==1.5.7 torchcam==0.5.0
    python tests/golden/attributions.py

Networks are filled and the image is made as in make.py; src/explain/methods/parity.rs makes the same.
Attention rollout has no package: it is written out here from its papers, on attention that is spelled
out, where the Rust side finds it inside of one operation.

A record: `network`, `method` by its key, `layer` or none, `class`; `shape` of the values, the largest
size of one, and every 13th of them. Values are those before any ReLU and scaling of the map: channel
weights times activations of the layer, attributions of the pixels.

Everything is computed in float64 too, and left out where that makes a difference: a denominator that
is almost zero would make a test that fails on another processor. So would the gradients of many images
in networks with ReLUs, of which rounding always switches some.

Where pytorch-grad-cam's or torchcam's values depend on what they should not, as the docstrings in
src/explain/methods say: Ablation-CAM has `batch_size=1`; ReLUs are not in place, since hooks would see
what comes after them; Smooth Grad-CAM++ is torchcam's without noise, and with noise the formula of the
docstring, written out here.
"""

import copy
import gzip
import json
import math
from pathlib import Path

import numpy as np
import timm
import torch
import torch.nn.functional as F
from captum import attr as captum
from make import fill, image
from pytorch_grad_cam import AblationCAM, FullGrad, GuidedBackpropReLUModel, ScoreCAM
from pytorch_grad_cam.ablation_layer import AblationLayer, AblationLayerVit
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torchcam.methods import SmoothGradCAMpp
from torchvision.models.resnet import BasicBlock, ResNet
from torchvision.models.swin_transformer import SwinTransformer
from torchvision.models.vgg import VGG, make_layers
from torchvision.models.vision_transformer import VisionTransformer

HERE = Path(__file__).parent
SIDE = 64
STEP = 13
# Largest effect of float32's rounding, in parts of the largest value.
STEADY = 5e-5
torch.set_num_threads(2)


def networks():
    """Name, network, layers with the axes of their maps, and whether it has ReLUs."""
    vgg = VGG(make_layers([8, "M", 16, "M", 32, 32, "M"]), num_classes=5)
    vgg.classifier = torch.nn.Sequential(
        torch.nn.Linear(32 * 49, 24), torch.nn.ReLU(), torch.nn.Dropout(), torch.nn.Linear(24, 5)
    )
    vit = {"num_heads": 3, "num_classes": 5}
    tokens = lambda prefix: lambda x: x[:, prefix:].reshape(1, 4, 4, -1).permute(0, 3, 1, 2)
    yield "resnet", ResNet(BasicBlock, [1, 1, 1, 1], num_classes=5), {"layer4": None, "layer3": None}
    # The second is before its ReLU and has negative values.
    yield "vgg", vgg, {"features": None, "features.8": None}
    yield (
        "vit",
        VisionTransformer(SIDE, 16, num_layers=3, hidden_dim=192, mlp_dim=64, **vit),
        {"encoder.layers.encoder_layer_2.ln_1": tokens(1)},
    )
    yield (
        "gap vit",
        timm.models.VisionTransformer(
            SIDE, 16, embed_dim=192, depth=2, mlp_ratio=1, class_token=False, global_pool="avg", **vit
        ),
        {"blocks.1.norm1": tokens(0)},
    )
    yield (
        "swin",
        SwinTransformer([4, 4], 16, [2, 2], [2, 2], [4, 4], mlp_ratio=2.0, num_classes=5),
        {"norm": lambda x: x.permute(0, 3, 1, 2)},
    )


def uniform(seed, count):
    """The twin of `unit` in src/model/random.rs."""
    with np.errstate(over="ignore"):
        state = np.uint64(seed) + np.uint64(0x9E3779B97F4A7C15) * np.arange(1, count + 1, dtype=np.uint64)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        state = state ^ (state >> np.uint64(31))
    return ((state >> np.uint64(11)) + np.uint64(1)).astype(np.float64) / 2.0**53


def noise(samples, like, deviation):
    """One after the other from one seed; the twin of `normal`."""
    assert like.numel() % 2 == 0
    pairs = uniform(0, samples * like.numel()).reshape(-1, 2)
    length, angle = np.sqrt(-2 * np.log(pairs[:, 0])), math.tau * pairs[:, 1]
    normal = np.stack([length * np.cos(angle), length * np.sin(angle)], 1) * deviation
    return torch.from_numpy(normal.astype(np.float32)).to(like.dtype).reshape(samples, *like.shape[1:])


def out_of_place(model):
    for module in model.modules():
        if hasattr(module, "inplace"):
            module.inplace = False
    return model


def raw_of(cam, x, target):
    """What a pytorch-grad-cam method makes before its ReLU."""
    kept = []
    inner = cam.get_cam_image
    cam.get_cam_image = lambda *args, **more: kept.append(inner(*args, **more)) or kept[-1]
    with cam:
        cam(input_tensor=x, targets=[ClassifierOutputTarget(target)])
    return torch.from_numpy(kept[0][0])


def pixels(model, x, target):
    """Attributions of the pixels, by captum."""
    yield "gradient", captum.Saliency(model).attribute(x, target, abs=False)
    side = SIDE // 7
    yield "occlusion", captum.Occlusion(model).attribute(
        x, (3, side, side), strides=(3, side // 2, side // 2), target=target, perturbations_per_eval=8
    )[0, 0]


def many_gradients(model, x, target):
    """The same where it takes the gradients of many images."""
    yield "integrated-gradients", captum.IntegratedGradients(model).attribute(x, target=target, n_steps=50)
    spread = 0.15 * float(x.max() - x.min())
    tunnel = captum.NoiseTunnel(captum.Saliency(model))
    tunnel._add_noise_to_input = lambda input, _, samples: input + noise(samples, input, spread)
    yield "smooth-grad", tunnel.attribute(x, nt_samples=25, stdevs=spread, target=target, abs=False)


def guided(model, x, target, layers):
    yield "deconvolution", None, captum.Deconvolution(model).attribute(x, target)
    found = captum.GuidedBackprop(model).attribute(x, target)
    with torch.enable_grad():
        other = GuidedBackpropReLUModel(copy.deepcopy(model))(x.clone(), target).transpose(2, 0, 1)
    assert np.abs(other - found[0].numpy()).max() < 1e-5 * np.abs(other).max()
    yield "guided-backprop", None, found
    for layer in layers:
        both = captum.GuidedGradCam(model, model.get_submodule(layer))
        yield "guided-grad-cam", layer, both.attribute(x, target, interpolate_mode="bilinear")


def activations_and_gradients(model, layer, x, target):
    kept = []
    handle = model.get_submodule(layer).register_forward_hook(lambda _m, _i, o: kept.append(o))
    gradients = torch.autograd.grad(model(x)[0, target], kept, retain_graph=True)[0]
    handle.remove()
    return kept[0].detach(), gradients


def smooth_grad_cam(model, layer, transform, x, target):
    """The formula without noise, whose ReLU is torchcam's map, and with it."""
    transform = transform or (lambda output: output)

    def formula(deviation):
        activations = transform(activations_and_gradients(model, layer, x, target)[0])
        images = x + noise(4, x, deviation)
        gradients = [transform(activations_and_gradients(model, layer, one[None], target)[1]) for one in images]
        first, second, third = (torch.stack([g**power for g in gradients]).mean(0) for power in (1, 2, 3))
        alpha = second / (2 * second + (third * activations).sum((2, 3), keepdim=True) + 1e-8)
        return ((alpha * F.relu(first)).sum((2, 3), keepdim=True) * activations).sum(1)[0]

    with SmoothGradCAMpp(model, layer, input_shape=(3, SIDE, SIDE), reshape_transform=transform) as cam:
        cam._distrib.sample = lambda size: torch.zeros(size, dtype=x.dtype)
        model(x)
        plain = cam(target, normalized=False)[0][0]
    clean = formula(0.0)
    assert (F.relu(clean) - plain).abs().max() <= 1e-5 * clean.abs().max(), layer
    return clean, formula(0.3)


def channels(model, layer, transform, x, target):
    module = model.get_submodule(layer)
    of = {"target_layers": [module], "reshape_transform": transform}
    ablation = AblationLayerVit() if transform else AblationLayer()
    yield "ablation-cam", raw_of(AblationCAM(model, ablation_layer=ablation, batch_size=1, **of), x, target)
    yield "score-cam", raw_of(ScoreCAM(model, **of), x, target)
    plain, smooth = smooth_grad_cam(model, layer, transform, x, target)
    yield "smooth-grad-cam++ without noise", plain
    yield "smooth-grad-cam++", smooth


def full_grad(model, x, target):
    cam = FullGrad(model, [])
    kept = []
    inner = cam.compute_cam_per_layer
    cam.compute_cam_per_layer = lambda *args: kept.append(inner(*args)) or kept[-1]
    with cam:
        cam(input_tensor=x.clone(), targets=[ClassifierOutputTarget(target)])
    return torch.from_numpy(kept[0][0, 0])


def spelled_out(attention, kept):
    """torch.nn.MultiheadAttention, so that its probabilities are on the way to the output."""

    def forward(query, _key, _value, **_):
        images, tokens, width = query.shape
        parts = F.linear(query, attention.in_proj_weight, attention.in_proj_bias).chunk(3, -1)
        q, k, v = (part.view(images, tokens, attention.num_heads, -1).transpose(1, 2) for part in parts)
        kept.append((q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])).softmax(-1))
        return attention.out_proj((kept[-1] @ v).transpose(1, 2).reshape(images, tokens, width)), None

    return forward


def rollouts(name, model, x, target):
    """arXiv 2005.00928, equation 1; arXiv 2103.15679, equations 5 and 6."""
    model, kept = copy.deepcopy(model), []
    logits = model(x)
    if name == "vit":
        for block in model.encoder.layers:
            block.self_attention.forward = spelled_out(block.self_attention, kept)
    else:
        for block in model.blocks:
            block.attn.fused_attn = False
            block.attn.attn_drop.register_forward_hook(lambda _m, _i, output: kept.append(output))
    again = model(x)
    assert (again - logits).abs().max() < 1e-5
    gradients = torch.autograd.grad(again[0, target], kept)
    identity = torch.eye(kept[0].shape[-1], dtype=x.dtype)
    mixed, relations = identity, identity
    for attention, gradient in zip(kept, gradients, strict=True):
        mean = attention[0].mean(0) + identity
        mixed = (mean / mean.sum(-1, keepdim=True)) @ mixed
        relations = relations + (attention * gradient)[0].clamp(min=0).mean(0) @ relations
    for method, matrix in [("attention-rollout", mixed), ("gradient-attention-rollout", relations - identity)]:
        row = matrix[0, 1:] if name == "vit" else matrix.mean(0)
        yield method, row.reshape(4, 4)


def all_values(name, model, layers, x, target):
    """(method, layer, values) of everything."""
    for method, values in pixels(model, x, target):
        yield method, None, values
    if name in ("resnet", "vgg"):
        yield from guided(model, x, target, layers)
    else:
        for method, values in many_gradients(model, x, target):
            yield method, None, values
    yield "full-grad", None, full_grad(model, x, target)
    for layer, transform in layers.items():
        for method, values in channels(model, layer, transform, x, target):
            yield method, layer, values
    if "vit" in name:
        for method, values in rollouts(name, model, x, target):
            yield method, None, values


def records():
    x = torch.from_numpy(image(SIDE, SIDE)).permute(2, 0, 1).float().div(255).sub(0.5).div(0.25)[None]
    for name, model, layers in networks():
        model = out_of_place(fill(model))
        logits = model(x)[0].detach()
        target = int(logits.argmax())
        shapes = {key: list(value.shape) for key, value in model.state_dict().items() if value.is_floating_point()}
        found = []
        exact = all_values(name, copy.deepcopy(model).double(), layers, x.double(), target)
        for (method, layer, values), (_, _, double) in zip(
            all_values(name, model, layers, x, target), exact, strict=True
        ):
            values, double = values.detach().float(), double.detach().double()
            peak = float(values.abs().max())
            assert 0 < peak < math.inf, (name, method)
            rounding = float((values - double).abs().max()) / peak
            steady = rounding < STEADY
            print(f"{name:8} {method:32} {layer or '':38} rounding {rounding:.1e} {'' if steady else 'LEFT OUT'}")
            if steady:
                shape = list(values.shape[-3:])
                sample = [float(f"{v:.7g}") for v in values.flatten()[::STEP].tolist()]
                found.append({"method": method, "layer": layer, "shape": shape, "peak": peak, "sample": sample})
        logits = [float(f"{v:.7g}") for v in logits.tolist()]
        yield {"network": name, "shapes": shapes, "class": target, "logits": logits, "records": found}


if __name__ == "__main__":
    text = json.dumps(list(records()), separators=(",", ":"))
    (HERE / "attributions.json.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
