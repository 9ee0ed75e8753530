"""Patches cut from a case."""

import numpy as np
import pytest

from training.data.cache import CachedCase
from training.data.patches import draw_patch


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
