"""Sets gradcam's times and memory beside those of the Python libraries, in one run.

    pip install torch==2.13.0 torchvision==0.28.0 grad-cam==1.5.7 torchcam==0.5.0 safetensors pillow
    python benches/peers/compare.py [--only resnet18,vit_b_16] [--slow [METHOD,…]] [--rounds 2]

The same seeded random weights, the same image, the same number of threads. gradcam and the libraries
take turns, so that all see the same machine; each figure is a median. It prints a table of
milliseconds and ratios, and writes it as JSON to target/peers/compare.json.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PLACE = ROOT / "target" / "peers"
SIDE = 224
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

# The default layer of gradcam, and one before it.
NETWORKS = {
    "resnet18": ("layer4", "layer3"),
    "resnet50": ("layer4", "layer3"),
    "vgg16_bn": ("features", "features.32"),
    "densenet121": ("features", "features.denseblock3"),
    "convnext_tiny": ("features.7", "features.5"),
    "vit_b_16": ("encoder.layers.encoder_layer_11.ln_1", "encoder.layers.encoder_layer_8.ln_1"),
}


def median_ms(work, runs, warm=1):
    for _ in range(warm):
        work()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        times.append((time.perf_counter() - start) * 1000.0)
    return statistics.median(times)


def made(name):
    """The network, its weights as a file, and an image as a file."""
    import torch
    import torchvision
    from PIL import Image
    from safetensors.torch import save_file

    torch.manual_seed(0)
    model = getattr(torchvision.models, name)(weights=None).eval()
    PLACE.mkdir(parents=True, exist_ok=True)
    weights, image = PLACE / f"{name}.safetensors", PLACE / "image.png"
    if not weights.exists():
        save_file({key: value.contiguous() for key, value in model.state_dict().items()}, weights)
    if not image.exists():
        pixels = torch.rand(3, 14, 14).mul(255)
        pixels = torch.nn.functional.interpolate(pixels[None], size=(SIDE, SIDE), mode="bicubic")[0]
        Image.fromarray(pixels.clamp(0, 255).byte().permute(1, 2, 0).numpy()).save(image)
    return model, weights, image


def tensor_of(image):
    import numpy as np
    import torch
    from PIL import Image

    pixels = torch.from_numpy(np.array(Image.open(image).convert("RGB"))).permute(2, 0, 1) / 255.0
    return pixels.sub(torch.tensor(MEAN).view(3, 1, 1)).div(torch.tensor(STD).view(3, 1, 1))[None]


def grid(tensor):
    """A transformer's tokens without the class token, as a map."""
    side = int((tensor.size(1) - 1) ** 0.5)
    return tensor[:, 1:].reshape(tensor.size(0), side, side, -1).permute(0, 3, 1, 2)


def python_figures(name, slow, runs):
    """pytorch-grad-cam and torch-cam on one network."""
    import torch
    from pytorch_grad_cam import AblationCAM, GradCAM, ScoreCAM
    from pytorch_grad_cam.ablation_layer import AblationLayerVit
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
    from torchcam.methods import GradCAM as TorchCam

    torch.set_num_threads(2)
    model, _, image = made(name)
    x = tensor_of(image)
    layer, earlier = (model.get_submodule(path) for path in NETWORKS[name])
    reshape = grid if name.startswith("vit") else None
    figures = {}
    with torch.no_grad():
        figures["bare"] = median_ms(lambda: model(x), runs)

    def ours(kind, target, **more):
        with kind(model=model, target_layers=[target], reshape_transform=reshape, **more) as cam:
            classes = iter(range(10**9))
            return median_ms(
                lambda: cam(input_tensor=x, targets=[ClassifierOutputTarget(next(classes) % 1000)]),
                runs if kind is GradCAM else 1,
                1 if kind is GradCAM else 0,
            )

    figures["pytorch_grad_cam"] = ours(GradCAM, layer)
    figures["pytorch_grad_cam_earlier"] = ours(GradCAM, earlier)
    if "score-cam" in slow:
        figures["score-cam"] = ours(ScoreCAM, layer)
    if "ablation-cam" in slow:
        more = {"ablation_layer": AblationLayerVit()} if reshape else {}
        figures["ablation-cam"] = ours(AblationCAM, layer, **more)
    if not reshape:
        # The in-place ReLU after VGG's and DenseNet's layers is no obstacle to its gradients.
        with TorchCam(model, target_layer=layer) as extractor:
            def both():
                scores = model(x)
                extractor(0, scores)
            figures["torch_cam"] = median_ms(both, runs)
            scores, classes = model(x), iter(range(10**9))
            figures["torch_cam_class_switch"] = median_ms(
                lambda: extractor(next(classes) % 1000, scores, retain_graph=True), runs)
    return figures


ONE_SHOT = {
    "pytorch_grad_cam": """
from pytorch_grad_cam import GradCAM
with GradCAM(model=model, target_layers=[layer]) as cam:
    cam(input_tensor=x, targets=None)
""",
    "torch_cam": """
from torchcam.methods import GradCAM
with GradCAM(model, target_layer=layer) as extractor:
    scores = model(x)
    extractor(int(scores.argmax()), scores)
""",
}


def process(command):
    """Seconds and peak of the resident memory in MiB of a process. The system's own account of a
    finished process counts what its parent had when it started it, so the process is looked at."""
    start = time.perf_counter()
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    status, peak = Path(f"/proc/{running.pid}/status"), 0.0
    while running.poll() is None:
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                peak = max(peak, int(line.split()[1]) / 1024.0)
        time.sleep(0.002)
    if running.returncode:
        sys.exit(f"{command} failed")
    return time.perf_counter() - start, peak


