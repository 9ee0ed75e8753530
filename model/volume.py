"""CT pairs and masks on disk: reading, checking, geometry, writing. Only this module knows geometry.

Arrays are (z, y, x), SimpleITK tuples (x, y, z). A file's axes may run any way; arrays handed out are in
canonical orientation: z grows to the head, y to the back, x to the patient's left (ITK's LPS, nearest axes).
"""

import itertools
import math
import os
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from model.integrity import Damage, check

IMAGE_SUFFIXES = (".mha", ".mhd", ".nii", ".nii.gz", ".nrrd")
GRID_TOLERANCE = 1e-3  # mm for spacing and origin, no unit for direction
MAX_VOXELS = 2**30  # five times the largest head-and-neck CT known to us
AIR_HU = -1024
_FASTEST = 1

Log = Callable[[str], None]
sitk.ProcessObject.SetGlobalWarningDisplay(False)  # ITK's warnings would break "one line on stderr"


class InputError(Exception):
    """Bad input. The message is one line: the file, what is wrong with it, what to do."""


@dataclass(frozen=True)
class Grid:
    """A file's voxel grid in SimpleITK's convention: mm, LPS, direction as 9 values row by row."""

    size_xyz: tuple[int, int, int]
    spacing_xyz: tuple[float, float, float]
    origin_xyz: tuple[float, float, float]
    direction: tuple[float, ...]


@dataclass(frozen=True)
class Pair:
    """Both CTs, int16 HU, (z, y, x) in canonical orientation, views perhaps; grid is the input file's own."""

    ct: np.ndarray
    ce: np.ndarray
    spacing_zyx: tuple[float, float, float]
    grid: Grid


@dataclass(frozen=True)
class _Scan:
    """One file: int16 (z, y, x) along the file's own axes."""

    array: np.ndarray
    grid: Grid


class _Pixels:
    """An image's voxels for np.asarray; keeps the image alive as long as an array refers to it."""

    def __init__(self, image: sitk.Image) -> None:
        self.image = image
        interface = sitk.GetArrayViewFromImage(image).__array_interface__
        address, _ = interface["data"]
        self.__array_interface__ = {**interface, "data": (address, False)}  # torch warns of read-only arrays


def read_pair(ct_path: Path, ce_path: Path, log: Log) -> Pair:
    """Read both CTs at once; the contrast CT is brought to the non-contrast CT's grid where they differ.

    Raises InputError for whatever cannot be used; logs a warning for what can be but looks odd.
    """
    start = time.perf_counter()
    with ThreadPoolExecutor(2) as pool:  # the readers release the interpreter's lock
        ct, ce = pool.map(_read_scan, (ct_path, ce_path))
    log(f"read {_shape(ct.grid)} voxels twice: {time.perf_counter() - start:.1f} s")
    for path, scan in ((ct_path, ct), (ce_path, ce)):
        _warn_if_odd(path, scan.array, log)
    if not same_grid(ct.grid, ce.grid):
        if not _overlap(ct.grid, ce.grid):
            raise InputError(f"{ct_path} and {ce_path}: they do not overlap in space; give an aligned pair")
        start = time.perf_counter()
        ce = _resample(ce, ct.grid)
        log(f"contrast CT resampled onto the non-contrast CT's grid: {time.perf_counter() - start:.1f} s")
    axes, _ = _orientation(ct.grid)
    z, y, x = (ct.grid.spacing_xyz[axis] for axis in reversed(axes))
    return Pair(_to_canonical(ct.array, ct.grid), _to_canonical(ce.array, ct.grid), (z, y, x), ct.grid)


def read_labels(path: Path, grid: Grid, highest: int) -> np.ndarray:
    """A mask or label map on that grid, uint8 (z, y, x) in canonical orientation.

    Raises InputError as for a CT, and where the grid is another one or a value is none of 0, …, highest.
    """
    scan = _read_scan(path)
    if not same_grid(scan.grid, grid):
        raise InputError(f"{path}: its grid is not that of the non-contrast CT; bring it there")
    lowest, largest = int(scan.array.min()), int(scan.array.max())
    if lowest < 0 or largest > highest:
        raise InputError(f"{path}: values from {lowest} to {largest}; labels are 0 to {highest}")
    return _to_canonical(scan.array, grid).astype(np.uint8)


def read_grid(path: Path) -> Grid:
    """The grid alone; of a file only the header is read. Raises InputError where it is no 3D CT's."""
    return _checked_grid(_read_dicom(path) if path.is_dir() else _open(path), path)


def same_grid(a: Grid, b: Grid) -> bool:
    """Equal size; spacing, origin and direction within GRID_TOLERANCE."""
    values_a = (*a.spacing_xyz, *a.origin_xyz, *a.direction)
    values_b = (*b.spacing_xyz, *b.origin_xyz, *b.direction)
    return a.size_xyz == b.size_xyz and bool(np.allclose(values_a, values_b, rtol=0, atol=GRID_TOLERANCE))


