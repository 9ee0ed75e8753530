"""The grid that a DICOM folder's CT would have, as far as it is known: for an empty mask where no CT can be read."""

import math
from collections import Counter
from contextlib import suppress
from pathlib import Path

import numpy as np

from model.errors import InputError
from model.images.choice import choose, left_out
from model.images.contrast import role_by_words
from model.images.dicom_slice import Slice, slice_of
from model.images.grid import Grid, size_in_words
from model.images.series_files import FARTHEST, Below, SeriesFiles, series_below
from model.images.tilt import stack_of

# Of the distance between slices: what is less than so much of it lies in one place.
SAME_PLACE = 0.1
MOST_SLICES = 10_000


def outline(folder: Path, most_voxels: int) -> Grid:
    """Of the non-contrast CT if it is known, else of the CT series with most slices; missing slices are counted in.

    Raises InputError where there is no such series.
    """
    below, refusals = series_below(folder), []
    for series in _by_likelihood(below):
        try:
            grid = _grid(series)
        except InputError as error:
            refusals.append(error)
            continue
        if math.prod(grid.size_xyz) <= most_voxels:
            return grid
        fact = f"{size_in_words(grid)} voxels are more than any CT has"
        refusals.append(InputError(folder, fact, "crop it"))
    raise refusals[0] if refusals else InputError(folder, "no DICOM series", "give one CT series")


def _by_likelihood(below: Below) -> list[SeriesFiles]:
    """The series of CT slices, first those that may be the non-contrast CT."""
    try:
        first = [choose(below).ct]
    except InputError:
        first = []
    others = [one for one in below.series if one.text("Modality") == "CT" and not one.localizer]

    def unlikely(one: SeriesFiles) -> tuple[bool, bool, int]:
        plain = role_by_words(one.text("SeriesDescription")) == "plain"
        return bool(left_out(one)), not plain, -len(one.files)

    return first + sorted(others, key=unlikely)


def _grid(series: SeriesFiles) -> Grid:
    slices = []
    for path, elements in series.files.items():
        with suppress(InputError):
            slices.append(slice_of(path, elements))
    slices = [one for one in slices if abs(one.position).max() < FARTHEST]
    if len(slices) < 2:
        raise InputError(str(series), "no slices that can be read", "replace the files")
    usual, _ = Counter(map(_kind, slices)).most_common(1)[0]
    slices = [one for one in slices if _kind(one) == usual]
    axes = slices[0].axes
    slices.sort(key=lambda one: float(one.position @ np.cross(*axes)))
    positions = np.array([one.position for one in slices])
    heights = positions @ np.cross(*axes)
    steps = np.diff(heights)
    if not (steps > 0.01).any():
        raise InputError(str(series), "all slices lie in one place", "give one 3D volume")
    step = float(np.median(steps[steps > 0.01]))
    apart = np.concatenate([[True], steps >= SAME_PLACE * step])
    heights, positions = heights[apart], positions[apart]
    count = round((heights[-1] - heights[0]) / step) + 1
    if count > MOST_SLICES:
        raise InputError(str(series), "its slices lie too far apart", "correct ImagePositionPatient")
    if count != len(positions):
        positions = np.linspace(positions[0], positions[-1], count)
    return stack_of(positions, slices[0].axes, slices[0].spacing_yx, slices[0].shape).grid


def _kind(one: Slice) -> tuple[object, ...]:
    """What slices of one scan have in common."""
    return (one.shape, *np.round(one.spacing_yx, 3), *np.round(one.axes, 2).ravel())
