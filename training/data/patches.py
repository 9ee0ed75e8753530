"""Patches cut from a preprocessed case. Arrays are (z, y, x), channels in front."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from model.network.plan import Triple, triple
from model.structures import LABELS
from training.data.cache import CachedCase

# Places looked at for a patch without tumour; the one with the least of it is taken.
TRIES = 20


@dataclass(frozen=True)
class Sampling:
    """Where patches come from.

    foreground_share: of the patches, centred on a tumour voxel. tumour_free_share: of the patches, with none in them.
    The rest lie anywhere. jitter: how far off its voxel a foreground patch's centre may be, in sides of the patch.
    late_share: of the run, its last iterations, in which patches are larger, each side (z, y, x) by up to late_growth.
    """

    foreground_share: float = 0.8
    tumour_free_share: float = 0.0
    jitter: float = 0.25
    late_share: float = 0.0
    late_growth: tuple[float, float, float] = (1.0, 1.4, 1.4)


def draw_patch(
    case: CachedCase, patch: Triple, rng: np.random.Generator, sampling: Sampling = Sampling()
) -> tuple[np.ndarray, np.ndarray]:
    """A random patch: float32 image (channels, *patch) and int64 label; zero-padded where the case ends."""
    start = place_patch(case, patch, sampling, rng.random(), rng)
    image, label = cut(case, start, triple(s + p for s, p in zip(start, patch, strict=True)))
    return image.astype(np.float32), label.astype(np.int64)


def place_patch(
    case: CachedCase, patch: Triple, sampling: Sampling, lot: float, rng: np.random.Generator
) -> Triple:
    """The first voxel of a random patch. It lies within the case, or around it along axes where it is longer.

    lot: from 0 to 1, says which kind of patch it is. Foreground patches are centred, with jitter, on a voxel of a
    tumour: first a label is chosen at random among those present, then one of its tumours, so that a small node is
    seen as often as a large one.
    """
    if lot >= 1 - sampling.tumour_free_share:
        return _tumour_free(case, patch, rng)
    if not case.tumour or lot >= sampling.foreground_share:
        return _anywhere(case, patch, rng)
    tumours = case.tumour[rng.integers(len(case.tumour))]
    voxels = tumours[rng.integers(len(tumours))]
    reach = [int(p * sampling.jitter) for p in patch]
    centre = voxels[rng.integers(len(voxels))] + [rng.integers(-r, r + 1) for r in reach]
    return _around(centre, patch, case.label.shape)


def _anywhere(case: CachedCase, patch: Triple, rng: np.random.Generator) -> Triple:
    return _around(np.array([rng.integers(n) for n in case.label.shape]), patch, case.label.shape)


def _tumour_free(case: CachedCase, patch: Triple, rng: np.random.Generator) -> Triple:
    values = list(LABELS.values())
    least, best = None, (0, 0, 0)
    for _ in range(TRIES):
        start = _anywhere(case, patch, rng)
        part = case.label[tuple(slice(max(0, s), s + p) for s, p in zip(start, patch, strict=True))]
        tumour = int(np.isin(part, values).sum())
        if least is None or tumour < least:
            least, best = tumour, start
        if not tumour:
            break
    return best


def _around(centre: np.ndarray, patch: Triple, shape: tuple[int, ...]) -> Triple:
    return triple(
        int(np.clip(c - p // 2, 0, n - p)) if n > p else -((p - n) // 2)
        for c, p, n in zip(centre, patch, shape, strict=True)
    )


def cut(
    case: CachedCase,
    low: Triple,
    high: Triple,
    empty: Callable[[tuple[int, ...], type], np.ndarray] = np.empty,
) -> tuple[np.ndarray, np.ndarray]:
    """A part of a case from voxel `low` to before `high`, zero beyond the case: float16 image, uint8 label.

    empty: makes the arrays it is copied into, so that they can lie in memory that a GPU reads.
    """
    size = [h - s for s, h in zip(low, high, strict=True)]
    image = empty((len(case.image), *size), np.float16)
    label = empty(tuple(size), np.uint8)
    within = [(max(0, s), min(n, h)) for s, h, n in zip(low, high, case.label.shape, strict=True)]
    if [h - s for s, h in within] != size:
        image[...], label[...] = 0, 0
    source = [slice(s, h) for s, h in within]
    target = [slice(s - first, h - first) for (s, h), first in zip(within, low, strict=True)]
    image[(slice(None), *target)] = case.image[(slice(None), *source)]
    label[tuple(target)] = case.label[tuple(source)]
    return image, label
