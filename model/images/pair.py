"""The two CTs of a patient, read together and brought to one grid."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from model.errors import InputError
from model.images.dicom import check_pair
from model.images.grid import Grid, overlap, same_grid, size_in_words, to_canonical
from model.images.itk import pixels, to_image
from model.images.read import Scan, read_scan
from model.images.tilt import AIR_HU

Log = Callable[[str], None]


@dataclass(frozen=True)
class Pair:
    """Both CTs, int16 HU, (z, y, x) in canonical orientation, views perhaps; grid is the input file's own."""

    ct: np.ndarray
    ce: np.ndarray
    spacing_zyx: tuple[float, float, float]
    grid: Grid


def read_pair(ct_path: Path, ce_path: Path, log: Log) -> Pair:
    """Read both CTs at once; the contrast CT is brought to the non-contrast CT's grid where they differ.

    Raises InputError for whatever cannot be used; logs a warning for what can be but looks odd.
    """
    start = time.perf_counter()
    with ThreadPoolExecutor(2) as pool:  # the readers release the interpreter's lock
        ct, ce = pool.map(read_scan, (ct_path, ce_path))
    log(f"read {size_in_words(ct.grid)} voxels twice: {time.perf_counter() - start:.1f} s")
    for path, scan in ((ct_path, ct), (ce_path, ce)):
        for oddity in scan.oddities:
            log(f"warning: {path}: {oddity}")
        _warn_if_odd(path, scan.array, log)
    if ct.series and ce.series and (oddity := check_pair(ct.series, ce.series)):
        log(f"warning: {ct_path} and {ce_path}: {oddity}")
    if not same_grid(ct.grid, ce.grid):
        if not overlap(ct.grid, ce.grid):
            raise InputError(
                f"{ct_path} and {ce_path}", "they do not overlap in space", "give an aligned pair"
            )
        start = time.perf_counter()
        ce = _resample(ce, ct.grid)
        log(f"contrast CT resampled onto the non-contrast CT's grid: {time.perf_counter() - start:.1f} s")
    arrays = [to_canonical(scan.array, ct.grid) for scan in (ct, ce)]
    return Pair(arrays[0], arrays[1], ct.grid.canonical_spacing_zyx, ct.grid)


def _warn_if_odd(path: Path, array: np.ndarray, log: Log) -> None:
    lowest, highest = int(array.min()), int(array.max())
    if lowest == highest:
        log(f"warning: {path}: all voxels are {lowest}")
    elif lowest > -200 or highest > 20000:
        log(f"warning: {path}: values from {lowest} to {highest} look unlike HU")


def _resample(scan: Scan, grid: Grid) -> Scan:
    """Linearly onto another grid; air where there are no data."""
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
