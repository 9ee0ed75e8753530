"""Maps of grey values against the masks of the same logits, and against interpolating everything."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from model.inference.blend import BACKGROUND_LOGIT
from model.inference.maps import probabilities_of, probability_maps, uncertainty_map
from model.preprocessing.region import Region
from model.preprocessing.restore import EVERYTHING, restore_labels
from model.structures import PROBABILITY_FOLDERS, UNCERTAINTY_FOLDER

SMALL, LARGE = (6, 20, 24), (12, 50, 70)
BOX = (slice(1, 13), slice(3, 53), slice(5, 75))
REGION = Region((14, 60, 80), BOX, SMALL)


@pytest.fixture
def logits() -> torch.Tensor:
    generator = torch.Generator().manual_seed(5)
    coarse = torch.randn(1, 3, 3, 5, 6, generator=generator)
    logits = 6 * functional.interpolate(coarse, SMALL, mode="trilinear")[0]
    logits[0] += 6
    logits[0, :, :9] = BACKGROUND_LOGIT  # as the search leaves it
    return logits


def upsampled(values: torch.Tensor) -> torch.Tensor:
    return functional.interpolate(values[None], LARGE, mode="trilinear")[0]


def test_probabilities_are_those_of_the_interpolated_logits(logits):
    maps = probability_maps(logits, REGION, EVERYTHING, of_probabilities=False)
    expected = np.zeros((2, 14, 60, 80))
    expected[(slice(None), *BOX)] = 255 * upsampled(logits).softmax(0)[1:].numpy()
    assert list(maps) == list(PROBABILITY_FOLDERS.values())
    for one, values in zip(maps.values(), expected, strict=True):
        assert one.whole().dtype == np.uint8
        assert np.abs(one.whole() - values).max() <= 0.51
        assert one.values.size < one.whole().size / 1.5


def test_the_largest_probability_is_the_mask(logits):
    maps = probability_maps(logits, REGION, EVERYTHING, of_probabilities=False)
    gtvp, gtvnd = (one.whole().astype(int) for one in maps.values())
    greys = np.stack([255 - gtvp - gtvnd, gtvp, gtvnd])
    ordered = np.sort(greys, axis=0)
    clear = ordered[2] - ordered[1] > 2  # more than rounding
    labels = restore_labels(logits, REGION)
    assert labels.any()
    np.testing.assert_array_equal(greys.argmax(0)[clear], labels[clear])


def test_weights_that_give_probabilities_are_not_made_such_again():
    values = torch.full((3, *SMALL), 1 / 3)
    values[0, :, :10] = BACKGROUND_LOGIT
    found = probabilities_of(values, of_probabilities=True)
    assert torch.equal(found[:, :, 10:], values[1:, :, 10:])
    assert not found[:, :, :10].any()


def test_uncertainty_is_scaled_and_nothing_where_the_search_ruled_tumour_out(logits):
    deviation = torch.full(SMALL, 0.25)
    (kind, one), *others = uncertainty_map(deviation, logits, REGION, EVERYTHING).items()
    assert (kind, others) == (UNCERTAINTY_FOLDER, [])
    grey = one.whole()[BOX]
    assert (grey[:, 30:] == 128).all()
    assert not grey[:, :20].any()


def test_without_tumour_the_maps_are_empty():
    logits = torch.zeros(3, *SMALL)
    logits[0] = BACKGROUND_LOGIT
    for one in probability_maps(logits, REGION, EVERYTHING, of_probabilities=False).values():
        assert one.values.size == 0
        assert one.whole().shape == (14, 60, 80)
        assert not one.whole().any()
