"""Loss and DSC of validation patches while training: a quick look, not a result."""

import time

import numpy as np
import torch
from torch import Tensor, nn

from model.structures import LABELS
from training.data.cache import CachedCase
from training.data.patches import draw_patch
from training.data.sources import IGNORED
from training.run.loss import deep_supervision_loss
from training.run.plan import TrainPlan
from training.run.state import State

VALIDATION_PATCHES = 16
# In the names of figures of the averaged weights.
AVERAGED = "averaged_"


def validation_scores(
    plan: TrainPlan, state: State, cases: list[CachedCase], device: torch.device
) -> dict[str, float]:
    """Of the last and of the averaged weights, and the seconds that it took: columns of a row of the history."""
    began = time.perf_counter()
    scores, averaged = (
        patch_scores(plan, network, cases, device, state.dtype) for network in (state.network, state.averaged)
    )
    scores |= {AVERAGED + name: value for name, value in averaged.items()}
    return scores | {"validation_seconds": round(time.perf_counter() - began, 2)}


def patch_scores(
    plan: TrainPlan, network: nn.Module, cases: list[CachedCase], device: torch.device, dtype: torch.dtype
) -> dict[str, float]:
    """Loss, and DSC per structure over all voxels, of patches that are the same each time.

    The loss is the training's, mean over batches. A structure that is in no patch has no DSC. On this process alone,
    with convolutions in dtype.
    """
    sums, losses = torch.zeros(2, len(LABELS), device=device), []
    present = torch.zeros(len(LABELS), device=device)
    with torch.no_grad(), torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
        for first in range(0, VALIDATION_PATCHES, plan.data.batch):
            images, targets = _batch(plan, cases, range(first, first + plan.data.batch), device)
            outputs = network(images)
            losses.append(deep_supervision_loss(outputs, targets, plan.loss, together=False))
            labels, counted = outputs[0].argmax(1), targets != IGNORED
            for column, value in enumerate(LABELS.values()):
                mine, truth = (labels == value) & counted, targets == value
                sums[:, column] += torch.stack([(mine & truth).sum(), mine.sum() + truth.sum()])
                present[column] += truth.sum()
    scores = {"validation_loss": round(float(torch.stack(losses).mean()), 5)}
    for name, hit, n, there in zip(LABELS, *sums.tolist(), present.tolist(), strict=True):
        if there:
            scores[f"dsc_{name}"] = round(2 * hit / n, 4)
    return scores


def mean_dsc(row: dict[str, float], whose: str = "") -> float | None:
    """Mean over structures of a row of the history, of the last weights or of AVERAGED ones; None where it has none."""
    values = [row[f"{whose}dsc_{name}"] for name in LABELS if f"{whose}dsc_{name}" in row]
    return float(np.mean(values)) if values else None


def _batch(
    plan: TrainPlan, cases: list[CachedCase], numbers: range, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Patches of these numbers: image (batch, channels, z, y, x) and target (batch, z, y, x)."""
    images, targets = [], []
    for k in numbers:
        rng = np.random.default_rng((plan.seed, 1, k))
        image, label = draw_patch(cases[k % len(cases)], plan.data.patch_zyx, rng)
        images.append(torch.from_numpy(image))
        targets.append(torch.from_numpy(label))
    return torch.stack(images).to(device), torch.stack(targets).to(device)
