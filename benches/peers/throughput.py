"""Sets `gradcam explain` over a folder beside pytorch-grad-cam with a DataLoader, in one run.

    pip install torch==2.13.0 torchvision==0.28.0 grad-cam==1.5.7 safetensors pillow
    python benches/peers/throughput.py [--only resnet18,resnet50] [--images 256] [--rounds 3]

The same seeded random weights and the same JPEGs of 1 to 4 megapixels; both write an overlay of the
network's input for each image, and a line of JSON. They take turns, so that both see the same
machine. Figures are medians: images a second from the start of the process to its end, seconds of
processor time of all its processes, and the most memory that they had at the same time (shared
pages counted once). It also times `gradcam score` beside the bare forward pass of the same libtorch
on prepared tensors (`cargo bench --bench pipeline`).
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from compare import ROOT, made

PLACE = ROOT / "target" / "peers"


def photos(count):
    """JPEGs with the spectrum of photos: noise at several scales and grain, quality 90."""
    import numpy as np
    from PIL import Image

    folder = PLACE / f"photos-{count}"
    if folder.exists() and len(list(folder.glob("*.jpg"))) == count:
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    for number in range(count):
        megapixels = 1 + 3 * number / max(count - 1, 1)
        width = int((megapixels * 1e6 * 4 / 3) ** 0.5)
        height = width * 3 // 4
        pixels = np.zeros((height, width, 3), np.float32)
        for side in (4, 16, 64, 256):
            noise = Image.fromarray(random.integers(0, 256, (side, side, 3), np.uint8))
            pixels += np.asarray(noise.resize((width, height), Image.BICUBIC), np.float32) / 4
        pixels += random.normal(0, 4, pixels.shape).astype(np.float32)
        picture = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
        picture.save(folder / f"{number:04}.jpg", quality=90)
    return folder


def family(process):
    """A process and all that it has started."""
    found, waiting = [], [process]
    while waiting:
        one = waiting.pop()
        found.append(one)
        try:
            for task in Path(f"/proc/{one}/task").iterdir():
                waiting += [int(word) for word in (task / "children").read_text().split()]
        except OSError:
            pass
    return found


def memory_mib(process):
    total = 0
    for one in family(process):
        try:
            for line in Path(f"/proc/{one}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
        except OSError:
            pass
    return total / 1024


def run(command):
    """Seconds, seconds of processor time and MiB of a command."""
    before = os.times()
    start = time.perf_counter()
    process = subprocess.Popen([str(word) for word in command],
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, memory_mib(process.pid))
        time.sleep(0.05)
    seconds = time.perf_counter() - start
    if process.returncode:
        sys.exit(f"{command} failed: {process.stderr.read().decode()}")
    after = os.times()
    processor = after.children_user + after.children_system - before.children_user - before.children_system
    return seconds, processor, peak


def commands(name, folder, weights, out, device):
    python = [sys.executable, Path(__file__).parent / "folder.py", folder, out / "python",
              "--model", name, "--weights", weights, "--device", device]
    ours = [ROOT / "target/release/gradcam", "explain", folder, "--model", weights, "--out", out / "gradcam",
            "--pictures", "overlay", "--size", "input", "--resize", "256", "--crop", "224",
            "--device", device]
    return {"pytorch-grad-cam": python, "gradcam": ours}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", default="resnet18,resnet50")
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    subprocess.run(["cargo", "build", "--release", "-q"], cwd=ROOT, check=True)
    folder = photos(arguments.images)
    report = {}
    for name in arguments.only.split(","):
        _, weights, _ = made(name)
        seen = {}
        for _ in range(arguments.rounds):
            out = PLACE / "throughput"
            shutil.rmtree(out, ignore_errors=True)
            for tool, command in commands(name, folder, weights, out, arguments.device).items():
                seen.setdefault(tool, []).append(run(command))
        print(f"\n{name}, {arguments.images} images")
        report[name] = {}
        for tool, runs in seen.items():
            seconds, processor, peak = (statistics.median(column) for column in zip(*runs))
            report[name][tool] = {"images_per_second": arguments.images / seconds,
                                  "processor_seconds": processor, "peak_mib": peak}
            print(f"  {tool:18} {arguments.images / seconds:8.1f} images/s {processor:8.1f} s of processor "
                  f"{peak:8.0f} MiB", flush=True)
        ours, theirs = report[name]["gradcam"], report[name]["pytorch-grad-cam"]
        print(f"  faster by {ours['images_per_second'] / theirs['images_per_second']:.2f}, "
              f"smaller by {theirs['peak_mib'] / ours['peak_mib']:.2f}")
    (PLACE / "throughput.json").write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
