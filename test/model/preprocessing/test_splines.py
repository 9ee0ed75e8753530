"""Spline resampling as matrices, against scipy's and skimage's own."""

import numpy as np
import pytest
import torch
from scipy import ndimage
from skimage.transform import resize

from model.preprocessing.splines import (
    CUBIC,
    LINEAR,
    NEAREST,
    cubic_resampling,
    resample,
    separate_axis,
    spline_matrix,
)


@pytest.mark.parametrize(("n_in", "n_out"), [(20, 33), (33, 20), (7, 7), (40, 11)])
@pytest.mark.parametrize("order", [LINEAR, CUBIC])
def test_a_matrix_is_scipys_zoom(n_in, n_out, order):
    signal = np.random.default_rng(0).normal(size=n_in)
    expected = ndimage.zoom(signal, n_out / n_in, order=order, mode="nearest", grid_mode=True)
    np.testing.assert_allclose(spline_matrix(n_in, n_out, order).numpy() @ signal, expected, atol=1e-5)


@pytest.mark.parametrize(("n_in", "n_out"), [(5, 12), (12, 5)])
def test_the_nearest_slice_is_that_of_nearest_centres(n_in, n_out):
    centres = (np.arange(n_out) + 0.5) * n_in / n_out - 0.5
    expected = np.abs(np.arange(n_in)[None] - centres[:, None]).min(1)
    matrix = spline_matrix(n_in, n_out, NEAREST)
    assert (matrix.sum(1) == 1).all()
    np.testing.assert_allclose(np.abs(matrix.argmax(1).numpy() - centres), expected, atol=1e-9)


@pytest.mark.parametrize("across", [None, 0, 1, 2])
def test_a_volume_is_resampled_as_skimage_does_it(across):
    """All axes together, or slice by slice with the nearest slice; limited to the range it comes from."""
    volume = np.random.default_rng(1).integers(-1000, 1000, (9, 12, 14)).astype(np.int16)
    shape = (12, 9, 20)
    part = (slice(2, 10), slice(0, 9), slice(5, 18))
    resampling = cubic_resampling(volume.shape, shape, part, across)
    out = torch.empty(resampling.shape)
    resample(volume, resampling, lambda plane, index: plane, out)
    if across is None:
        expected = resize(volume.astype(float), shape, 3, mode="edge", anti_aliasing=False)
    else:
        flat = tuple(n for axis, n in enumerate(shape) if axis != across)
        planes = [
            resize(p, flat, 3, mode="edge", anti_aliasing=False) for p in np.moveaxis(volume, across, 0) * 1.0
        ]
        n, m = len(planes), shape[across]
        nearest = np.floor((np.arange(m) + 0.5) * n / m).astype(int).clip(0, n - 1)
        expected = np.moveaxis(np.stack(planes)[nearest], 0, across)
    np.testing.assert_allclose(out, expected[part], atol=2e-3)


@pytest.mark.parametrize(
    ("first", "second", "axis"),
    [
        ((3.0, 1.0, 1.0), (3.0, 1.0, 1.0), None),  # three times is not yet more than three times
        ((3.1, 1.0, 1.0), (1.0, 1.0, 1.0), 0),
        ((1.0, 1.0, 1.0), (1.0, 5.0, 1.0), 1),
        ((5.0, 5.0, 1.0), (1.0, 1.0, 9.0), None),  # two coarse axes in the first that is anisotropic
    ],
)
def test_the_single_coarse_axis_is_resampled_apart(first, second, axis):
    assert separate_axis(first, second) == axis
