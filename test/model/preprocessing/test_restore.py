"""From logits to labels on the input grid, against torch's own interpolation and closed forms."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from model.preprocessing.gtvseg import find_region
from model.preprocessing.region import Region
from model.preprocessing.restore import EVERYTHING, _planes, _Way, restore_labels


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


def test_labels_return_to_where_they_were(pair_of, scan):
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
    centre = np.argwhere(labels == 1).mean(0)
    np.testing.assert_allclose(centre, (6, 60, 70), atol=0.3)
    assert (labels == 1).sum() * 3 == pytest.approx(4 / 3 * np.pi * 12**3, rel=0.08)


def test_slices_are_restored_on_the_device_without_the_host():
    """Tensors without values stand for those of a GPU: whatever asks for one fails."""
    way = _Way([torch.eye(n) for n in (4, 5, 6)], [slice(None)] * 3, EVERYTHING)
    target = torch.zeros((4, 5, 6), dtype=torch.uint8, device="meta")
    for z, plane in _planes(torch.zeros((3, 4, 5, 6), device="meta"), way):
        target[z] = plane.argmax(0)
        with pytest.raises(RuntimeError, match="meta"):
            torch.zeros((5, 6), dtype=torch.uint8).copy_(plane.argmax(0))
