"""Reading images: CTs as HU, masks as labels. A file is verified to its last byte before a voxel of it is used.

Arrays are (z, y, x) along the file's own axes; SimpleITK tuples are (x, y, z).
"""

import math
import os
import stat
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from model.errors import InputError, reason
from model.images import metaimage, nifti, nrrd, stored
from model.images.dicom import Series, read_series
from model.images.grid import Grid, difference, to_canonical
from model.images.header import Header
from model.images.outline import outline
from model.images.series_files import SeriesFiles
from model.images.stored import Damage, Stored

# Whose header reader takes which suffix, in whatever letter case.
FORMATS = {
    **{".mha": metaimage.read_header, ".mhd": metaimage.read_header},
    **{".nii": nifti.read_header, ".nii.gz": nifti.read_header},
    **{".nrrd": nrrd.read_header},
}
IMAGE_SUFFIXES = tuple(FORMATS)
MAP_REMEDY = "give probabilities as whole numbers 0 to 255, or as fractions 0 to 1"
# Five times the largest head-and-neck CT known to us.
MAX_VOXELS = 2**30
# No scan is longer, nor has finer or coarser voxels: a spacing beyond is in metres, in micrometres or damaged.
LONGEST_MM, FINEST_MM, COARSEST_MM = 2200.0, 0.02, 25.0
# Cosines; beyond, voxels would lie elsewhere than any use of them takes them to lie.
RIGHT_ANGLES = 1e-3


def image_suffix(path: Path) -> str:
    """Such as ".nii.gz", in lower case; empty where a file is of another kind."""
    name = path.name.lower()
    return max((suffix for suffix in IMAGE_SUFFIXES if name.endswith(suffix)), key=len, default="")


def image_stem(path: Path) -> str:
    """A file's name without its image suffix; the whole name where it has none."""
    return path.name[: len(path.name) - len(image_suffix(path))]


@dataclass(frozen=True)
class Scan:
    """One CT: int16 HU (z, y, x) along the file's own axes.

    oddities: what is strange about it, in a few words each. series: where it is one in DICOM.
    """

    array: np.ndarray
    grid: Grid
    oddities: tuple[str, ...] = ()
    series: Series | None = None


# A CT: a file, a folder with one DICOM series, or the files of a series that was chosen.
Source = Path | SeriesFiles


def read_scan(path: Source) -> Scan:
    """A CT. Raises InputError for whatever is no whole 3D CT."""
    if isinstance(path, SeriesFiles) or path.is_dir():
        series = read_series(path, MAX_VOXELS)
        return Scan(series.array, _plausible(series.stack.grid, str(path)), series.oddities, series)
    header = open_header(path)
    grid = checked_grid(header, path)
    array, scale = _read_voxels(path, header)
    return Scan(_to_int16(array, path, scale), grid, header.oddities)


def read_grid(path: Path) -> Grid:
    """The grid of a CT, of which only headers are read. Raises InputError where they are no 3D CT's.

    In a DICOM folder slices may be missing or damaged, and other series beside: the grid is what is known of it.
    """
    if path.is_dir():
        return _plausible(outline(path, MAX_VOXELS), str(path))
    return checked_grid(open_header(path), path)


def read_labels(path: Path, grid: Grid, highest: int) -> np.ndarray:
    """A mask or label map on the grid of a CT, uint8 (z, y, x) in canonical orientation.

    Raises InputError as read_label_map does, and where the grid is another one.
    """
    labels, own_grid = read_label_map(path, highest)
    if differs := difference(own_grid, grid):
        raise InputError(path, f"{differs} as the non-contrast CT has", "bring it onto that grid")
    return to_canonical(labels, grid)


