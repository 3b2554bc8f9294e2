"""Makes metrics.json beside this file: what the reference implementations measure of two maps.

    pip install torch==2.13.0 torchvision==0.28.0 grad-cam==1.5.7 torchcam==0.5.0 \
        scipy==1.17.1 scikit-image==0.26.0 numpy==2.4.6
    python tests/golden/metrics.py

The network and the image are those of make.py, the maps are the formulas in `maps`, and their twins
are in src/explain/evaluate/tests.rs.
"""

import contextlib
import json
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import torch
from pytorch_grad_cam.metrics import road
from pytorch_grad_cam.metrics.perturbation_confidence import (
    AveragerAcrossThresholds,
    PerturbationConfidenceMetric,
    RemoveLeastRelevantFirst,
    RemoveMostRelevantFirst,
)
from pytorch_grad_cam.utils.model_targets import ClassifierOutputSoftmaxTarget
from scipy.stats import spearmanr
from skimage.metrics import structural_similarity
from torchcam.metrics import ClassificationMetric, DeletionInsertionMetric
from torchvision.models.resnet import BasicBlock, ResNet

from make import fill, image

HERE = Path(__file__).parent
SIDE = 32
PERCENTILES = [10, 20, 30, 40, 50, 60, 70, 80, 90]


def scaled(grid):
    grid = grid - grid.min()
    return grid / (1e-7 + grid.max())


def final(raw):
    """As pytorch-grad-cam of a map that has the input's size: ReLU, scale, scale."""
    return scaled(scaled(torch.relu(raw)))


def maps():
    """32x32, in blocks of 4x4; all values differ, but for the zeros of the last two after ReLU."""
    y, x = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    across, down = x // 4, y // 4
    block = 1 + (across * 5 + down * 7 + across * down * 3) % 23
    bumpy = block + (y * SIDE + x) * 683 % 1024 / 1024
    return {"bumpy": bumpy, "sparse": bumpy - 14, "spots": bumpy - 20}


class Given:
    """Stands for a CAM extractor whose map is known."""

    def __init__(self, model, cam):
        self.model, self.cam = model, cam

    def __call__(self, *_args, **_kwargs):
        return [self.cam[None]]

    def fuse_cams(self, cams):
        return cams[0]

    def _hooks_off(self):
        return contextlib.nullcontext()


def road_scores(model, x, cam, target):
    """pytorch-grad-cam's ROADCombined with imputation that adds no noise; MoRF and LeRF beside it."""
    def averaged(remove):
        def one(percentile):
            return PerturbationConfidenceMetric(remove(percentile, road.NoisyLinearImputer(noise=0)))

        average = AveragerAcrossThresholds(one, PERCENTILES)
        return float(average(x, cam.numpy()[None], [ClassifierOutputSoftmaxTarget(target)], model)[0])

    with warnings.catch_warnings():
        # Of a map with many equal values all positions are removed: a system that leaves a constant
        # open, which scipy solves by zero.
        warnings.simplefilter("ignore")
        morf, lerf = averaged(RemoveMostRelevantFirst), averaged(RemoveLeastRelevantFirst)
    return {"road": (lerf - morf) / 2, "road_morf": morf, "road_lerf": lerf}


def occlusion(model, x, cam, target):
    """scipy's rank correlation of the logit's fall and the mean of the map, part by part."""
    length = SIDE // 7
    starts = [*range(0, SIDE - length, length // 2), SIDE - length]
    with torch.no_grad():
        whole = model(x)[0, target]
        falls, means = [], []
        for top in starts:
            for left in starts:
                covered = x.clone()
                covered[:, :, top:top + length, left:left + length] = 0
                falls.append(float(whole - model(covered)[0, target]))
                means.append(float(cam[top:top + length, left:left + length].double().mean().float()))
    return float(spearmanr(np.float32(means), np.float32(falls)).statistic)


def measured(model, x, cam):
    softmax = partial(torch.softmax, dim=-1)
    target = int(model(x).argmax())
    drop = ClassificationMetric(Given(model, cam), softmax)
    drop.update(x)
    causal = DeletionInsertionMetric(Given(model, cam), softmax)
    causal.update(x)
    drop, causal = drop.summary(), causal.summary()
    return {
        "average_drop": drop["avg_drop"],
        "increase": drop["conf_increase"],
        "deletion": causal["deletion_auc"],
        "insertion": causal["insertion_auc"],
        **road_scores(model, x, cam, target),
        "occlusion_correlation": occlusion(model, x, cam, target),
    }


def similar(a, b):
    return {
        "rank": float(spearmanr(a.flatten(), b.flatten()).statistic),
        "ssim": float(structural_similarity(
            a.double().numpy(), b.double().numpy(), gaussian_weights=True, sigma=1.5,
            use_sample_covariance=False, data_range=1.0)),
    }


def imputed():
    """A small image with a hole at the border and one inside, filled without noise: [2, 5, 6]."""
    values = torch.from_numpy(image(6, 5)).permute(2, 0, 1)[:2].float() / 255
    known = torch.ones(5, 6)
    known[0:3, 4:6] = 0
    known[2:5, 1:3] = 0
    return {
        "known": known.flatten().tolist(),
        "filled": road.NoisyLinearImputer(noise=0)(values, known).flatten().tolist(),
    }


def percentiles():
    values = np.float32([0.3, 0.0, 0.0, 0.9, 0.25, 0.1, 1.0])
    return [float(np.percentile(values, p)) for p in PERCENTILES]


if __name__ == "__main__":
    torch.set_num_threads(1)
    model = fill(ResNet(BasicBlock, [1, 2, 1, 1], num_classes=7))
    pixels = torch.from_numpy(image(SIDE, SIDE)).permute(2, 0, 1).float()
    x = pixels.div(255).sub(0.5).div(0.25)[None]
    finals = {name: final(raw) for name, raw in maps().items()}
    record = {
        "maps": {name: measured(model, x, cam) for name, cam in finals.items()},
        "similarity": {
            "bumpy and sparse": similar(finals["bumpy"], finals["sparse"]),
            "spots and their mirror image": similar(finals["spots"], finals["spots"].flip(1)),
        },
        "imputed": imputed(),
        "percentiles": percentiles(),
    }
    (HERE / "metrics.json").write_text(json.dumps(record, separators=(",", ":")) + "\n")
