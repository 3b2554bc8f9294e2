"""Sets `gradcam explain` over a folder beside pytorch-grad-cam with a DataLoader, in one run.

    pip install torch==2.13.0 torchvision==0.28.0 grad-cam==1.5.7 safetensors pillow
    python benches/peers/throughput.py [--only resnet18,resnet50] [--images 256] [--rounds 3]
        [--device cuda --batch 64 --workers 16] [--copies 16] [--gradcam FILE] [--extra=--precision=f16]

The same seeded random weights and the same JPEGs of 1 to 4 megapixels; both write an overlay of the
network's input for each image, and a line of JSON. They take turns, so that both see the same
machine. Figures are medians: images a second from the start of the process to its end, seconds of
processor time of all its processes, and the most memory that they had at the same time (shared
pages counted once). On a GPU also the share of that time in which it was busy, from its own counter
(`nvidia-smi`, ten times a second): of all samples, and of those from the first to the last in which
it was. `--copies` gives each JPEG so many names, so that the start weighs less. `gradcam score` beside
the bare forward pass of the same libtorch is `cargo bench --bench pipeline`.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from compare import ROOT, made

PLACE = ROOT / "target" / "peers"


def photo(path, megapixels, seed):
    """A JPEG with the spectrum of photos: noise at several scales and grain, quality 90."""
    import numpy as np
    from PIL import Image

    random = np.random.default_rng(seed)
    width = int((megapixels * 1e6 * 4 / 3) ** 0.5)
    height = width * 3 // 4
    pixels = np.zeros((height, width, 3), np.float32)
    for side in (4, 16, 64, 256):
        noise = Image.fromarray(random.integers(0, 256, (side, side, 3), np.uint8))
        pixels += np.asarray(noise.resize((width, height), Image.BICUBIC), np.float32) / 4
    pixels += random.normal(0, 4, pixels.shape).astype(np.float32)
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path, quality=90)


def photos(count, copies):
    folder = PLACE / f"photos-{count}"
    if len(list(folder.glob("*.jpg"))) != count:
        folder.mkdir(parents=True, exist_ok=True)
        numbers = range(count)
        paths = [folder / f"{number:04}.jpg" for number in numbers]
        sizes = [1 + 3 * number / max(count - 1, 1) for number in numbers]
        with ProcessPoolExecutor() as pool:
            list(pool.map(photo, paths, sizes, numbers))
    if copies == 1:
        return folder
    many = PLACE / f"photos-{count}x{copies}"
    shutil.rmtree(many, ignore_errors=True)
    many.mkdir()
    for path in folder.glob("*.jpg"):
        for copy in range(copies):
            os.link(path, many / f"{copy:04}-{path.name}")
    return many


class Busy:
    """What a GPU says of itself ten times a second: the percentage of time in which a kernel ran."""

    def __enter__(self):
        self.samples = []
        self.process = subprocess.Popen(
            ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "-lms", "100"],
            stdout=subprocess.PIPE, text=True)
        self.reader = threading.Thread(target=self.read)
        self.reader.start()
        return self

    def read(self):
        for line in self.process.stdout:
            self.samples.append(float(line.split()[0]))

    def __exit__(self, *_):
        self.process.kill()
        self.reader.join()

    def shares(self):
        """Of all samples, and of those from the first to the last in which it was busy."""
        at_work = [place for place, sample in enumerate(self.samples) if sample > 0]
        if not at_work:
            return 0.0, 0.0
        between = self.samples[at_work[0]:at_work[-1] + 1]
        return statistics.mean(self.samples), statistics.mean(between)


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


def commands(name, folder, weights, out, arguments):
    device = ["--device", arguments.device]
    python = [sys.executable, Path(__file__).parent / "folder.py", folder, out / "python",
              "--model", name, "--weights", weights, "--batch", arguments.batch or 32,
              "--workers", arguments.workers]
    ours = [arguments.gradcam, "explain", folder, "--model", weights, "--out", out / "gradcam",
            "--pictures", "overlay", "--size", "input", "--resize", "256", "--crop", "224"]
    if arguments.batch:
        ours += ["--batch", arguments.batch]
    return {"pytorch-grad-cam": python + device, "gradcam": ours + device + arguments.extra}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", default="resnet18,resnet50")
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--copies", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch", type=int, help="of both; else 32, and gradcam's own")
    parser.add_argument("--workers", type=int, default=2, help="of the DataLoader")
    parser.add_argument("--gradcam", type=Path, help="the program; else it is built")
    parser.add_argument("--extra", action="append", default=[], help="one more argument of gradcam")
    arguments = parser.parse_args()
    if not arguments.gradcam:
        subprocess.run(["cargo", "build", "--release", "-q"], cwd=ROOT, check=True)
        arguments.gradcam = ROOT / "target/release/gradcam"
    on_gpu = arguments.device != "cpu"
    folder = photos(arguments.images, arguments.copies)
    images = arguments.images * arguments.copies
    report = {}
    for name in arguments.only.split(","):
        _, weights, _ = made(name)
        seen = {}
        for _ in range(arguments.rounds):
            out = PLACE / "throughput"
            shutil.rmtree(out, ignore_errors=True)
            for tool, command in commands(name, folder, weights, out, arguments).items():
                if on_gpu:
                    with Busy() as busy:
                        figures = run(command)
                    seen.setdefault(tool, []).append(figures + busy.shares())
                else:
                    seen.setdefault(tool, []).append(run(command))
        print(f"\n{name}, {images} images")
        report[name] = {}
        for tool, runs in seen.items():
            seconds, processor, peak, *busy = (statistics.median(column) for column in zip(*runs))
            report[name][tool] = {"images_per_second": images / seconds,
                                  "processor_seconds": processor, "peak_mib": peak, "gpu_busy": busy}
            shares = "".join(f" {share:4.0f} %" for share in busy)
            print(f"  {tool:18} {images / seconds:8.1f} images/s {processor:8.1f} s of processor "
                  f"{processor / seconds:6.1f} cores {peak:8.0f} MiB{shares}", flush=True)
        ours, theirs = report[name]["gradcam"], report[name]["pytorch-grad-cam"]
        print(f"  faster by {ours['images_per_second'] / theirs['images_per_second']:.2f}, "
              f"smaller by {theirs['peak_mib'] / ours['peak_mib']:.2f}")
    (PLACE / "throughput.json").write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
