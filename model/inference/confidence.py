"""How far masks can be trusted: what DSC their own probabilities expect, and what came of such in known cases.

The first overstates what a network knows, most where a case is unlike those it was trained on; the second is
measured on cases with references, by `python -m bench.confidence`, and lies in the weights file.
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


@dataclass(frozen=True)
class Trust:
    """By structure, from 0 to 1: the DSC that the probabilities expect; the confidence, None without a calibration."""

    expected_dsc: dict[str, float]
    confidence: dict[str, float] | None


def trust_in(logits: Tensor, voxel_cm3: float, bundle: Bundle, *, of_probabilities: bool) -> Trust:
    """Of logits, or probabilities, (classes, z, y, x) on the network's grid with voxels of this volume."""
    expected = expected_dsc(logits, voxel_cm3, bundle.least_cm3, of_probabilities=of_probabilities)
    confidence = None
    if bundle.confidence is not None:
        pairs = zip(expected, bundle.confidence, strict=True)
        values = [round(float(calibrated(np.array(value), *line)), 4) for value, line in pairs]
        confidence = dict(zip(LABELS, values, strict=True))
    rounded = [round(value, 6) for value in expected]
    return Trust(dict(zip(LABELS, rounded, strict=True)), confidence)


def expected_dsc(
    logits: Tensor, voxel_cm3: float, least_cm3: tuple[float, ...], *, of_probabilities: bool
) -> list[float]:
    """For each structure (2 Σ p over its mask + a) / (mask + Σ p + a), with a = AGREED_CM3 in voxels.

    That is the DSC with a truth to which each voxel belongs with probability p, expectations taken of both sums. The
    mask is the one on the network's grid, without pieces below the least volumes. Slice by slice.
    """
    looked = logits[0] < BACKGROUND_LOGIT / 2
    if not bool(looked.any()):
        return [1.0] * len(LABELS)
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
    return [float(value) for value in (2 * agreed + at_start) / (sizes + likely + at_start)]


def calibrated(expected: np.ndarray, offset: float, slope: float) -> np.ndarray:
    """The confidence in masks of this expected DSC: a straight line between the two on the scale of log-odds."""
    inner = np.clip(expected, NEAREST, 1 - NEAREST)
    return np.asarray(1 / (1 + np.exp(-(offset + slope * np.log(inner / (1 - inner))))))
