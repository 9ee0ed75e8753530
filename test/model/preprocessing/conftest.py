"""Small scans of a body on a couch."""

from collections.abc import Callable

import numpy as np
import pytest

from model.images.grid import Grid
from model.images.pair import Pair


@pytest.fixture
def pair_of() -> Callable[..., Pair]:
    """A pair whose CTs are alike, from an int16 volume (z, y, x)."""

    def make(ct: np.ndarray, spacing_zyx=(3.0, 1.0, 1.0)) -> Pair:
        z, y, x = ct.shape
        grid = Grid((x, y, z), spacing_zyx[::-1], (0.0, 0.0, 0.0), (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0))
        return Pair(ct, ct.copy(), spacing_zyx, grid)

    return make


@pytest.fixture
def scan() -> Callable[..., np.ndarray]:
    """A body (ellipse, 40 HU) on a thin couch in air, `background` outside the reconstruction circle."""

    def make(background: int, radius: float = 60) -> np.ndarray:
        y, x = np.mgrid[:128, :128]
        plane = np.full((128, 128), -1000, np.int16)
        plane[((y - 60) / 30) ** 2 + ((x - 64) / 40) ** 2 < 1] = 40
        plane[100:101, 20:108] = 100
        volume = np.stack([plane + z % 2 for z in range(12)])
        volume[:, np.hypot(y - 63.5, x - 63.5) > radius] = background
        return volume

    return make