def read_label_map(path: Path, highest: int, channels: int = 0) -> tuple[np.ndarray, Grid]:
    """A mask or label map, uint8 (z, y, x), and its grid; with channels also so many masks of 0/1, uint8 (c, z, y, x).

    Raises InputError for unreadable and damaged files, fractions, and values that are none of 0, …, highest.
    """
    header = open_header(path)
    dimensions = len(header.size_xyz)
    if dimensions == 4 and channels:
        if header.size_xyz[3] != channels:
            raise InputError(path, f"{header.size_xyz[3]} channels", f"give {channels}: GTVp and GTVnd")
        highest = 1
    elif dimensions != 3:
        raise InputError(
            path, f"{dimensions} dimensions", "give masks with 3, or 4 with GTVp and GTVnd as channels"
        )
    grid = checked_grid(header, path, dimensions=dimensions, least_size=1)
    array, scale = _read_voxels(path, header)
    return _to_labels(_scaled(array, scale), path, highest), grid


def read_mask(path: Path) -> tuple[np.ndarray, Grid]:
    """A mask of one structure, bool (z, y, x), and its grid: inside is one value above 0, as 1 or 255.

    Raises InputError for unreadable and damaged files, and for values below 0 or several above it.
    """
    header = open_header(path)
    if (dimensions := len(header.size_xyz)) != 3:
        raise InputError(path, f"{dimensions} dimensions", "give masks of one structure with 3")
    grid = checked_grid(header, path, least_size=1)
    array = _scaled(*_read_voxels(path, header))
    low, high, mask = array.min(), array.max(), array > 0
    only_one = array.dtype.kind in "iu" and high <= 1
    if not low >= 0 or not (only_one or bool((array[mask] == high).all())):
        fact = f"values from {low} to {high}, but a mask is 0 and one value above it"
        raise InputError(path, fact, "write a file for each structure, or a label map under another name")
    return mask, grid


def read_map(path: Path) -> tuple[np.ndarray, Grid]:
    """A map of probability (z, y, x), and its grid. Raises InputError.

    It holds whole numbers up to 255, which is certain, and is uint8; or fractions up to 1, and is float32.
    """
    header = open_header(path)
    grid = checked_grid(header, path, least_size=1)
    array = _scaled(*_read_voxels(path, header))
    low, high, whole = array.min(), array.max(), array.dtype.kind in "iu"
    if not (low >= 0 and high <= (255 if whole else 1)):
        raise InputError(path, f"values from {low} to {high}", MAP_REMEDY)
    return array.astype(np.uint8 if whole else np.float32, copy=False), grid


