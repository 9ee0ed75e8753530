"""Slices of a scan that hold no data, and short gaps filled. Arrays are (z, y, x), z from foot to head or back."""

import numpy as np

# Wider gaps are left as they are: what lies in between is not known.
WIDEST_FILLED_MM = 12.0
# Every so many voxels of a slice are looked at before all are.
_STEP = 16


def blank_slices(array: np.ndarray) -> np.ndarray:
    """Which slices hold no data, bool (z,): one value only, or one inside and one outside the reconstructed circle.

    Of a volume that has but two values in most slices, which no scanner makes, only those of one value count.
    """
    one, two = (np.zeros(len(array), bool) for _ in range(2))
    for z, plane in enumerate(array):
        low, high = _range(plane[::_STEP, ::_STEP])
        if ((plane[::_STEP, ::_STEP] == low) | (plane[::_STEP, ::_STEP] == high)).all():
            low, high = _range(plane)
            one[z] = low == high
            two[z] = bool(((plane == low) | (plane == high)).all())
    return two if np.count_nonzero(two) < len(array) / 2 else one


def _range(plane: np.ndarray) -> tuple[int, int]:
    return int(plane.min()), int(plane.max())


def inner_gaps(blank: np.ndarray) -> list[slice]:
    """The runs of blank slices that have slices with data on both sides."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], blank.astype(np.int8), [0]))))
    runs = [slice(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]
    return [run for run in runs if run.start > 0 and run.stop < len(blank)]


def fill_gaps(array: np.ndarray, gaps: list[slice], spacing_mm: float) -> np.ndarray:
    """A copy in which the gaps up to WIDEST_FILLED_MM are interpolated linearly between the slices beside them.

    The array itself where there is nothing to fill. int16 HU; spacing_mm: between slices.
    """
    short = [gap for gap in gaps if (gap.stop - gap.start) * spacing_mm <= WIDEST_FILLED_MM]
    if not short:
        return array
    filled = array.copy()
    for gap in short:
        below, above = (filled[z].astype(np.float32) for z in (gap.start - 1, gap.stop))
        for z in range(gap.start, gap.stop):
            share = (z - gap.start + 1) / (gap.stop - gap.start + 1)
            filled[z] = np.rint(below + share * (above - below))
    return filled


def numbers_in_words(blank: np.ndarray) -> str:
    """Such as "5, 17-19 of 120", counted from 0 as viewers do."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], blank.astype(np.int8), [0]))))
    runs = [f"{a}" if b == a + 1 else f"{a}-{b - 1}" for a, b in edges.reshape(-1, 2)]
    shown = ", ".join(runs[:8]) + (", …" if len(runs) > 8 else "")
    return f"{shown} of {len(blank)}"
