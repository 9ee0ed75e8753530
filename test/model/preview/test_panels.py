"""Slices as pixels: what is where, and how it is outlined."""

import numpy as np
import pytest

from model.preview.panels import COLOURS, LETTERS, THICKNESS, Slice, outline, panel, stamp

SHAPE, SPACING = (12, 20, 30), (3.0, 1.0, 1.0)
WHOLE = tuple(slice(0, n) for n in SHAPE)


@pytest.mark.parametrize(
    ("axis", "place", "rows", "columns"),
    [
        (0, (5, 2, 27), "top", "right"),  # the face is at the top, the patient's left on the right
        (1, (10, 9, 3), "top", "left"),  # the head is at the top
        (1, (1, 9, 27), "bottom", "right"),
        (2, (10, 2, 14), "top", "left"),  # the face is on the left
        (2, (1, 17, 14), "bottom", "right"),
    ],
)
def test_each_side_of_the_patient_is_where_the_letters_say(axis, place, rows, columns):
    array = np.zeros(SHAPE, np.uint8)
    array[place] = 255
    view = Slice(axis, place[axis], WHOLE, SPACING, 0.5)
    sampled = view.sampled(view.of(array))
    y, x = np.unravel_index(sampled.argmax(), sampled.shape)
    assert (y < sampled.shape[0] / 3) == (rows == "top")
    assert (y > sampled.shape[0] * 2 / 3) == (rows == "bottom")
    assert (x > sampled.shape[1] * 2 / 3) == (columns == "right")


def test_the_letters_are_those_of_these_sides():
    assert LETTERS == {"axial": "RLAP", "coronal": "RLHF", "sagittal": "APHF"}


@pytest.mark.parametrize("step", [1, 2])
def test_a_slope_is_drawn_at_its_place_and_scale_whatever_was_kept_of_it(step):
    """Pixels of 0.5 mm over voxels of 1 mm: pixel k lies at voxel k / 2 - 0.25."""
    slope = np.broadcast_to(np.arange(30.0), SHAPE)
    kept = slope.reshape(12, 20 // step, step, 30 // step, step).mean((2, 4))
    view = Slice(0, 5, WHOLE, SPACING, 0.5)
    sampled = view.sampled(view.of(kept, (1, step, step)), (1, step, step))
    assert sampled.shape == (40, 60)
    inner = slice(2 * step, -2 * step)
    np.testing.assert_allclose(sampled[7, inner], (np.arange(60) / 2 - 0.25)[inner], atol=1e-5)


def test_slices_are_to_scale():
    assert Slice(1, 0, WHOLE, SPACING, 0.5).shape == (72, 60)  # 36 x 30 mm
    assert Slice(2, 0, (slice(2, 4), slice(5, 15), slice(0, 1)), SPACING, 0.5).shape == (12, 20)


def test_outline_lies_within_the_mask_and_has_a_hole():
    mask = np.zeros((30, 40), bool)
    mask[5:25, 8:30] = True
    drawn = outline(mask)
    assert not (drawn & ~mask).any()
    inner = mask.copy()
    inner[5 + THICKNESS : 25 - THICKNESS, 8 + THICKNESS : 30 - THICKNESS] = False
    np.testing.assert_array_equal(drawn, inner)


def test_no_outline_along_the_edge_of_the_picture():
    mask = np.ones((30, 40), bool)
    assert not outline(mask).any()


def test_panel_draws_each_structure_in_its_colour_over_greys():
    labels, grey = np.zeros(SHAPE, np.uint8), np.full(SHAPE, 90, np.uint8)
    labels[4:8, 5:15, 5:12] = 1
    pixels = panel(Slice(0, 5, WHOLE, SPACING, 0.25), grey, (1, 1, 1), labels)
    y, x = np.nonzero((pixels == COLOURS["GTVp"]).all(2))
    assert (y.min(), y.max(), x.min(), x.max()) == (20, 59, 20, 47)
    assert (pixels[50, 60] == 90).all()
    assert not (pixels == COLOURS["GTVnd"]).all(2).any()


def test_stamp_is_cut_off_at_the_edge():
    pixels = np.zeros((4, 4, 3), np.uint8)
    stamp(pixels, np.ones((3, 3), bool), 2, 3, (1, 2, 3))
    assert [tuple(pixel) for pixel in pixels[2:, 3]] == [(1, 2, 3)] * 2
    assert pixels.any(2).sum() == 2
