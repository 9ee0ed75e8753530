"""Lesions too small to be believed: what a network draws in a few voxels is more often wrong than right."""

import numpy as np
from scipy import ndimage


def drop_small(labels: np.ndarray, voxel_cm3: float, least_cm3: tuple[float, ...]) -> list[int]:
    """Set to background, in the label map uint8 (z, y, x) itself, the pieces of each label below its least volume.

    least_cm3 is for the labels 1, 2, …; 0 keeps all. Pieces are 26-connected. Returns how many went, per label.
    """
    inside = labels[_box_around(labels)]
    if not inside.size:
        return [0] * len(least_cm3)
    dropped = []
    for value, least in enumerate(least_cm3, 1):
        if least <= 0:
            dropped.append(0)
            continue
        pieces, _ = ndimage.label(inside == value, np.ones((3, 3, 3)))
        small = np.bincount(pieces.ravel()) * voxel_cm3 < least
        small[0] = False
        inside[small[pieces]] = 0
        dropped.append(int(small.sum()))
    return dropped


def _box_around(labels: np.ndarray) -> tuple[slice, ...]:
    """Of all that is not background (z, y, x); empty where there is nothing."""
    box: tuple[slice, ...] = ()
    for axis in range(3):
        others = tuple(k for k in range(3) if k != axis)
        hits = np.flatnonzero(labels[box].any(axis=others))
        box += (slice(int(hits[0]), int(hits[-1]) + 1) if len(hits) else slice(0),)
    return box
