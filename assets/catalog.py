"""Makes catalog.tsv beside this file: the classification weights that torchvision publishes.

    pip install torch==2.13.0 torchvision==0.28.0
    python assets/catalog.py

Nothing is downloaded: all of it is written in torchvision's weight enums.
"""

import math
import re
from pathlib import Path
from urllib.parse import urlsplit

import torchvision
from torchvision import models
from torchvision.models import get_model_weights, list_models
from torchvision.transforms import InterpolationMode

COLUMNS = [
    "model", "weights", "default", "url", "mib", "classes", "top1",
    "resize", "crop", "interpolation", "mean", "std",
]
# These two normalize once more inside, to a mean and standard deviation of 0.5, when they are built
# with published weights (`transform_input`). That is not in the weights, so it belongs to the recipe.
TRANSFORM_INPUT = {"googlenet", "inception_v3"}


def one(values):
    """The only value of a list that has one."""
    (value,) = values
    return value


def numbers(values):
    return ",".join(f"{value:.9g}" for value in values)


def row(model, weights, default):
    recipe = weights.transforms()
    # Pillow always averages; a recipe without it would need a column.
    assert recipe.antialias, weights
    assert isinstance(recipe.interpolation, InterpolationMode), weights
    mean, std = recipe.mean, recipe.std
    if model in TRANSFORM_INPUT:
        assert list(mean) == [0.485, 0.456, 0.406] and list(std) == [0.229, 0.224, 0.225], weights
        mean, std = [0.5] * 3, [0.5] * 3
    file = urlsplit(weights.url).path.rpartition("/")[2]
    assert re.search(r"-[0-9a-f]{8,64}\.pth$", file), weights.url
    return [
        model, weights.name, "default" if default else "", weights.url,
        f"{weights.meta['_file_size']:.3f}", str(len(weights.meta["categories"])),
        f"{weights.meta['_metrics']['ImageNet-1K']['acc@1']:.3f}",
        str(one(recipe.resize_size)), str(one(recipe.crop_size)), recipe.interpolation.value,
        numbers(mean), numbers(std),
    ]


def main():
    rows, recipes = [], {}
    for model in sorted(list_models(module=models)):
        choices = get_model_weights(model)
        for weights in choices:
            # Weights of the convolutions alone have no accuracy and classify nothing.
            if math.isnan(weights.meta["_metrics"]["ImageNet-1K"]["acc@1"]):
                assert weights is not choices.DEFAULT
                continue
            rows.append(row(model, weights, weights is choices.DEFAULT))
            # A file is found by its name, which must not be ambiguous.
            assert recipes.setdefault(weights.url, rows[-1]) is rows[-1], weights.url
    lines = [f"# torchvision {torchvision.__version__.partition('+')[0]}, by catalog.py", "\t".join(COLUMNS)]
    lines += ["\t".join(cells) for cells in rows]
    Path(__file__).with_suffix(".tsv").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