def open_header(path: Path) -> Header:
    """What an image file says of itself. Raises InputError where it is missing, damaged or not understood wholly."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        fact = "no such file" if isinstance(error, FileNotFoundError) else f"cannot be read ({reason(error)})"
        raise InputError(path, fact, "put the image there") from None
    if not stat.S_ISREG(mode):
        raise InputError(path, "no file of an image", "put the image there")
    if not os.access(path, os.R_OK):
        raise InputError(path, "no permission to read it", "make it readable for this user")
    if not image_suffix(path):
        raise InputError(path, "not a format read here", f"convert it to one of {' '.join(IMAGE_SUFFIXES)}")
    try:
        header = FORMATS[image_suffix(path)](path)
        return replace(header, oddities=header.oddities + _behind(header))
    except (Damage, OSError, EOFError, zlib.error) as error:
        raise stored.refusal(path, error) from None


def _behind(header: Header) -> tuple[str, ...]:
    """What is odd where voxels that are not packed are followed by whole slices more; less is how some programs pad."""
    where = header.voxels
    plane = math.prod(header.size_xyz[:2]) * where.dtype.itemsize
    if where.packing != "raw" or plane <= 0:
        return ()
    slices = (where.path.stat().st_size - where.offset) // plane
    told = math.prod(header.size_xyz[2:])
    return (f"its file holds {slices} slices, its header tells of {told}",) if slices > told else ()


def checked_grid(header: Header, path: Path, *, dimensions: int = 3, least_size: int = 2) -> Grid:
    """The grid of an image if it is that of one volume; with a fourth dimension, of channels, that of the first three.

    Raises InputError where no scan has such a size or spacing, or where the axes are not at right angles.
    """
    size, described = header.size_xyz, " x ".join(str(n) for n in header.size_xyz)
    if len(size) != dimensions or min(size[:3]) < least_size or min(size) < 1:
        raise InputError(path, f"an image of {described} voxels", "give one 3D volume")
    if math.prod(size) > MAX_VOXELS:
        raise InputError(path, f"{described} voxels are more than any CT has", "crop or replace it")
    spacing, origin = _three(header.spacing_xyz), _three(header.origin_xyz)
    return _plausible(Grid((size[0], size[1], size[2]), spacing, origin, header.direction), path)


def _three(values: Sequence[float]) -> tuple[float, float, float]:
    x, y, z = values
    return (x, y, z)


def _plausible(grid: Grid, path: Path | str) -> Grid:
    """The grid itself. Raises InputError where no scan has one like it."""
    remedy = "correct the header"
    spacing = " x ".join(f"{s:g}" for s in grid.spacing_xyz)
    if not all(math.isfinite(s) and s > 0 for s in grid.spacing_xyz):
        raise InputError(path, f"voxel spacing is {spacing} mm", remedy)
    lengths = [n * s for n, s in zip(grid.size_xyz, grid.spacing_xyz, strict=True)]
    fine, coarse = min(grid.spacing_xyz), max(grid.spacing_xyz)
    if fine < FINEST_MM or coarse > COARSEST_MM or max(lengths) > LONGEST_MM:
        extent = " x ".join(f"{length:g}" for length in lengths)
        fact = f"voxel spacing is {spacing} mm, which makes the image {extent} mm large"
        raise InputError(path, fact, f"{remedy}, perhaps its unit")
    if not np.isfinite([*grid.origin_xyz, *grid.direction]).all():
        raise InputError(path, "its origin or direction is not finite", remedy)
    matrix = np.reshape(grid.direction, (3, 3))
    if np.abs(matrix.T @ matrix - np.eye(3)).max() > RIGHT_ANGLES:
        direction = tuple(round(cosine, 4) for cosine in grid.direction)
        fact = f"its axes are not at right angles: {direction}"
        raise InputError(path, fact, "resample it onto a straight grid")
    return grid


def _read_voxels(path: Path, header: Header) -> tuple[np.ndarray, Stored | None]:
    """The stored numbers (z, y, x), and how they become values; None where they are values already."""
    array = stored.read(path, header.voxels, math.prod(header.size_xyz)).reshape(header.size_xyz[::-1])
    return array, header.voxels if header.voxels.scaled else None


def _scaled(array: np.ndarray, scale: Stored | None) -> np.ndarray:
    """Values of stored numbers, as ITK has them: computed in float64, kept in float32 unless they were float64."""
    if scale is None:
        return array
    values = array.astype(np.float64) * scale.slope + scale.intercept
    return values if array.dtype.itemsize == 8 and array.dtype.kind == "f" else values.astype(np.float32)


def _to_int16(array: np.ndarray, path: Path, scale: Stored | None = None) -> np.ndarray:
    """HU as int16: floats rounded, all clipped to its range. Raises InputError for NaN and infinity."""
    if array.dtype == np.dtype("<i2") and scale is None:
        return array
    target = np.iinfo(np.int16)
    result = np.empty(array.shape, np.int16)
    for plane, out in zip(array, result, strict=True):
        values = _scaled(plane, scale)
        if values.dtype.kind == "f":
            if not np.isfinite(values).all():
                raise InputError(path, "voxels that are NaN or infinite", "replace them by HU")
            own, values = target, np.rint(values)
        else:
            own = np.iinfo(values.dtype)
        out[...] = values.clip(max(own.min, target.min), min(own.max, target.max))
    return result


def _to_labels(array: np.ndarray, path: Path, highest: int) -> np.ndarray:
    """Labels as uint8. Raises InputError unless all are whole numbers from 0 to the highest."""
    low, high = array.min(), array.max()
    whole = array.dtype.kind in "iu" or bool((array == np.floor(array)).all())
    if low >= 0 and high <= highest and whole:
        return array.astype(np.uint8)
    fact = "fractions" if low >= 0 and high <= highest else f"values from {low} to {high}"
    raise InputError(path, f"{fact}, but its labels are 0 to {highest}", "write whole labels")
