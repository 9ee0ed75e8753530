"""Slices without data: found, named, and filled where the gap is short."""

import numpy as np
import pytest

from model.images.gaps import blank_slices, fill_gaps, inner_gaps, numbers_in_words


def scan(depth: int = 20) -> np.ndarray:
    """Noise in which each slice is 10 HU brighter than the one below."""
    noise = np.random.default_rng(0).integers(-5, 6, (depth, 40, 50))
    return (noise + 10 * np.arange(depth)[:, None, None]).astype(np.int16)


@pytest.mark.parametrize("value", [0, -1024, -3024, 32767])
@pytest.mark.parametrize("slices", [[5], [5, 6, 9], [0, 1, 7], [19]])
def test_slices_of_one_value_are_blank(value, slices):
    array = scan()
    array[slices] = value
    np.testing.assert_array_equal(np.flatnonzero(blank_slices(array)), slices)


def test_slices_that_only_show_the_scanners_circle_are_blank():
    array = scan()
    array[:, :5, :5] = -2000
    assert not blank_slices(array).any()
    array[7] = 0
    array[7, :5, :5] = -2000
    np.testing.assert_array_equal(np.flatnonzero(blank_slices(array)), [7])


def test_a_volume_of_two_values_has_no_blank_slice_but_those_of_one():
    array = np.full((10, 40, 50), -1000, np.int16)
    array[:, 10:30, 10:30] = 40
    assert not blank_slices(array).any()
    array[3] = -1000
    np.testing.assert_array_equal(np.flatnonzero(blank_slices(array)), [3])


def test_a_single_voxel_is_data():
    array = scan()
    array[5] = 0
    array[5, 33, 17], array[5, 1, 2] = 1, 2
    assert not blank_slices(array).any()


def test_only_gaps_between_slices_with_data_are_inner():
    blank = np.array([1, 1, 0, 1, 0, 0, 1, 1, 0, 1], bool)
    assert inner_gaps(blank) == [slice(3, 4), slice(6, 8)]
    assert inner_gaps(np.ones(4, bool)) == inner_gaps(np.zeros(4, bool)) == []


def test_short_gaps_are_filled_from_both_sides_and_wide_ones_left():
    array = scan()
    whole = array.copy()
    array[5], array[10:15] = -1024, -1024
    filled = fill_gaps(array, inner_gaps(blank_slices(array)), 3.0)
    assert np.abs(filled[5] - whole[5].astype(int)).max() <= 10  # the noise of three slices
    assert abs(filled[5].mean() - whole[5].mean()) < 1
    assert (filled[10:15] == -1024).all()
    assert (array[5] == -1024).all()  # a copy was filled
    thin = fill_gaps(array, inner_gaps(blank_slices(array)), 1.0)
    np.testing.assert_allclose(thin[10:15].mean((1, 2)), whole[10:15].mean((1, 2)), atol=1)


def test_nothing_is_copied_where_nothing_is_filled():
    array = scan()
    assert fill_gaps(array, [], 3.0) is array


def test_numbers_are_told_briefly():
    blank = np.zeros(100, bool)
    blank[[3, 10, 11, 12]] = True
    assert numbers_in_words(blank) == "3, 10-12 of 100"
    blank[::2] = True
    assert numbers_in_words(blank).endswith("… of 100")
