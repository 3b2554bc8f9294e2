"""Writes classes.txt beside this file: ImageNet's class names in the order of the classes.

    pip install torchvision==0.28.0
    python assets/imagenet/make.py

The names are torchvision's (BSD 3-clause), each of them unique.
"""

from pathlib import Path

from torchvision.models._meta import _IMAGENET_CATEGORIES as NAMES

assert len(NAMES) == len(set(NAMES)) == 1000
Path(__file__).with_name("classes.txt").write_text("".join(f"{name}\n" for name in NAMES))
