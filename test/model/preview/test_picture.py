"""The whole picture of a case."""

import io

import numpy as np
import pytest
from PIL import Image
from scipy.signal import correlate

from model.images.grid import Grid, position_mm
from model.preview.font import dots
from model.preview.kept import keep
from model.preview.panels import AMBER, COLOURS, Slice
from model.preview.picture import Said, around, box_of, largest_at, picture, position

IDENTITY = (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0)
SHAPE, SPACING = (40, 90, 100), (3.0, 1.0, 1.0)
GRID = Grid((100, 90, 40), (1.0, 1.0, 3.0), (-50.0, -40.0, 100.0), IDENTITY)


def drawn(labels, spacing=SPACING, grid=GRID, warnings=(), name="case 1") -> np.ndarray:
    ct = np.zeros(labels.shape, np.int16)
    said = Said(name, {"GTVp": "1.0 cm³", "GTVnd": "2.0 cm³"}, list(warnings))
    content = picture(keep(ct, ct, spacing, grid), labels, said)
    return np.asarray(Image.open(io.BytesIO(content)))


def shows(pixels: np.ndarray, colour, text: str) -> bool:
    """Whether a text stands anywhere in a colour."""
    ink, letters = (pixels == colour).all(2), dots(text)
    letters = letters[:, : np.flatnonzero(letters.any(0))[-1] + 1]
    alike = correlate(2.0 * ink - 1, 2.0 * letters - 1, "valid", "fft")
    return bool(alike.max() > letters.size - 0.5)


def structures() -> np.ndarray:
    labels = np.zeros(SHAPE, np.uint8)
    labels[10:20, 30:50, 40:60] = 1
    labels[25:28, 60:70, 70:85] = 2
    return labels


def test_both_structures_their_volumes_and_the_warnings_are_there():
    pixels = drawn(structures(), warnings=["something is odd"])
    for colour, text in ((COLOURS["GTVp"], "GTVp 1.0 cm"), (COLOURS["GTVnd"], "GTVnd 2.0 cm")):
        assert shows(pixels[:60], colour, text)
    assert shows(pixels[-30:], AMBER, "warning: something is odd")
    assert not shows(drawn(structures())[-60:], AMBER, "warning")


def test_one_structure_has_one_row_and_none_has_one_too():
    both, empty = structures(), np.zeros(SHAPE, np.uint8)
    one = np.where(both == 1, both, 0).astype(np.uint8)
    heights = [len(drawn(labels)) for labels in (both, one, empty)]
    assert heights[0] > 1.5 * heights[1]
    assert min(heights) > 100
    assert not (drawn(empty)[60:] == COLOURS["GTVp"]).all(2).any()


@pytest.mark.parametrize("shape", [(1, 1, 1), (4, 5, 6)])
def test_tiny_images_and_anything_that_was_said_are_drawn(shape):
    labels = np.zeros(shape, np.uint8)
    labels[0, 0, 0] = 1
    grid = Grid(shape[::-1], (10.0, 10.0, 5.0), (0, 0, 0), IDENTITY)
    pixels = drawn(labels, (5.0, 10.0, 10.0), grid, ["鼻" * 500] * 20, "x" * 1000)
    assert pixels.ndim == 3


def test_slices_go_through_the_largest_extent():
    mask = np.zeros((9, 9, 9), bool)
    mask[2, 3, 4] = mask[3:6, 3, 4] = True
    mask[4, 2:7, 4] = mask[4, 3, 1:6] = True
    assert largest_at(mask[box_of(mask)], box_of(mask)) == (4, 3, 4)


def test_box_of_a_mask_against_its_voxels():
    mask = np.zeros((5, 6, 7), bool)
    mask[1, 5, 2] = mask[3, 2, 6] = True
    assert box_of(mask) == (slice(1, 4), slice(2, 6), slice(2, 7))
    assert box_of(mask & False) is None


def test_surroundings_stay_in_the_volume():
    box = around((slice(10, 12), slice(0, 4), slice(50, 90)), SHAPE, SPACING)
    assert box == (slice(0, 31), slice(0, 62), slice(10, 100))
    assert around(None, SHAPE, SPACING) == (slice(0, 40), slice(0, 90), slice(0, 100))


def test_positions_are_the_patients():
    """Also of a file whose axes run otherwise: coronal slices from head to feet, say."""
    upright = keep(np.zeros(SHAPE, np.int16), np.zeros(SHAPE, np.int16), SPACING, GRID)
    box = (slice(0, 1),) * 3
    assert position(upright, Slice(0, 7, box, SPACING, 1), (7, 8, 9)) == "slice 8 of 40, z +121.0 mm"
    assert position(upright, Slice(1, 8, box, SPACING, 1), (7, 8, 9)) == "y -32.0 mm"
    assert position(upright, Slice(2, 9, box, SPACING, 1), (7, 8, 9)) == "x -41.0 mm"
    upside_down = Grid((100, 40, 90), (1.0, 3.0, 1.0), (-50.0, -40.0, 217.0), (1, 0, 0, 0, 0, 1, 0, -1, 0))
    assert position_mm(upside_down, (7, 8, 9)) == (-41.0, -32.0, 121.0)
