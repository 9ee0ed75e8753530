"""Patches cut from a case."""

import numpy as np
import pytest

from training.data.cache import CachedCase
from training.data.patches import Sampling, cut, draw_patch, place_patch


@pytest.fixture
def case() -> CachedCase:
    """Two bright boxes."""
    label = np.zeros((8, 24, 24), np.uint8)
    label[2:6, 4:14, 4:14] = 1
    label[2:6, 16:22, 16:22] = 2
    image = (
        np.random.default_rng(0).normal(0, 0.1, (2, *label.shape)) + np.stack([label == 1, label == 2]) * 2.0
    )
    return CachedCase(image.astype(np.float16), label, tuple([np.argwhere(label == v)] for v in (1, 2)))


@pytest.mark.parametrize("patch", [(8, 16, 16), (16, 16, 40), (4, 24, 24)])
def test_patch_shows_the_case_it_was_cut_from(case, patch):
    rng = np.random.default_rng(0)
    for _ in range(20):
        image, label = draw_patch(case, patch, rng)
        assert image.shape == (2, *patch) and label.shape == patch
        inside = image[0][label == 1]
        assert inside.size == 0 or inside.mean() > 1.5  # image and label moved together


def test_small_and_large_tumours_are_seen_alike_and_most_patches_have_one(case):
    rng = np.random.default_rng(1)
    labels = [draw_patch(case, (4, 6, 6), rng)[1] for _ in range(300)]
    of_label = [np.mean([(label == value).any() for label in labels]) for value in (1, 2)]
    assert of_label[1] > 0.3 and of_label[0] < 0.7
    assert np.mean([label.any() for label in labels]) > 0.75


def test_the_lot_says_which_kind_of_patch(case):
    """The first quarter on a tumour's own voxels, the last half without any, the rest anywhere."""
    sampling = Sampling(foreground_share=0.25, tumour_free_share=0.5, jitter=0.0)
    rng, patch = np.random.default_rng(2), (3, 3, 3)
    labels: dict[float, list[np.ndarray]] = {0.0: [], 0.24: [], 0.26: [], 0.49: [], 0.5: [], 0.99: []}
    for lot, found in labels.items():
        for _ in range(40):
            start = place_patch(case, patch, sampling, lot, rng)
            found.append(cut(case, start, tuple(s + 3 for s in start))[1])
    assert all(label[1, 1, 1] for lot in (0.0, 0.24) for label in labels[lot])
    assert not any(label.any() for lot in (0.5, 0.99) for label in labels[lot])
    assert 0 < np.mean([label.any() for lot in (0.26, 0.49) for label in labels[lot]]) < 1


def test_where_tumour_is_everywhere_the_place_with_the_least_is_taken(case):
    sampling, rng = Sampling(0.0, 1.0), np.random.default_rng(0)
    starts = {place_patch(case, (8, 20, 20), sampling, 0.5, rng) for _ in range(40)}
    least = min((case.label[:, y : y + 20, x : x + 20] > 0).sum() for y in range(5) for x in range(5))
    assert {(cut(case, s, (8, s[1] + 20, s[2] + 20))[1] > 0).sum() for s in starts} == {least}


def test_a_cut_beyond_the_case_is_zero_there_and_keeps_any_label(case):
    other = CachedCase(case.image + np.float16(7), np.full_like(case.label, 255), ())
    image, label = cut(other, (-2, 20, -3), (5, 30, 30))
    assert image.dtype == np.float16 and label.dtype == np.uint8
    assert (label[2:, :4, 3:27] == 255).all() and label.sum() == 255 * 5 * 4 * 24
    np.testing.assert_array_equal(image[:, 2:, :4, 3:27], other.image[:, :5, 20:])
    assert not image[:, label == 0].any()


def test_a_cut_lies_where_it_is_told_to(case):
    made = []

    def empty(shape, dtype):
        made.append(np.full(shape, 9, dtype))
        return made[-1]

    image, label = cut(case, (0, 0, 0), (4, 4, 4), empty)
    assert image is made[0] and label is made[1]