def to_input_grid(labels: np.ndarray, grid: Grid) -> np.ndarray:
    """Canonical (z, y, x) → the file's own axis order and sense, a view: the inverse of the way in."""
    axes, signs = _orientation(grid)
    flipped = labels[tuple(slice(None, None, sign) for sign in reversed(signs))]
    return flipped.transpose([2 - axes.index(axis) for axis in (2, 1, 0)])


def empty_labels(grid: Grid) -> np.ndarray:
    """Background everywhere, uint8 (z, y, x) in canonical orientation."""
    axes, _ = _orientation(grid)
    return np.zeros([grid.size_xyz[axis] for axis in reversed(axes)], np.uint8)


def volume_cm3(labels: np.ndarray, label: int, grid: Grid) -> float:
    """Volume of a label in cm³."""
    return int(np.count_nonzero(labels == label)) * math.prod(grid.spacing_xyz) / 1000


def write_label_map(path: Path, labels_zyx: np.ndarray, grid: Grid) -> None:
    """Canonical labels uint8 0/1/2 → one 3D file on the grid, compressed. Raises InputError on failure."""
    _write(path, _image(to_input_grid(labels_zyx, grid), grid))


def write_channels(path: Path, labels_zyx: np.ndarray, grid: Grid) -> None:
    """Canonical labels uint8 0/1/2 → one 4D file [2, z, y, x] of 0/1: GTVp, GTVnd. Raises InputError too."""
    labels = to_input_grid(labels_zyx, grid)
    channels = [_image((labels == label).view(np.uint8), grid) for label in (1, 2)]
    _write(path, sitk.JoinSeries(channels, 0.0, 1.0))


def _read_scan(path: Path) -> _Scan:
    if path.is_dir():
        image = _read_dicom(path)
    else:
        reader = _open(path)
        try:
            plain = check(path, math.prod(reader.GetSize()))
        except Damage as fault:
            raise InputError(f"{path}: {fault}; replace the file") from None
        if plain is not None:
            return _Scan(plain.reshape(reader.GetSize()[::-1]), _checked_grid(reader, path))
        image = _execute(reader, path)
    return _Scan(_to_int16(np.asarray(_Pixels(image)), path), _checked_grid(image, path))


def _open(path: Path) -> sitk.ImageFileReader:
    """A reader that has read the header of one scalar 3D image."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; put the CT there")
    if not os.access(path, os.R_OK):
        raise InputError(f"{path}: no permission to read it; make it readable for this user")
    if not path.name.endswith(IMAGE_SUFFIXES):
        raise InputError(f"{path}: not a format read here; convert it to one of {' '.join(IMAGE_SUFFIXES)}")
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise InputError(f"{path}: not a readable image ({_reason(error)}); replace the file") from None
    _checked_grid(reader, path)
    return reader


def _read_dicom(folder: Path) -> sitk.Image:
    """The one CT series in a folder: slices in the order of their positions, HU."""
    series = sitk.ImageSeriesReader.GetGDCMSeriesIDs(str(folder))
    if len(series) != 1:
        found = f"{len(series)} DICOM series ({', '.join(series)})" if series else "no DICOM series"
        raise InputError(f"{folder}: {found}; leave exactly one CT series in the folder")
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder), series[0]))
    reader.MetaDataDictionaryArrayUpdateOn()
    image = _execute(reader, folder)
    slices = range(len(reader.GetFileNames()))
    try:
        modalities = {reader.GetMetaData(k, "0008|0060").strip() for k in slices}
        positions = np.array([reader.GetMetaData(k, "0020|0032").split("\\") for k in slices], float)
    except (RuntimeError, ValueError):
        fact = "slices without modality or position, or several in one file"
        raise InputError(f"{folder}: {fact}; convert the series to NIfTI") from None
    if modalities != {"CT"}:
        raise InputError(f"{folder}: the DICOM series is not CT; give a CT series")
    steps = np.linalg.norm(np.diff(positions, axis=0), axis=1)
    if len(steps) and steps.max() - steps.min() > 0.1 * steps.min():
        apart = f"{steps.min():.2f} to {steps.max():.2f} mm"
        raise InputError(f"{folder}: slices are {apart} apart; add the missing slices or resample")
    return image


def _execute(reader: sitk.ImageFileReader | sitk.ImageSeriesReader, path: Path) -> sitk.Image:
    try:
        return reader.Execute()
    except RuntimeError as error:
        raise InputError(f"{path}: cannot be read ({_reason(error)}); replace the file") from None


def _checked_grid(image: sitk.Image | sitk.ImageFileReader, path: Path) -> Grid:
    """The grid of an image, or of a reader that knows the header, if it is that of a scalar 3D volume."""
    size = image.GetSize()
    described = " x ".join(str(n) for n in size)
    if image.GetDimension() != 3 or min(size) < 2:
        raise InputError(f"{path}: an image of {described} voxels; give one 3D CT")
    if isinstance(image, sitk.ImageFileReader):
        components = image.GetNumberOfComponents()
    else:
        components = image.GetNumberOfComponentsPerPixel()
    if components != 1:
        raise InputError(f"{path}: several numbers per voxel; give a CT, one number per voxel")
    if math.prod(size) > MAX_VOXELS:
        raise InputError(f"{path}: {described} voxels are more than any CT has; crop or replace it")
    if not all(math.isfinite(s) and s > 0 for s in image.GetSpacing()):
        raise InputError(f"{path}: voxel spacing is {image.GetSpacing()}; correct the header")
    volume = np.linalg.det(np.reshape(image.GetDirection(), (3, 3)))
    if not abs(volume) > 1e-6:  # nor NaN
        raise InputError(f"{path}: the axes' direction is {image.GetDirection()}; correct the header")
    return Grid(size, image.GetSpacing(), image.GetOrigin(), image.GetDirection())


def _to_int16(array: np.ndarray, path: Path) -> np.ndarray:
    """HU as int16: floats rounded, all clipped to its range. Raises InputError for NaN and infinity."""
    if array.dtype == np.int16:
        return array
    floating = np.issubdtype(array.dtype, np.floating)
    target = np.iinfo(np.int16)
    own = target if floating else np.iinfo(array.dtype)
    result = np.empty(array.shape, np.int16)
    for plane, out in zip(array, result, strict=True):
        if floating and not np.isfinite(plane).all():
            raise InputError(f"{path}: voxels that are NaN or infinite; replace them by HU")
        values = np.rint(plane) if floating else plane
        out[...] = values.clip(max(own.min, target.min), min(own.max, target.max))
    return result


def _warn_if_odd(path: Path, array: np.ndarray, log: Log) -> None:
    lowest, highest = int(array.min()), int(array.max())
    if lowest == highest:
        log(f"warning: {path}: all voxels are {lowest}")
    elif lowest > -200 or highest > 20000:
        log(f"warning: {path}: values from {lowest} to {highest} look unlike HU")


def _orientation(grid: Grid) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """For each patient axis (left, back, head): the file's nearest axis (0 x, 1 y, 2 z) and its sense, ±1."""
    cosines = np.reshape(grid.direction, (3, 3))  # row: patient axis, column: the file's axis
    orders = itertools.permutations(range(3))
    axes = max(orders, key=lambda order: sum(abs(cosines[p, a]) for p, a in enumerate(order)))
    return axes, tuple(1 if cosines[p, a] >= 0 else -1 for p, a in enumerate(axes))


