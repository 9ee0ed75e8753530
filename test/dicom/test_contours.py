"""Polygons of masks, and their masks again."""

import numpy as np
import pytest
from scipy import ndimage
from skimage.draw import polygon2mask

from dicom.contours import filled, outlines


def blots(seed: int) -> np.ndarray:
    """Irregular pieces with holes, pieces within holes and voxels that touch at corners, up to the rim."""
    rng = np.random.default_rng(seed)
    return ndimage.gaussian_filter(rng.normal(size=(31, 26)), rng.uniform(0, 2.5)) > rng.normal() * 0.1


@pytest.mark.parametrize("seed", range(40))
def test_masks_come_back_as_they_were_one_polygon_for_each_piece(seed):
    mask = blots(seed)
    polygons = outlines(mask)
    assert len(polygons) == ndimage.label(mask)[1]
    np.testing.assert_array_equal(filled(polygons, mask.shape), mask)


@pytest.mark.parametrize("seed", range(8))
def test_readers_that_add_polygons_up_and_those_that_exchange_agree(seed):
    mask = blots(seed)
    each = [polygon2mask(mask.shape, polygon) for polygon in outlines(mask)]
    np.testing.assert_array_equal(np.any(each, axis=0), mask)
    np.testing.assert_array_equal(np.logical_xor.reduce(each), mask)


@pytest.mark.parametrize("seed", range(8))
def test_points_round_to_voxels_of_the_structure(seed):
    mask = blots(seed)
    for polygon in outlines(mask):
        nearest = np.rint(polygon).astype(int)
        assert mask[nearest[:, 0], nearest[:, 1]].all()


def test_a_square_has_eight_corners_and_its_size():
    mask = np.zeros((9, 8), bool)
    mask[2:7, 1:5] = True
    (polygon,) = outlines(mask)
    assert len(polygon) == 8  # each of its corners is cut
    np.testing.assert_allclose([polygon.min(0), polygon.max(0)], [[1.51, 0.51], [6.49, 4.49]], atol=1e-6)


def test_a_ring_is_one_polygon_with_a_cut_of_no_width():
    mask = np.zeros((7, 7), bool)
    mask[1:6, 1:6] = True
    mask[3, 3] = False
    (ring,) = outlines(mask)
    # Twice half of the products of neighbours: the outer border's area less the hole's.
    x, y = ring[:, 1], ring[:, 0]
    area = abs((x * np.roll(y, -1) - y * np.roll(x, -1)).sum()) / 2
    corner, hole = 0.49**2 / 2, 2 * 0.51**2
    assert area == pytest.approx(4.98**2 - 4 * corner - hole, abs=1e-6)


def test_nothing_has_no_outline():
    assert outlines(np.zeros((4, 5), bool)) == []
    assert not filled([], (4, 5)).any()


def test_polygons_through_the_centres_of_voxels_have_these_inside():
    square = np.array([[1, 2], [1, 5], [4, 5], [4, 2]], float)
    expected = np.zeros((6, 8), bool)
    expected[1:5, 2:6] = True
    np.testing.assert_array_equal(filled([square], (6, 8)), expected)


def test_inner_polygons_are_holes_and_duplicates_count_once():
    outer = np.array([[0.5, 0.5], [0.5, 7.5], [7.5, 7.5], [7.5, 0.5]])
    inner = np.array([[2.5, 2.5], [2.5, 5.5], [5.5, 5.5], [5.5, 2.5]])
    expected = np.zeros((9, 9), bool)
    expected[1:8, 1:8], expected[3:6, 3:6] = True, False
    np.testing.assert_array_equal(filled([outer, inner], (9, 9)), expected)
    np.testing.assert_array_equal(filled([outer, inner, inner.copy()], (9, 9)), expected)


@pytest.mark.parametrize("seed", range(6))
def test_any_polygon_is_filled_as_by_others_also_beyond_the_image(seed):
    rng = np.random.default_rng(seed)
    polygon = rng.uniform(-8, 30, (12, 2))
    found, expected = filled([polygon], (22, 19)), polygon2mask((22, 19), polygon)
    # What lies nearly on an edge is inside here.
    assert not (expected & ~found).any() and np.count_nonzero(found) - np.count_nonzero(expected) <= 3


def test_many_edges_are_filled_as_few_are():
    """A comb whose 40,000 edges cross all rows, against its teeth."""
    teeth = np.arange(10_000)
    left = 4.7501 + teeth * 4e-4
    comb = np.stack([[teeth * 0 - 0.4, left], [teeth * 0 + 255.4, left]], 0).transpose(2, 0, 1)
    comb = np.concatenate([comb, comb[:, ::-1] + (0, 2e-4)], 1).reshape(-1, 2)
    mask = filled([comb], (256, 16))
    assert mask[:, 5:9].all() and mask.sum() == 4 * 256


def test_polygons_given_twice_count_once_however_they_are_begun():
    square = np.array([[2, 2], [2, 9], [7, 9], [7, 2]], float)
    once = np.zeros((12, 12), bool)
    once[2:8, 2:10] = True
    for again in (np.roll(square, 1, 0), square[::-1], np.vstack([square, square[:1]]), square + 1e-4):
        np.testing.assert_array_equal(filled([square, again], once.shape), once)
