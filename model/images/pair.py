"""The two CTs of a patient, read together and brought to one grid."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from model.errors import InputError
from model.images import quality
from model.images.choice import choose_pair
from model.images.dicom import check_pair
from model.images.gaps import WIDEST_FILLED_MM, blank_slices, fill_gaps, inner_gaps, numbers_in_words
from model.images.grid import (
    Grid,
    orientation,
    overlap,
    same_grid,
    size_in_words,
    to_canonical,
    to_input_grid,
)
from model.images.read import Scan, Source, read_scan
from model.images.tilt import AIR_HU

# How many values a mask or a label map of both structures has, and how high; no CT has such without air below zero.
MOST_OF_MASK, HIGHEST_OF_MASK = 3, 255
# Of the body, as the non-contrast CT shows it: below, the two are not of one place.
NOTHING_COVERED = 0.02

Log = Callable[[str], None]


@dataclass(frozen=True)
class Pair:
    """Both CTs, int16 HU, (z, y, x) in canonical orientation, views perhaps; grid is the input file's own."""

    ct: np.ndarray
    ce: np.ndarray
    spacing_zyx: tuple[float, float, float]
    grid: Grid


def read_pair(ct_path: Source, ce_path: Source, log: Log) -> Pair:
    """Read both CTs at once; the contrast CT is brought to the non-contrast CT's grid where they differ.

    Raises InputError for whatever cannot be used; logs a warning for what can be but looks odd.
    """
    start = time.perf_counter()
    with ThreadPoolExecutor(2) as pool:  # the readers release the interpreter's lock
        ct, ce = pool.map(read_scan, (ct_path, ce_path))
    log(f"read {size_in_words(ct.grid)} voxels twice: {time.perf_counter() - start:.1f} s")
    if ct.series and ce.series and (oddity := check_pair(ct.series, ce.series)):
        log(f"warning: {ct_path} and {ce_path}: {oddity}")
    ct, ce = (_checked(path, scan, log) for path, scan in ((ct_path, ct), (ce_path, ce)))
    if not same_grid(ct.grid, ce.grid):
        if not overlap(ct.grid, ce.grid):
            raise _apart(ct_path, ce_path)
        start = time.perf_counter()
        ce = resample(ce, ct.grid)
        log(f"contrast CT resampled onto the non-contrast CT's grid: {time.perf_counter() - start:.1f} s")
    arrays = [to_canonical(scan.array, ct.grid) for scan in (ct, ce)]
    pair = Pair(arrays[0], arrays[1], ct.grid.canonical_spacing_zyx, ct.grid)
    if quality.covered_share(*(array[::4, ::4, ::4] for array in arrays)) < NOTHING_COVERED:
        raise _apart(ct_path, ce_path)
    for finding in quality.findings(pair.ct, pair.ce, pair.spacing_zyx):
        if finding != quality.SAME_IMAGE or ct_path != ce_path:  # who gave one file for both knows
            log(f"warning: {finding}")
    return pair


def read_study(folder: Path, log: Log, alone: bool = False) -> Pair:
    """As read_pair, of the two series that the tags of the DICOM files below a folder tell; logs which and why.

    alone: of one series, where there is no other.
    """
    choice = choose_pair(folder, alone)
    log(choice.why)
    for oddity in choice.oddities:
        log(f"warning: {folder}: {oddity}")
    return read_pair(choice.ct, choice.ce, log)


def _apart(ct_path: Source, ce_path: Source) -> InputError:
    fact = "the contrast CT shows nothing of the non-contrast CT's body: they do not overlap in space"
    return InputError(f"{ct_path} and {ce_path}", fact, "give an aligned pair")


def _checked(path: Source, scan: Scan, log: Log) -> Scan:
    """With short gaps filled, and what is odd about the file logged."""
    for oddity in scan.oddities:
        log(f"warning: {path}: {oddity}")
    lowest, highest = int(scan.array.min()), int(scan.array.max())
    if lowest == highest:
        log(f"warning: {path}: all voxels are {lowest}")
        return scan
    if lowest >= 0 and highest <= HIGHEST_OF_MASK and (values := _few_values(scan.array)):
        fact = f"its values are {', '.join(map(str, values))} alone: a mask, or a CT that is not in HU"
        raise InputError(f"{path}", fact, "give the CT in HU")
    if lowest > -200 or highest > 20000:
        log(f"warning: {path}: values from {lowest} to {highest} look unlike HU")
    array = _without_gaps(path, to_canonical(scan.array, scan.grid), scan.grid.canonical_spacing_zyx[0], log)
    array = to_input_grid(array, scan.grid)
    if orientation(scan.grid)[0][2] != 2:  # the file's own slices do not follow each other from foot to head
        array = _without_gaps(path, array, scan.grid.spacing_zyx[0], log)
    return replace(scan, array=array)


def _few_values(array: np.ndarray) -> list[int]:
    """All its values where there are no more than a mask has, else none."""
    for part in (array[::4, ::4, ::4], array):  # nearly always the first tells
        values: list[int] = np.unique(part).tolist()
        if len(values) > MOST_OF_MASK:
            return []
    return values


def _without_gaps(path: Source, array: np.ndarray, spacing_mm: float, log: Log) -> np.ndarray:
    """The slices (first axis) with short gaps filled, which is logged."""
    blank = blank_slices(array)
    if not (gaps := inner_gaps(blank)):
        return array
    filled = fill_gaps(array, gaps, spacing_mm)
    wide = any((gap.stop - gap.start) * spacing_mm > WIDEST_FILLED_MM for gap in gaps)
    remedy = f"gaps up to {WIDEST_FILLED_MM:g} mm are filled from the slices beside them"
    remedy += "; wider ones stay empty, and nothing is drawn there" if wide else ""
    log(f"warning: {path}: slices {numbers_in_words(blank)} hold no data; {remedy}")
    return filled


def resample(scan: Scan, grid: Grid) -> Scan:
    """Linearly onto another grid; air where there are no data."""
    import SimpleITK as sitk

    from model.images.itk import pixels, to_image

    image = sitk.Resample(
        to_image(scan.array, scan.grid),
        grid.size_xyz,
        sitk.Transform(),
        sitk.sitkLinear,
        grid.origin_xyz,
        grid.spacing_xyz,
        grid.direction,
        AIR_HU,
    )
    return Scan(pixels(image), grid)
