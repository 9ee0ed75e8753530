"""Reading images: every file is verified to its last byte before a voxel of it is used.

Arrays are (z, y, x), SimpleITK tuples (x, y, z).
"""

import math
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from model.errors import InputError, reason
from model.images.dicom import read_series
from model.images.grid import Grid, same_grid, to_canonical
from model.images.itk import execute, pixels
from model.images.stored import Damage, check

IMAGE_SUFFIXES = (".mha", ".mhd", ".nii", ".nii.gz", ".nrrd")
MAX_VOXELS = 2**30  # five times the largest head-and-neck CT known to us


@dataclass(frozen=True)
class Scan:
    """One file: int16 (z, y, x) along the file's own axes."""

    array: np.ndarray
    grid: Grid


def read_labels(path: Path, grid: Grid, highest: int) -> np.ndarray:
    """A mask or label map on that grid, uint8 (z, y, x) in canonical orientation.

    Raises InputError as for a CT, and where the grid is another one or a value is none of 0, …, highest.
    """
    scan = read_scan(path)
    if not same_grid(scan.grid, grid):
        raise InputError(path, "its grid is not that of the non-contrast CT", "bring it there")
    lowest, largest = int(scan.array.min()), int(scan.array.max())
    if lowest < 0 or largest > highest:
        raise InputError(path, f"values from {lowest} to {largest}", f"labels are 0 to {highest}")
    return to_canonical(scan.array, grid).astype(np.uint8)


def read_grid(path: Path) -> Grid:
    """The grid alone; of a file only the header is read. Raises InputError where it is no 3D CT's."""
    return _checked_grid(read_series(path) if path.is_dir() else _open(path), path)


def read_scan(path: Path) -> Scan:
    if path.is_dir():
        image = read_series(path)
    else:
        reader = _open(path)
        try:
            plain = check(path, math.prod(reader.GetSize()))
        except Damage as fault:
            raise InputError(path, str(fault), "replace the file") from None
        if plain is not None:
            return Scan(plain.reshape(reader.GetSize()[::-1]), _checked_grid(reader, path))
        image = execute(reader, path)
    return Scan(_to_int16(pixels(image), path), _checked_grid(image, path))


def _open(path: Path) -> sitk.ImageFileReader:
    """A reader that has read the header of one scalar 3D image."""
    if not path.is_file():
        raise InputError(path, "no such file", "put the CT there")
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
    _checked_grid(reader, path)
    return reader


def _checked_grid(image: sitk.Image | sitk.ImageFileReader, path: Path) -> Grid:
    """The grid of an image, or of a reader that knows the header, if it is that of a scalar 3D volume."""
    size = image.GetSize()
    described = " x ".join(str(n) for n in size)
    if image.GetDimension() != 3 or min(size) < 2:
        raise InputError(path, f"an image of {described} voxels", "give one 3D CT")
    if isinstance(image, sitk.ImageFileReader):
        components = image.GetNumberOfComponents()
    else:
        components = image.GetNumberOfComponentsPerPixel()
    if components != 1:
        raise InputError(path, "several numbers per voxel", "give a CT, one number per voxel")
    if math.prod(size) > MAX_VOXELS:
        raise InputError(path, f"{described} voxels are more than any CT has", "crop or replace it")
    if not all(math.isfinite(s) and s > 0 for s in image.GetSpacing()):
        raise InputError(path, f"voxel spacing is {image.GetSpacing()}", "correct the header")
    volume = np.linalg.det(np.reshape(image.GetDirection(), (3, 3)))
    if not abs(volume) > 1e-6:  # nor NaN
        raise InputError(path, f"the axes' direction is {image.GetDirection()}", "correct the header")
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
            raise InputError(path, "voxels that are NaN or infinite", "replace them by HU")
        values = np.rint(plane) if floating else plane
        out[...] = values.clip(max(own.min, target.min), min(own.max, target.max))
    return result
