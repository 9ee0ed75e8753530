"""What a picture will need of both CTs, kept while the network works: they themselves take half a gigabyte."""

from dataclasses import dataclass

import numpy as np

from model.images.grid import Grid

# What is shown from black to white; and about how large a pixel is that is kept, in voxels at most.
WINDOW_HU = (-135, 215)
PIXEL_MM, LARGEST_STEP = 0.8, 9


@dataclass(frozen=True)
class Kept:
    """greys: uint8 (z, y, x) of the non-contrast and the contrast CT, canonical, one for `step` voxels of the input.

    grid: the input's own. spacing_zyx: of the input in canonical orientation, mm.
    """

    greys: tuple[np.ndarray, np.ndarray]
    step: tuple[int, int, int]
    spacing_zyx: tuple[float, float, float]
    grid: Grid


def keep(ct: np.ndarray, ce: np.ndarray, spacing_zyx: tuple[float, float, float], grid: Grid) -> Kept:
    """Of both CTs, int16 HU (z, y, x) in canonical orientation; all slices, in each the mean of small squares."""
    high, wide = (
        min(LARGEST_STEP, n, max(1, round(PIXEL_MM / mm)))
        for n, mm in zip(ct.shape[1:], spacing_zyx[1:], strict=True)
    )
    return Kept((_greys(ct, high, wide), _greys(ce, high, wide)), (1, high, wide), spacing_zyx, grid)


def _greys(array: np.ndarray, high: int, wide: int) -> np.ndarray:
    """Slice by slice: nothing as large as the CT is made. What is left of a square at the far edge is dropped."""
    rows, columns = array.shape[1] // high, array.shape[2] // wide
    lowest, highest = WINDOW_HU
    scale = 255 / (highest - lowest) / (high * wide)
    greys = np.empty((len(array), rows, columns), np.uint8)
    for plane, grey in zip(array, greys, strict=True):
        shown = np.clip(plane, lowest, highest)
        shown -= lowest  # so that no sum leaves 16 bits
        lines = sum(shown[y : rows * high : high] for y in range(high))
        hu = sum(lines[:, x : columns * wide : wide] for x in range(wide))
        grey[:] = hu * np.float32(scale) + np.float32(0.5)
    return greys
