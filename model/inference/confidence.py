"""How far masks can be trusted: what DSC their own probabilities expect, and what came of such in known cases.

The first overstates what a network knows, most where a case is unlike those it was trained on; the second is
measured on cases with references, by `python -m bench.confidence`, and lies in the weights file. It takes the mask's
volume into account, too: a large tumour is seldom a mistake as a whole, a small node may be.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from model.inference.blend import BACKGROUND_LOGIT
from model.inference.lesions import drop_small
from model.inference.maps import probabilities_of
from model.network.bundle import Bundle
from model.preprocessing.restore import span
from model.structures import LABELS

# So much counts as agreed from the start: where nothing is drawn and nothing expected there is no doubt.
AGREED_CM3 = 0.1
# An expected DSC is taken as no nearer to 0 and 1 than this.
NEAREST = 1e-3
# Volumes count by their logarithm, of no less.
SMALLEST_CM3 = 0.1


@dataclass(frozen=True)
class Trust:
    """By structure, from 0 to 1: the DSC that the probabilities expect; the confidence, None without a calibration."""

    expected_dsc: dict[str, float]
    confidence: dict[str, float] | None


def trust_in(logits: Tensor, voxel_cm3: float, bundle: Bundle, *, of_probabilities: bool) -> Trust:
    """Of logits, or probabilities, (classes, z, y, x) on the network's grid with voxels of this volume."""
    expected, volumes = expected_dsc(logits, voxel_cm3, bundle.least_cm3, of_probabilities=of_probabilities)
    confidence = None
    if bundle.confidence is not None:
        rows = zip(expected, volumes, bundle.confidence, strict=True)
        values = [calibrated(np.array(dsc), np.array(volume), *line) for dsc, volume, line in rows]
        confidence = dict(zip(LABELS, [round(float(value), 4) for value in values], strict=True))
    rounded = [round(value, 6) for value in expected]
    return Trust(dict(zip(LABELS, rounded, strict=True)), confidence)


def expected_dsc(
    logits: Tensor, voxel_cm3: float, least_cm3: tuple[float, ...], *, of_probabilities: bool
) -> tuple[list[float], list[float]]:
    """For each structure (2 Σ p over its mask + a) / (mask + Σ p + a), a = AGREED_CM3 in voxels; and its mask's cm³.

    That is the DSC with a truth to which each voxel belongs with probability p, expectations taken of both sums. The
    mask is the one on the network's grid, without pieces below the least volumes. Slice by slice.
    """
    looked = logits[0] < BACKGROUND_LOGIT / 2
    if not bool(looked.any()):
        return [1.0] * len(LABELS), [0.0] * len(LABELS)
    depth, rows, columns = (span(looked.any(second).any(first)) for first, second in ((1, 2), (0, 2), (0, 1)))
    planes = logits[:, depth, rows, columns].unbind(1)
    labels = torch.stack([plane.argmax(0).to(torch.uint8) for plane in planes]).cpu().numpy()
    drop_small(labels, voxel_cm3, least_cm3)
    likely, agreed = np.zeros(len(LABELS)), np.zeros(len(LABELS))
    for plane, drawn in zip(planes, torch.from_numpy(labels), strict=True):
        p = probabilities_of(plane, of_probabilities=of_probabilities).nan_to_num(0.5)
        masks = torch.stack([drawn == label for label in LABELS.values()]).to(p.device)
        likely += p.sum((1, 2)).cpu().numpy()
        agreed += (p * masks).sum((1, 2)).cpu().numpy()
    sizes = np.array([np.count_nonzero(labels == label) for label in LABELS.values()])
    at_start = AGREED_CM3 / voxel_cm3
    expected = (2 * agreed + at_start) / (sizes + likely + at_start)
    return [float(value) for value in expected], [float(value) for value in sizes * voxel_cm3]


def calibrated(
    expected: np.ndarray,
    volume_cm3: np.ndarray,
    offset: float,
    slope: float,
    by_volume: float = 0.0,
    of_nothing: float | None = None,
) -> np.ndarray:
    """The confidence in masks of this expected DSC and volume.

    A straight line on the scale of log-odds: offset + slope · log-odds(expected) + by_volume · log(cm³). Where nothing
    is drawn it is of_nothing, if that is known.
    """
    inner = np.clip(expected, NEAREST, 1 - NEAREST)
    odds = (
        offset
        + slope * np.log(inner / (1 - inner))
        + by_volume * np.log(np.maximum(volume_cm3, SMALLEST_CM3))
    )
    confidence = 1 / (1 + np.exp(-odds))
    return np.asarray(confidence if of_nothing is None else np.where(volume_cm3 > 0, confidence, of_nothing))
