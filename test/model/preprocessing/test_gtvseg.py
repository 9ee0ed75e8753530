"""Body crop, resampling and the way back, against torch's own interpolation and closed forms."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from model.images.grid import Grid
from model.images.pair import Pair
from model.network.bundle import Normalisation
from model.preprocessing.gtvseg import (
    Region,
    body_box,
    find_region,
    interpolation_matrix,
    outside_circle,
    preprocess,
    restore_labels,
)

NORMALISATION = (Normalisation(-1024, 3071, 0, 1), Normalisation(-1024, 3071, 0, 1))


def pair_of(ct: np.ndarray, spacing_zyx=(3.0, 1.0, 1.0)) -> Pair:
    z, y, x = ct.shape
    grid = Grid((x, y, z), spacing_zyx[::-1], (0.0, 0.0, 0.0), (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0))
    return Pair(ct, ct.copy(), spacing_zyx, grid)


def scan(background: int, radius: float = 60) -> np.ndarray:
    """A body (ellipse, 40 HU) on a thin couch in air, `background` outside the reconstruction circle."""
    y, x = np.mgrid[:128, :128]
    plane = np.full((128, 128), -1000, np.int16)
    plane[((y - 60) / 30) ** 2 + ((x - 64) / 40) ** 2 < 1] = 40
    plane[100:101, 20:108] = 100
    volume = np.stack([plane + z % 2 for z in range(12)])
    volume[:, np.hypot(y - 63.5, x - 63.5) > radius] = background
    return volume


@pytest.mark.parametrize(("n_in", "n_out"), [(10, 10), (10, 37), (40, 13), (100, 27), (5, 1)])
def test_interpolation_equals_torch_antialiased(n_in, n_out):
    signal = torch.randn(1, 1, 1, n_in, generator=torch.Generator().manual_seed(1))
    expected = functional.interpolate(signal, (1, n_out), mode="bilinear", antialias=True)
    torch.testing.assert_close(signal @ interpolation_matrix(n_in, n_out).T, expected)


@pytest.mark.parametrize("background", [0, -1000, -1024, -2000, -3024])
def test_body_is_found_whatever_lies_outside_the_circle(background):
    volume = scan(background)
    outside = outside_circle(volume)
    z, y, x = body_box(volume, outside, (3.0, 1.0, 1.0))
    assert (z.start, z.stop) == (0, 12)
    for found, (low, high) in ((y, (31, 90)), (x, (25, 104))):
        assert found.start <= low and found.stop >= high  # nothing of the body is cut
        assert found.start >= low - 10 and found.stop <= high + 10  # the couch does not widen the box


@pytest.mark.parametrize("background", [0, -2000, -3024])
def test_no_data_becomes_air(background):
    """The same patient in a small reconstruction circle and in plain air look the same to the network."""
    in_circle = preprocess(pair_of(scan(background, radius=50)), (3.0, 2.0, 2.0), NORMALISATION)
    in_air = preprocess(pair_of(scan(-1024, radius=50)), (3.0, 2.0, 2.0), NORMALISATION)
    torch.testing.assert_close(in_circle[0], in_air[0])


def test_slices_without_data_are_air_and_no_body():
    """More slices of zeros than the body has, as a scan is padded to another's extent."""
    padded = np.concatenate([np.zeros((24, 128, 128), np.int16), scan(-1000)])
    z, y, x = body_box(padded, outside_circle(padded), (3.0, 1.0, 1.0))
    bare_z, bare_y, bare_x = body_box(scan(-1000), outside_circle(scan(-1000)), (3.0, 1.0, 1.0))
    assert (y, x) == (bare_y, bare_x) and (z.start, z.stop) == (24 - 2, 36)
    image, _ = preprocess(pair_of(padded), (3.0, 1.0, 1.0), NORMALISATION)
    assert (image[:, :2] == -1024).all() and (image[:, 2:] > -1024).any()


@pytest.mark.parametrize("value", [0, -1000, 40])
def test_constant_volume_has_no_body(value):
    assert preprocess(pair_of(np.full((5, 20, 20), value, np.int16)), (3.0, 2.0, 2.0), NORMALISATION) is None


def test_normalisation_clips_and_scales():
    scheme = Normalisation(-100, 30, 10, 5)
    image, _ = preprocess(pair_of(scan(-1000)), (3.0, 1.0, 1.0), (scheme, scheme))
    assert image.min().item() == pytest.approx((-100 - 10) / 5)
    assert image.max().item() == pytest.approx((30 - 10) / 5)


@pytest.mark.parametrize("shape", [(6, 20, 24), (4, 11, 13), (12, 50, 70)])
def test_restoring_equals_full_interpolation(shape):
    """Only a box is computed, yet the result is that of interpolating everything (torch, trilinear)."""
    generator = torch.Generator().manual_seed(5)
    coarse = torch.randn(1, 3, 3, 5, 6, generator=generator)
    logits = functional.interpolate(coarse, shape, mode="trilinear")[0]
    logits[0] += 0.7
    box = (slice(1, 13), slice(3, 53), slice(5, 75))
    region = Region((14, 60, 80), box, shape)
    upsampled = functional.interpolate(logits[None], (12, 50, 70), mode="trilinear")[0]
    expected = np.zeros((14, 60, 80), np.uint8)
    expected[box] = upsampled.argmax(0).numpy()
    restored = restore_labels(logits, region)
    assert 0 < (restored > 0).mean() < 0.5
    assert (restored != expected).mean() < 1e-4  # rounding at ties


def test_restoring_all_background_is_empty():
    logits = torch.zeros(3, 4, 4, 4)
    assert not restore_labels(logits, Region((8, 8, 8), (slice(0, 8),) * 3, (4, 4, 4))).any()


def test_labels_return_to_where_they_were():
    """A ball drawn on the network's grid at known physical position comes back at that position."""
    volume = scan(-1000)
    region = find_region(pair_of(volume), (3.0, 2.0, 2.0))
    z0, y0, x0 = (axis.start for axis in region.box)
    centres = [
        (np.arange(m) + 0.5) * (b.stop - b.start) / m - 0.5
        for m, b in zip(region.network_shape, region.box, strict=True)
    ]
    zz, yy, xx = np.meshgrid(*centres, indexing="ij")
    distance = np.sqrt(((zz + z0 - 6) * 3) ** 2 + (yy + y0 - 60) ** 2 + (xx + x0 - 70) ** 2)
    inside = torch.from_numpy((12 - distance).astype(np.float32))
    labels = restore_labels(torch.stack([-inside, inside, torch.full_like(inside, -99)]), region)
    found = np.argwhere(labels == 1).mean(0)
    np.testing.assert_allclose(found, (6, 60, 70), atol=0.3)
    assert (labels == 1).sum() * 3 == pytest.approx(4 / 3 * np.pi * 12**3, rel=0.08)
