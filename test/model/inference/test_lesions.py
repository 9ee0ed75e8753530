"""Pieces below a least volume are left out, and nothing else."""

import numpy as np
import pytest

from model.inference.lesions import drop_small


def label_map() -> np.ndarray:
    """Of label 1 a piece of 8 voxels and, touching by a corner, one more; of label 2 pieces of 3 and 1."""
    labels = np.zeros((6, 9, 9), np.uint8)
    labels[1:3, 1:3, 1:3] = 1
    labels[3, 3, 3] = 1
    labels[0, 8, 0:3] = 2
    labels[5, 8, 8] = 2
    return labels


@pytest.mark.parametrize(
    ("least", "left", "dropped"),
    [((0.0, 0.0), (9, 4), [0, 0]), ((0.9, 0.3), (9, 3), [0, 1]), ((0.91, 0.31), (0, 0), [1, 2])],
)
def test_pieces_below_the_least_volume_go(least, left, dropped):
    """Voxels of 0.1 cm³; pieces touch by corners; a piece of just the least volume stays."""
    labels = label_map()
    assert drop_small(labels, 0.1, least) == dropped
    assert (np.count_nonzero(labels == 1), np.count_nonzero(labels == 2)) == left
    kept = labels > 0
    assert (labels[kept] == label_map()[kept]).all()


def test_an_empty_map_stays_empty():
    labels = np.zeros((3, 4, 5), np.uint8)
    assert drop_small(labels, 1.0, (1.0, 1.0)) == [0, 0]
    assert not labels.any()
