"""Which lesion of the prediction is which of the reference: one to one, by overlap.

Lesions are 26-connected components. Of all ways to pair them, each with at most one of the other side, the one with the
largest sum of IoUs counts; only pairs that reach the threshold may be made.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import generate_binary_structure, label
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from evaluation.metrics import around_both, checked_masks, checked_spacing

# Least IoU of a pair by name; 0: a voxel in common.
THRESHOLDS = {"any": 0.0, "iou10": 0.1, "iou50": 0.5}


@dataclass(frozen=True)
class Lesion:
    """One of the reference, with what it shares with its own of the prediction at the threshold "any"; 0 without one.

    found: at which thresholds it has one.
    """

    reference_cm3: float
    prediction_cm3: float
    iou: float
    dsc: float
    found: tuple[str, ...]


@dataclass(frozen=True)
class Matching:
    """The lesions of a structure of a case. predicted: how many there are; false_cm3: of those without any pair."""

    lesions: tuple[Lesion, ...]
    predicted: int
    false_cm3: tuple[float, ...]

    def matched(self, threshold: str) -> int:
        """How many pairs there are at a threshold."""
        return sum(threshold in lesion.found for lesion in self.lesions)


def match_lesions(prediction: np.ndarray, reference: np.ndarray, spacing_zyx: Sequence[float]) -> Matching:
    """Pairs of two masks' (z, y, x) lesions; spacing in mm. Raises InputError as metrics.score does."""
    prediction, reference = checked_masks(prediction, reference)
    spacing_zyx = checked_spacing(spacing_zyx)
    box = around_both(prediction, reference)
    ours, theirs = components(prediction[box]), components(reference[box])
    in_ours, in_theirs = (np.bincount(labels.ravel())[1:] for labels in (ours, theirs))
    predicted, count = len(in_ours), len(in_theirs)
    pairs, iou = _overlaps(ours, theirs)
    own = {name: best_pairs(pairs[:, iou >= least], iou[iou >= least]) for name, least in THRESHOLDS.items()}
    overlap = {(int(t), int(o)): float(value) for t, o, value in zip(*pairs, iou, strict=True)}
    voxel_cm3 = float(np.prod(spacing_zyx)) / 1000
    lesions = []
    for number in range(count):
        other = own["any"].get(number)
        value = 0.0 if other is None else overlap[number, other]
        volume = 0.0 if other is None else float(in_ours[other]) * voxel_cm3
        found = tuple(name for name, by_reference in own.items() if number in by_reference)
        lesions.append(
            Lesion(float(in_theirs[number]) * voxel_cm3, volume, value, 2 * value / (1 + value), found)
        )
    alone = sorted(set(range(predicted)) - set(own["any"].values()))
    return Matching(tuple(lesions), int(predicted), tuple(float(in_ours[k]) * voxel_cm3 for k in alone))


def components(mask: np.ndarray) -> np.ndarray:
    """A mask's (z, y, x) lesions, numbered from 1."""
    return label(mask, generate_binary_structure(3, 3))[0]


def without_pair(ours: np.ndarray, theirs: np.ndarray) -> tuple[list[int], list[int]]:
    """Numbers of lesions of the prediction and of the reference, both as of components, that have none of the other."""
    pairs, iou = _overlaps(ours, theirs)
    own = best_pairs(pairs, iou)
    numbers = (set(range(int(ours.max()))) - set(own.values()), set(range(int(theirs.max()))) - set(own))
    false, missed = ([number + 1 for number in sorted(lone)] for lone in numbers)
    return false, missed


def _overlaps(ours: np.ndarray, theirs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lesions that share voxels: numbers from 0 of theirs and ours (2, n), and their IoU (n,)."""
    in_ours, in_theirs = (np.bincount(labels.ravel())[1:] for labels in (ours, theirs))
    both = (ours > 0) & (theirs > 0)
    places = theirs[both] - 1, ours[both] - 1
    table = coo_array((np.ones(len(places[0]), np.int64), places), (len(in_theirs), len(in_ours)))
    counted = table.tocsr().tocoo()  # voxels of the same pair are added up
    pairs, shared = np.stack(counted.coords), counted.data
    return pairs, shared / (in_theirs[pairs[0]] + in_ours[pairs[1]] - shared)


def best_pairs(pairs: np.ndarray, weights: np.ndarray) -> dict[int, int]:
    """One-to-one pairs with the largest sum of weights. pairs (2, n): numbers on either side; weights (n,) above 0.

    Solved apart for lesions that hang together by overlaps, so that many specks cost little.
    """
    alone = (_times(pairs[0]) == 1) & (_times(pairs[1]) == 1)
    best = {int(a): int(b) for a, b in pairs[:, alone].T}
    pairs, weights = pairs[:, ~alone], weights[~alone]
    if not len(weights):
        return best
    first, one = np.unique(pairs[0], return_inverse=True)
    second, other = np.unique(pairs[1], return_inverse=True)
    shape = (len(first) + len(second),) * 2
    graph = coo_array((np.ones(len(one)), (one, other + len(first))), shape=shape)
    group = connected_components(graph, directed=False)[1][one]
    order = np.argsort(group, kind="stable")
    for edges in np.split(order, np.flatnonzero(np.diff(group[order])) + 1):
        rows, at_row = np.unique(one[edges], return_inverse=True)
        columns, at_column = np.unique(other[edges], return_inverse=True)
        table = np.zeros((len(rows), len(columns)))
        table[at_row, at_column] = weights[edges]
        for row, column in zip(*linear_sum_assignment(table, maximize=True), strict=True):
            if table[row, column] > 0:
                best[int(first[rows[row]])] = int(second[columns[column]])
    return best


def _times(numbers: np.ndarray) -> np.ndarray:
    """How often each of these numbers is among them (n,)."""
    _, which, counts = np.unique(numbers, return_inverse=True, return_counts=True)
    return counts[which]
