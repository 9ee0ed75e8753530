"""The least volume of a lesion is chosen where leaving smaller ones out helps, and only there."""

import numpy as np
import pytest

from training.validate import LEAST_CM3, choose_least, dsc_by_least

SPACING = (5.0, 2.0, 2.0)  # 0.02 cm³ a voxel


def maps() -> tuple[np.ndarray, np.ndarray]:
    """Found and true: a GTVp of 50 voxels met exactly, beside it one of 7 voxels that is not there; no GTVnd."""
    truth = np.zeros((10, 20, 20), np.uint8)
    truth[2:4, 5:10, 5:10] = 1
    found = truth.copy()
    found[7, 15, 3:10] = 1
    return found, truth


def test_dsc_without_small_pieces_is_that_of_the_pieces_left():
    table = dsc_by_least(*maps(), SPACING)
    with_all, without = 2 * 50 / (57 + 50), 1.0
    expected = [
        with_all if least <= 7 * 0.02 else without if least <= 50 * 0.02 else 0.0 for least in LEAST_CM3
    ]
    assert table[:, 0] == pytest.approx(expected)
    assert (table[:, 1] == 1).all()


def test_the_smallest_that_gains_most_is_chosen():
    assert choose_least([dsc_by_least(*maps(), SPACING)]) == (0.2, 0.0)


def test_a_gain_of_next_to_nothing_is_none():
    table = np.full((len(LEAST_CM3), 2), 0.8)
    table[3] = (0.804, 0.806)
    assert choose_least([table]) == (0.0, LEAST_CM3[3])
