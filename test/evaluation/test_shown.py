"""A case as the page shows it, within its share of the page's bytes."""

from pathlib import Path

import numpy as np
import pytest

from evaluation.reading import Masks
from evaluation.scene import Scene
from evaluation.shown import MOST_BYTES, measure_case, show_case
from model.errors import InputError
from model.images.grid import Grid


def scene(specks: bool) -> Scene:
    """A box that was found, and perhaps specks that are false."""
    truth = np.zeros((16, 60, 60), bool)
    truth[6:10, 20:30, 20:30] = True
    prediction = truth.copy()
    prediction[2, ::6, ::6] |= specks
    return Scene({}, {"GTVp": truth}, {"GTVp": prediction}, (3.0, 1.0, 1.0), np.zeros(3), np.eye(3))


def test_where_nothing_is_wrong_the_middle_is_shown():
    shown = show_case(3, "a", lambda: scene(False), 1.0, 1)
    assert [p.words for p in shown.pictures] == ["GTVp: through its middle"] and shown.further == []
    assert shown.slices["targets"] == [] and shown.slices["name"] == "a"
    assert shown.volumes == {"GTVp": (pytest.approx(4 * 10 * 10 * 3 / 1000), 1)}


def test_what_has_no_room_is_named_and_stays_in_the_slices():
    shown = show_case(0, "a", lambda: scene(True), 1.0, 600)
    size = sum(len(p.url) for p in shown.pictures) + len(shown.slices["masks"])
    assert 1 <= len(shown.pictures) < 12 and size < 1.2 * MOST_BYTES / 600
    assert len(shown.pictures) + len(shown.further) - 1 == len(shown.slices["targets"]) == 13
    assert shown.further[-1] == "88 smaller lesions"  # the largest error lies in one of them


def test_a_case_that_cannot_be_read_says_why():
    def read() -> Scene:
        raise InputError("a.mha", "damaged", "mend it")

    shown = show_case(0, "a", read, 1.0, 1)
    assert shown.problem == "a.mha: damaged; mend it" and shown.pictures == [] and shown.slices is None


def test_of_a_case_beyond_those_that_are_shown_there_are_the_volumes():
    masks = scene(True).prediction
    grid = Grid((60, 60, 16), (1.0, 1.0, 3.0), (0.0, 0.0, 0.0), (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0))
    measured = measure_case(61, "a", lambda: Masks(Path("a.mha"), grid, masks))
    assert measured.volumes == show_case(0, "a", lambda: scene(True), 1.0, 1).volumes
    assert (measured.number, measured.slices, measured.pictures) == (61, None, [])

    def read() -> Masks:
        raise InputError("a.mha", "damaged", "mend it")

    assert measure_case(61, "a", read).problem == "a.mha: damaged; mend it"
