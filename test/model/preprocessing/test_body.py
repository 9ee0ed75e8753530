"""Where the body lies, whatever is around it."""

import numpy as np
import pytest

from model.preprocessing.body import body_box, outside_circle


@pytest.mark.parametrize("background", [0, -1000, -1024, -2000, -3024])
def test_body_is_found_whatever_lies_outside_the_circle(scan, background):
    volume = scan(background)
    outside = outside_circle(volume)
    z, y, x = body_box(volume, outside, (3.0, 1.0, 1.0))
    assert (z.start, z.stop) == (0, 12)
    for side, (low, high) in ((y, (31, 90)), (x, (25, 104))):
        assert side.start <= low and side.stop >= high  # nothing of the body is cut
        assert side.start >= low - 10 and side.stop <= high + 10  # the couch does not widen the box


def test_slices_without_data_are_no_body(scan):
    """More slices of zeros than the body has, as a scan is padded to another's extent."""
    padded = np.concatenate([np.zeros((24, 128, 128), np.int16), scan(-1000)])
    z, y, x = body_box(padded, outside_circle(padded), (3.0, 1.0, 1.0))
    bare_z, bare_y, bare_x = body_box(scan(-1000), outside_circle(scan(-1000)), (3.0, 1.0, 1.0))
    assert (y, x) == (bare_y, bare_x) and (z.start, z.stop) == (24 - 2, 36)


@pytest.mark.parametrize("kind", ["noise around air", "a few marks", "one value"])
def test_slices_of_air_do_not_part_the_body(scan, kind):
    volume = scan(-1000)
    for plane in volume[5:7]:
        plane[:] = -1024
        if kind == "noise around air":
            plane[:] = np.random.default_rng(0).integers(-1040, -980, plane.shape)
        elif kind == "a few marks":
            plane[40, 40:43] = 300
    whole = body_box(scan(-1000), outside_circle(scan(-1000)), (3.0, 1.0, 1.0))
    assert body_box(volume, outside_circle(volume), (3.0, 1.0, 1.0))[0] == whole[0]