def _to_canonical(array: np.ndarray, grid: Grid) -> np.ndarray:
    """The file's axes → canonical (z, y, x), a view."""
    axes, signs = _orientation(grid)
    ordered = array.transpose([2 - axis for axis in reversed(axes)])
    return ordered[tuple(slice(None, None, sign) for sign in reversed(signs))]


def _overlap(a: Grid, b: Grid) -> bool:
    """Whether the boxes (patient axes) around the two grids share anything."""
    (low_a, high_a), (low_b, high_b) = _bounds(a), _bounds(b)
    return bool(np.all(low_a < high_b) and np.all(low_b < high_a))


def _bounds(grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest corner (x, y, z) in mm of the box around all voxels, their extents included."""
    indices = np.array(list(itertools.product(*((-0.5, n - 0.5) for n in grid.size_xyz))))
    steps = np.reshape(grid.direction, (3, 3)) * grid.spacing_xyz
    corners = indices @ steps.T + grid.origin_xyz
    return corners.min(0), corners.max(0)


def _resample(scan: _Scan, grid: Grid) -> _Scan:
    """Linearly onto another grid; air where there are no data."""
    image = sitk.Resample(
        _image(scan.array, scan.grid),
        grid.size_xyz,
        sitk.Transform(),
        sitk.sitkLinear,
        grid.origin_xyz,
        grid.spacing_xyz,
        grid.direction,
        AIR_HU,
    )
    return _Scan(np.asarray(_Pixels(image)), grid)


def _image(array: np.ndarray, grid: Grid) -> sitk.Image:
    """Array along the file's own axes → image on its grid."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(array), isVector=False)
    image.SetSpacing(grid.spacing_xyz)
    image.SetOrigin(grid.origin_xyz)
    image.SetDirection(grid.direction)
    return image


def _write(path: Path, image: sitk.Image) -> None:
    """Under a temporary name first, so that no half-written file ever has the real one."""
    temporary = path.with_name(f".writing-{path.name}")
    try:
        sitk.WriteImage(image, str(temporary), useCompression=True, compressionLevel=_FASTEST)
        temporary.replace(path)
    except (RuntimeError, OSError) as error:
        fact = f"cannot be written ({_reason(error)})"
        raise InputError(f"{path}: {fact}; free space or choose another --output") from None
    finally:
        temporary.unlink(missing_ok=True)


def _reason(error: Exception) -> str:
    """The last line of an ITK error without the address of the object that raised it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return re.sub(r"^.*\(0x[0-9a-f]+\): ", "", lines[-1])[:160] if lines else type(error).__name__


def _shape(grid: Grid) -> str:
    return " x ".join(str(n) for n in grid.size_xyz)
