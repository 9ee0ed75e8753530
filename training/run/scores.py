"""DSC of validation patches while training: a quick look, not a result."""

import numpy as np
import torch

from model.network.unet import UNet
from model.structures import LABELS
from training.data.cache import CachedCase
from training.data.patches import draw_patch
from training.data.sources import IGNORED
from training.run.plan import TrainPlan
from training.run.state import training_dtype

VALIDATION_PATCHES = 16


def patch_scores(
    plan: TrainPlan, network: UNet, cases: list[CachedCase], device: torch.device
) -> dict[str, float]:
    """DSC per structure over all voxels of patches that are the same each time: a quick look, not a result."""
    sums = torch.zeros(2, len(LABELS))
    dtype = training_dtype(device)
    network.eval()
    with torch.no_grad(), torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
        for k in range(VALIDATION_PATCHES):
            rng = np.random.default_rng((plan.seed, 1, k))
            image, label = draw_patch(cases[k % len(cases)], plan.data.patch_zyx, rng)
            labels = network(torch.from_numpy(image)[None].to(device))[0].argmax(0).cpu()
            counted = torch.from_numpy(label) != IGNORED
            for column, value in enumerate(LABELS.values()):
                mine, truth = (labels == value) & counted, torch.from_numpy(label) == value
                sums[:, column] += torch.stack([(mine & truth).sum(), mine.sum() + truth.sum()])
    network.train()
    return {
        f"dsc_{name}": round(float(2 * hit / max(1, n)), 4)
        for name, hit, n in zip(LABELS, *sums, strict=True)
    }
