"""Where windows lie, and how they share a voxel."""

import numpy as np
import pytest
import torch

from model.inference.windows import (
    STEP,
    Windows,
    box_of,
    covering,
    gaussian,
    near,
    pad_to_patch,
    window_corners,
    windows_touching,
)

PATCH = (8, 16, 16)


def windows_over(*shape: int) -> Windows:
    return Windows(shape, window_corners(shape, PATCH, STEP), gaussian(PATCH))


def test_half_precision_gaussian_is_close_where_it_matters_and_even_at_the_edge():
    exact, half = gaussian((32, 128, 128)), gaussian((32, 128, 128), half=True)
    inner = exact > 1e-3
    torch.testing.assert_close(half[inner], 10 * exact[inner], rtol=1e-3, atol=0)
    assert half.min() > 0 and half.min() == half[0, 0, 0] == half[0, 0, 5]


def test_gaussian_is_that_of_a_filtered_impulse():
    weight = gaussian((8, 16, 16))
    assert weight.argmax().item() == np.ravel_multi_index((4, 8, 8), (8, 16, 16))
    assert weight.max() == 1 and weight.min() > 0
    assert weight[4, 8, 10].item() == pytest.approx(np.exp(-0.5 * (2 / 2) ** 2), rel=1e-3)


@pytest.mark.parametrize(
    ("shape", "patch"),
    [((8, 16, 16), (8, 16, 16)), ((9, 33, 100), (8, 16, 16)), ((127, 512, 700), (28, 256, 256))],
)
def test_windows_cover_and_overlap_by_half(shape, patch):
    corners = np.array(window_corners(shape, patch, 0.5))
    for axis in range(3):
        starts = np.unique(corners[:, axis])
        assert starts[0] == 0 and starts[-1] == shape[axis] - patch[axis]
        assert (np.diff(starts) <= patch[axis] / 2 + 0.5).all()
    assert len(corners) == np.prod([len(np.unique(corners[:, a])) for a in range(3)])


@pytest.mark.parametrize("shape", [(8, 16, 16), (9, 33, 100), (40, 41, 47)])
def test_first_look_covers_all_with_few_windows(shape):
    corners = window_corners(shape, PATCH, 0.5)
    tiles = covering(corners, PATCH)
    seen = torch.zeros(shape, dtype=torch.bool)
    for z, y, x in tiles:
        seen[z : z + PATCH[0], y : y + PATCH[1], x : x + PATCH[2]] = True
    assert seen.all() and set(tiles) <= set(corners)
    assert len(tiles) <= np.prod([np.ceil(1.5 * n / p) for n, p in zip(shape, PATCH, strict=True)])


def test_published_window_count():
    """1024 x 1024 x 127 with patch 28 x 256 x 256 at half-patch steps: 9 x 7 x 7 windows."""
    assert len(window_corners((127, 1024, 1024), (28, 256, 256), 0.5)) == 9 * 7 * 7


@pytest.mark.parametrize("shape", [(8, 16, 16), (5, 40, 9), (20, 50, 70)])
def test_all_windows_touch_the_whole_grid(shape):
    whole = tuple(slice(0, n) for n in shape)
    padded = tuple(max(n, p) for n, p in zip(shape, PATCH, strict=True))
    assert windows_touching(shape, PATCH, whole) == (window_corners(padded, PATCH, STEP), whole)


@pytest.mark.parametrize("shape", [(20, 50, 70), (5, 50, 70)])
def test_windows_that_touch_a_box_are_those_that_share_a_voxel_with_it(shape):
    """Counted voxel by voxel, on the grid padded to a patch."""
    box = (slice(2, 4), slice(30, 34), slice(8, 9))
    padded, inside = pad_to_patch(torch.zeros(1, *shape), PATCH)
    marked = torch.zeros(padded.shape[1:], dtype=torch.bool)
    marked[inside][box] = True
    expected = [
        (z, y, x)
        for z, y, x in window_corners(tuple(marked.shape), PATCH, STEP)
        if marked[z : z + 8, y : y + 16, x : x + 16].any()
    ]
    corners, part = windows_touching(shape, PATCH, box)
    lowest = tuple(min(corner[axis] for corner in expected) for axis in range(3))
    assert corners == [tuple(c - low for c, low in zip(corner, lowest, strict=True)) for corner in expected]
    assert tuple(axis.start for axis in part) == lowest
    needed, _ = pad_to_patch(torch.zeros(1, *shape)[(slice(None), *part)], PATCH)
    for axis in range(3):
        assert max(corner[axis] for corner in corners) + PATCH[axis] == needed.shape[1 + axis]


def test_padding_puts_the_image_in_the_middle():
    image = torch.rand(2, 5, 20, 13)
    padded, inside = pad_to_patch(image, PATCH)
    assert padded.shape == (2, 8, 20, 16)
    assert inside == (slice(1, 6), slice(0, 20), slice(1, 14))
    assert torch.equal(padded[(slice(None), *inside)], image)
    assert padded.count_nonzero() == image.count_nonzero()


SLABS = (slice(0, 3), slice(3, 9), slice(9, 12))


def test_weights_of_all_windows_add_up_slab_by_slab():
    windows = windows_over(12, 24, 40)
    shares = {corner: 0.25 * (1 + k % 4) for k, corner in enumerate(windows.corners)}
    expected = torch.zeros(12, 24, 40)
    for corner, share in shares.items():
        expected[box_of(corner, PATCH)] += share * windows.weight
    found = torch.cat([windows.total_weight(shares, planes) for planes in SLABS])
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(windows.total_weight(shares, slice(None)), expected)


def test_doubt_is_shared_out_among_the_windows_over_it():
    windows, values = windows_over(12, 24, 40), torch.rand(12, 24, 40)
    every = dict.fromkeys(windows.corners, 1.0)

    def parts() -> dict:
        found = dict.fromkeys(windows.corners, 0.0)
        for planes in SLABS:
            total = windows.total_weight(every, planes)
            for corner, part in windows.shared_out(every, values[planes], total, planes).items():
                found[corner] += part
        return found

    assert sum(parts().values()) == pytest.approx(float(values.sum()), rel=1e-4)
    values[:, :, 16:] = 0  # beyond the first column of windows
    assert [part > 0 for part in parts().values()] == [corner[2] < 16 for corner in windows.corners]


def test_largest_share_is_that_at_the_best_of_the_voxels():
    windows = windows_over(8, 16, 24)  # at x = 0 and 8
    voxels = torch.zeros(8, 16, 24, dtype=torch.bool)
    voxels[4, 8, 10] = voxels[2, 3, 20] = True
    here = windows.weight[4, 8, 10] / (windows.weight[4, 8, 10] + windows.weight[4, 8, 2])
    for slabs in ((slice(None),), (slice(0, 3), slice(3, 8))):
        shares = windows.largest_shares(windows.corners, voxels, slabs)
        assert shares == pytest.approx(dict(zip(windows.corners, (float(here), 1.0), strict=True)))


def test_near_is_a_box_in_millimetres():
    voxels = torch.zeros(9, 21, 21, dtype=torch.bool)
    voxels[4, 10, 10] = True
    expected = torch.zeros_like(voxels)
    expected[2:7, 5:16, 5:16] = True
    assert torch.equal(near(voxels, (5.0, 2.0, 2.0), 10.0), expected)
