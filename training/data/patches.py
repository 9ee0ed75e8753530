"""Patches cut from a preprocessed case. Arrays are (z, y, x), channels in front."""

import numpy as np

from model.network.plan import Triple
from training.data.cache import CachedCase

# Share of the patches that are centred on a tumour voxel.
FOREGROUND_SHARE = 0.8


def draw_patch(case: CachedCase, patch: Triple, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A random patch: float32 image (channels, *patch) and int64 label; zero-padded where the case ends.

    Foreground patches are centred, with jitter, on a voxel of a tumour: first a label is chosen at random among those
    present, then one of its tumours, so that a small node is seen as often as a large one.
    """
    shape = case.label.shape
    if case.tumour and rng.random() < FOREGROUND_SHARE:
        tumours = case.tumour[rng.integers(len(case.tumour))]
        voxels = tumours[rng.integers(len(tumours))]
        centre = voxels[rng.integers(len(voxels))] + [rng.integers(-p // 4, p // 4 + 1) for p in patch]
    else:
        centre = np.array([rng.integers(n) for n in shape])
    source, target = [], []
    for c, p, n in zip(centre, patch, shape, strict=True):
        start = int(np.clip(c - p // 2, 0, n - p)) if n > p else -((p - n) // 2)
        low, high = max(0, start), min(n, start + p)
        source.append(slice(low, high))
        target.append(slice(low - start, high - start))
    image = np.zeros((case.image.shape[0], *patch), np.float32)
    label = np.zeros(patch, np.int64)
    image[(slice(None), *target)] = case.image[(slice(None), *source)]
    label[tuple(target)] = case.label[tuple(source)]
    return image, label
