"""Reading images: CTs as HU, masks as labels. A file is verified to its last byte before a voxel of it is used.

Arrays are (z, y, x) along the file's own axes; SimpleITK tuples are (x, y, z).
"""

import math
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from model.errors import InputError, reason
from model.images import stored
from model.images.dicom import read_series
from model.images.grid import Grid, difference, to_canonical
from model.images.itk import execute, pixels
from model.images.stored import Stored

IMAGE_SUFFIXES = (".mha", ".mhd", ".nii", ".nii.gz", ".nrrd")
# Five times the largest head-and-neck CT known to us.
MAX_VOXELS = 2**30


def image_suffix(path: Path) -> str:
    """Such as ".nii.gz"; empty where a file is of another kind."""
    return max((suffix for suffix in IMAGE_SUFFIXES if path.name.endswith(suffix)), key=len, default="")


@dataclass(frozen=True)
class Scan:
    """One CT: int16 HU (z, y, x) along the file's own axes."""

    array: np.ndarray
    grid: Grid


def read_scan(path: Path) -> Scan:
    """A CT file or a folder with one DICOM series. Raises InputError for whatever is no whole 3D CT."""
    if path.is_dir():
        image = read_series(path)
        return Scan(_to_int16(pixels(image), path), checked_grid(image, path))
    header = open_header(path)
    grid = checked_grid(header, path)
    array, scale = _read_voxels(path, header)
    return Scan(_to_int16(array, path, scale), grid)


def read_grid(path: Path) -> Grid:
    """The grid of a CT; of a file only the header is read. Raises InputError where it is no 3D CT's."""
    return checked_grid(read_series(path) if path.is_dir() else open_header(path), path)


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
    dimensions = header.GetDimension()
    if dimensions == 4 and channels:
        if header.GetSize()[3] != channels:
            raise InputError(path, f"{header.GetSize()[3]} channels", f"give {channels}: GTVp and GTVnd")
        highest = 1
    elif dimensions != 3:
        raise InputError(
            path, f"{dimensions} dimensions", "give masks with 3, or 4 with GTVp and GTVnd as channels"
        )
    grid = checked_grid(header, path, dimensions=dimensions, least_size=1)
    array, scale = _read_voxels(path, header)
    return _to_labels(_scaled(array, scale), path, highest), grid


def open_header(path: Path) -> sitk.ImageFileReader:
    """A reader that has read the header of an image file."""
    if not path.is_file():
        raise InputError(path, "no such file", "put the image there")
    if not os.access(path, os.R_OK):
        raise InputError(path, "no permission to read it", "make it readable for this user")
    if not path.name.endswith(IMAGE_SUFFIXES):
        raise InputError(path, "not a format read here", f"convert it to one of {' '.join(IMAGE_SUFFIXES)}")
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise InputError(path, f"not a readable image ({reason(error)})", "replace the file") from None
    return reader


def checked_grid(
    image: sitk.Image | sitk.ImageFileReader, path: Path, *, dimensions: int = 3, least_size: int = 2
) -> Grid:
    """The grid of an image, or of a reader that knows the header, if it is that of one scalar volume.

    Of four dimensions, the last being channels, it is that of the first three.
    """
    size = image.GetSize()
    described = " x ".join(str(n) for n in size)
    if image.GetDimension() != dimensions or min(size[:3]) < least_size:
        raise InputError(path, f"an image of {described} voxels", "give one 3D volume")
    if isinstance(image, sitk.ImageFileReader):
        components = image.GetNumberOfComponents()
    else:
        components = image.GetNumberOfComponentsPerPixel()
    if components != 1:
        raise InputError(path, "several numbers per voxel", "give one number per voxel")
    if math.prod(size) > MAX_VOXELS:
        raise InputError(path, f"{described} voxels are more than any CT has", "crop or replace it")
    spacing, origin = image.GetSpacing()[:3], image.GetOrigin()[:3]
    if not all(math.isfinite(s) and s > 0 for s in spacing):
        raise InputError(path, f"voxel spacing is {spacing}", "correct the header")
    matrix = np.reshape(image.GetDirection(), (dimensions, dimensions))[:3, :3]
    direction = tuple(float(cosine) for cosine in matrix.ravel())
    if not abs(np.linalg.det(matrix)) > 1e-6:  # nor NaN
        raise InputError(path, f"the axes' direction is {direction}", "correct the header")
    return Grid(size[:3], spacing, origin, direction)


def _read_voxels(path: Path, header: sitk.ImageFileReader) -> tuple[np.ndarray, Stored | None]:
    """The stored numbers (z, y, x), and how they become values; None where they are values already."""
    shape = header.GetSize()[::-1]
    where = stored.locate(path, header)
    if where is None:
        return pixels(execute(header, path)), None
    return stored.read(path, where, math.prod(shape)).reshape(shape), where if where.scaled else None


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
