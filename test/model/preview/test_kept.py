"""What is kept of CTs: means of small squares, as greys."""

import numpy as np
import pytest

from model.images.grid import Grid
from model.preview.kept import WINDOW_HU, keep

GRID = Grid((11, 9, 3), (0.4, 0.3, 3.0), (0, 0, 0), (1, 0, 0, 0, 1, 0, 0, 0, 1))


def test_greys_are_means_over_squares():
    rng = np.random.default_rng(2)
    ct, ce = rng.integers(-2000, 32000, (2, 3, 9, 11), dtype=np.int16)
    kept = keep(ct, ce, (3.0, 0.3, 0.4), GRID)
    assert kept.step == (1, 3, 2)
    low, high = WINDOW_HU
    for grey, array in zip(kept.greys, (ct, ce), strict=True):
        assert grey.shape == (3, 3, 5)
        shown = (array.clip(low, high).astype(float) - low) / (high - low) * 255
        for z, y, x in np.ndindex(grey.shape):
            mean = shown[z, 3 * y : 3 * y + 3, 2 * x : 2 * x + 2].mean()
            assert abs(float(grey[z, y, x]) - mean) <= 0.51


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 3, 2)])
def test_images_smaller_than_a_square_are_kept(shape):
    array = np.full(shape, 40, np.int16)
    assert keep(array, array, (3.0, 0.1, 0.1), GRID).greys[0].min() == 128