def processes(name, runs):
    """From the start of a process to its first map."""
    _, weights, image = made(name)
    script = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
import torch, torchvision
from safetensors.torch import load_file
from compare import tensor_of
torch.set_num_threads(2)
model = torchvision.models.{name}(weights=None)
model.load_state_dict(load_file({str(weights)!r}))
model.eval()
x, layer = tensor_of({str(image)!r}), model.get_submodule({NETWORKS[name][0]!r})
"""
    commands = {tool: [sys.executable, "-c", script + body] for tool, body in ONE_SHOT.items()}
    commands["gradcam"] = [
        str(ROOT / "target/release/gradcam"), "explain", str(image), "--model", str(weights),
        "--resize", "none", "--crop", "none", "--raw", "--out", str(PLACE / "out"),
    ]
    seen = {tool: [] for tool in commands}
    for round_ in range(runs + 1):
        for tool, command in commands.items():
            found = process(command)
            if round_:
                seen[tool].append(found)
    return {
        tool: {"seconds": statistics.median(s for s, _ in all_), "peak_mib": max(m for _, m in all_)}
        for tool, all_ in seen.items()
    }


def rust_figures(binary, name, slow):
    _, weights, image = made(name)
    layer, earlier = NETWORKS[name]
    command = [binary, "--model", weights, "--image", image, "--layer", layer, "--earlier", earlier, "--json"]
    done = subprocess.run([str(word) for word in command + (["--slow", slow] if slow else [])],
                          check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout)


def built():
    """Builds the bench and the program; where the bench lies."""
    subprocess.run(["cargo", "build", "--release", "-q"], cwd=ROOT, check=True)
    done = subprocess.run(["cargo", "bench", "--bench", "explain", "--no-run", "-q", "--message-format", "json"],
                          cwd=ROOT, check=True, stdout=subprocess.PIPE)
    for line in done.stdout.splitlines():
        message = json.loads(line)
        if message.get("executable") and message["target"]["name"] == "explain":
            return message["executable"]
    sys.exit("cargo did not say where the bench is")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", default=",".join(NETWORKS))
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--slow", nargs="?", const="ablation-cam,score-cam", default="",
                        help="Ablation-CAM and Score-CAM too, or one of them")
    parser.add_argument("--python", metavar="NETWORK", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.python:
        print(json.dumps(python_figures(arguments.python, arguments.slow, arguments.runs)))
        return
    binary = built()
    report = {"networks": {}}
    for name in arguments.only.split(","):
        rust, python = [], []
        for _ in range(arguments.rounds):
            rust.append(rust_figures(binary, name, arguments.slow))
            # A process of its own: what one network leaves behind is no burden for the next.
            command = [sys.executable, __file__, "--python", name, "--runs", str(arguments.runs)]
            done = subprocess.run(command + (["--slow", arguments.slow] if arguments.slow else []), check=True, stdout=subprocess.PIPE)
            python.append(json.loads(done.stdout.splitlines()[-1]))
        middle = lambda all_: {key: statistics.median(one[key] for one in all_) for key in all_[0]}
        report["networks"][name] = figures = {"gradcam": middle(rust), "python": middle(python)}
        show(name, figures["gradcam"], figures["python"])
    if "resnet50" in arguments.only:
        report["process"] = found = processes("resnet50", 5)
        best = min(found[tool]["seconds"] for tool in ONE_SHOT)
        least = min(found[tool]["peak_mib"] for tool in ONE_SHOT)
        print("\nresnet50, from process start to the first map")
        for tool, figure in found.items():
            print(f"  {tool:20} {figure['seconds']:8.2f} s  {figure['peak_mib']:8.0f} MiB")
        print(f"  faster by {best / found['gradcam']['seconds']:.1f}, smaller by {least / found['gradcam']['peak_mib']:.1f}")
    (PLACE / "compare.json").write_text(json.dumps(report, indent=1))


def show(name, ours, theirs):
    print(f"\n{name}: milliseconds, and how many times faster")
    reference = theirs["pytorch_grad_cam"]
    rows = [
        ("class switch", ours["class_switch"], "pytorch-grad-cam", reference),
        ("first map", ours["first_map"], "pytorch-grad-cam", reference),
        ("first map", ours["first_map"], "the bare forward pass", ours["bare"]),
        ("layer switch", ours["layer_switch_later_kept"], "pytorch-grad-cam", reference),
        ("all gradient methods", ours["first_map"] * ours["first_and_all_methods_by_first"],
         "one first map", ours["first_map"]),
    ]
    if "torch_cam_class_switch" in theirs:
        rows.insert(1, ("class switch", ours["class_switch"], "torch-cam, graph kept", theirs["torch_cam_class_switch"]))
        rows.insert(2, ("first map", ours["first_map"], "torch-cam", theirs["torch_cam"]))
    for key in ("ablation-cam", "score-cam"):
        if key in ours and key in theirs:
            rows.append((key, ours[key], "pytorch-grad-cam", theirs[key]))
    for what, mine, peer, other in rows:
        print(f"  {what:22} {mine:10.3f}   {peer:24} {other:10.3f}   {other / mine:9.2f}x", flush=True)


if __name__ == "__main__":
    main()
