"""Body crop, resampling and normalisation."""

import numpy as np
import pytest
import torch

from model.network.bundle import Normalisation
from model.preprocessing.gtvseg import find_region, preprocess, sample

NORMALISATION = (Normalisation(-1024, 3071, 0, 1), Normalisation(-1024, 3071, 0, 1))


@pytest.mark.parametrize("background", [0, -2000, -3024])
def test_no_data_becomes_air(pair_of, scan, background):
    """The same patient in a small reconstruction circle and in plain air look the same to the network."""
    in_circle = preprocess(pair_of(scan(background, radius=50)), (3.0, 2.0, 2.0), NORMALISATION)
    in_air = preprocess(pair_of(scan(-1024, radius=50)), (3.0, 2.0, 2.0), NORMALISATION)
    torch.testing.assert_close(in_circle[0], in_air[0])


def test_slices_without_data_are_air(pair_of, scan):
    """More slices of zeros than the body has, as a scan is padded to another's extent."""
    padded = np.concatenate([np.zeros((24, 128, 128), np.int16), scan(-1000)])
    image, _ = preprocess(pair_of(padded), (3.0, 1.0, 1.0), NORMALISATION)
    assert (image[:, :2] == -1024).all() and (image[:, 2:] > -1024).any()


@pytest.mark.parametrize("value", [0, -1000, 40])
def test_constant_volume_has_no_body(pair_of, value):
    assert preprocess(pair_of(np.full((5, 20, 20), value, np.int16)), (3.0, 2.0, 2.0), NORMALISATION) is None


def test_normalisation_clips_and_scales(pair_of, scan):
    scheme = Normalisation(-100, 30, 10, 5)
    image, _ = preprocess(pair_of(scan(-1000)), (3.0, 1.0, 1.0), (scheme, scheme))
    assert image.min().item() == pytest.approx((-100 - 10) / 5)
    assert image.max().item() == pytest.approx((30 - 10) / 5)


def test_preprocessing_is_to_find_the_region_and_to_sample_it(pair_of, scan):
    pair = pair_of(scan(-1000))
    region = find_region(pair, (3.0, 2.0, 2.0))
    image, same = preprocess(pair, (3.0, 2.0, 2.0), NORMALISATION)
    assert same == region and image.shape == (2, *region.network_shape)
    np.testing.assert_array_equal(sample(pair, NORMALISATION, region), image)
