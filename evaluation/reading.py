"""Reading masks in any of the layouts and checking that two of them lie on the same grid."""

import gzip
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from evaluation.cases import STRUCTURES, CaseFiles
from model.errors import InputError

GEOMETRY_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Grid:
    """Size, spacing and origin in (x, y, z) order, mm; direction as nine cosines, row by row."""

    size_xyz: tuple[int, ...]
    spacing_xyz: tuple[float, ...]
    origin_xyz: tuple[float, ...]
    direction: tuple[float, ...]

    @property
    def spacing_zyx(self) -> tuple[float, float, float]:
        """Spacing in the order of the arrays."""
        x, y, z = self.spacing_xyz
        return z, y, x


@dataclass(frozen=True)
class Masks:
    """Boolean arrays (z, y, x) by structure, on one grid, and the file that stands for them in messages."""

    path: Path
    grid: Grid
    arrays: dict[str, np.ndarray]


def grid_of(image: sitk.Image) -> Grid:
    """Grid of a three-dimensional image, or of the channels of a four-dimensional one."""
    dimension = image.GetDimension()
    cosines = np.array(image.GetDirection()).reshape(dimension, dimension)[:3, :3]
    return Grid(
        image.GetSize()[:3],
        image.GetSpacing()[:3],
        image.GetOrigin()[:3],
        tuple(float(c) for c in cosines.ravel()),
    )


def _load(path: Path) -> tuple[np.ndarray, Grid]:
    """Array (z, y, x) or (channel, z, y, x) and grid of an image file."""
    try:
        image = sitk.ReadImage(str(path))
    except RuntimeError as error:
        raise InputError(path, "not a readable image", "write it again") from error
    if image.GetNumberOfComponentsPerPixel() > 1:
        raise InputError(path, "a vector image", "write its channels as a fourth dimension of a scalar image")
    dimension = image.GetDimension()
    if dimension not in (3, 4):
        raise InputError(path, f"{dimension} dimensions", "write masks with 3, or 4 with channels")
    array = sitk.GetArrayFromImage(image)
    if path.name.endswith((".nii", ".nii.gz")) and _nifti_bytes(path) < array.nbytes:
        raise InputError(path, "truncated", "write it again")
    return array, grid_of(image)


def _nifti_bytes(path: Path) -> int:
    """Length of a NIfTI file, uncompressed; 0 where it is damaged. ITK reads a short one as if it ended in zeros."""
    if path.suffix != ".gz":
        return path.stat().st_size
    length = 0
    try:
        with gzip.open(path) as file:
            while chunk := file.read(1 << 20):
                length += len(chunk)
    except (EOFError, gzip.BadGzipFile, zlib.error):
        return 0
    return length


def _check_values(array: np.ndarray, path: Path, highest: int) -> None:
    """Raises InputError unless an array holds whole numbers from 0 to the highest label."""
    low, high = array.min(), array.max()
    whole = array.dtype.kind in "iu" or bool((array == np.floor(array)).all())
    if not (low >= 0 and high <= highest and whole):
        found = "fractions" if low >= 0 and high <= highest else f"values from {low} to {high}"
        raise InputError(path, f"{found}, but its labels are 0 to {highest}", "write whole labels")


def _read_whole(path: Path, structures: tuple[str, ...]) -> Masks:
    """One file: channels 0 GTVp, 1 GTVnd of a 4D image, or a label map 1 GTVp, 2 GTVnd."""
    array, grid = _load(path)
    if array.ndim == 4:
        if len(array) != len(STRUCTURES):
            raise InputError(path, f"{len(array)} channels", "write two, GTVp and GTVnd")
        _check_values(array, path, 1)
        return Masks(path, grid, {s: array[STRUCTURES.index(s)] > 0 for s in structures})
    _check_values(array, path, len(STRUCTURES))
    return Masks(path, grid, {s: array == STRUCTURES.index(s) + 1 for s in structures})


def read_masks(case: CaseFiles, structures: tuple[str, ...]) -> Masks:
    """Masks of a case for the structures asked for; one file per structure may lack some of them.

    Raises InputError for unreadable files, other values than the labels, and files of a case on several grids.
    """
    if case.whole:
        return _read_whole(case.whole, structures)
    arrays, first = {}, None
    for structure in structures:
        if structure not in case.by_structure:
            continue
        path = case.by_structure[structure]
        array, grid = _load(path)
        if array.ndim != 3:
            raise InputError(path, "channels in the file of one structure", "write three dimensions")
        _check_values(array, path, 1)
        arrays[structure] = array > 0
        first = first or (path, grid)
        check_same_grid(grid, first[1], path, first[0])
    if first is None:
        raise InputError(case.name, f"no file for {' or '.join(structures)}", "add it or choose --structures")
    return Masks(*first, arrays)


def check_same_grid(grid: Grid, expected: Grid, path: Path, expected_path: Path) -> None:
    """Raises InputError that names both files and what differs, beyond 1e-3 (mm; cosines)."""
    for field, unit in (
        ("size_xyz", "voxels"),
        ("spacing_xyz", "mm"),
        ("origin_xyz", "mm"),
        ("direction", "cosines"),
    ):
        values, wanted = getattr(grid, field), getattr(expected, field)
        if not np.allclose(values, wanted, rtol=0, atol=GEOMETRY_TOLERANCE):
            shown, shown_wanted = (tuple(round(v, 4) for v in group) for group in (values, wanted))
            name = field.removesuffix("_xyz")
            raise InputError(
                path,
                f"{name} {shown} {unit}, but {expected_path} has {shown_wanted}",
                "bring the prediction onto the reference's grid",
            )
