"""Images written whole or not at all: beside their name, read back, then renamed."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from model.errors import InputError, reason
from model.images.grid import Grid, difference, to_input_grid
from model.images.read import IMAGE_SUFFIXES, checked_grid, image_suffix, open_header
from model.images.stored import holds
from model.structures import LABELS
from model.writing import whole_file

if TYPE_CHECKING:  # nothing is written before all is computed: see itk.py
    import SimpleITK as sitk

FASTEST = 1


def write_label_map(path: Path, labels_zyx: np.ndarray, grid: Grid) -> None:
    """Canonical labels uint8 0/1/2 → one 3D file on the grid, compressed. Raises InputError on failure."""
    write_image(path, to_input_grid(labels_zyx, grid), grid)


def write_channels(path: Path, labels_zyx: np.ndarray, grid: Grid) -> None:
    """Canonical labels uint8 0/1/2 → one 4D file [2, z, y, x] of 0/1: GTVp, GTVnd. Raises InputError on failure.

    As the challenge wants it, this is a scalar image with four dimensions, not one of vectors.
    """
    import SimpleITK as sitk

    from model.images.itk import on_grid, pixels

    labels = to_input_grid(labels_zyx, grid)
    image = sitk.Image((*grid.size_xyz, len(LABELS)), sitk.sitkUInt8)
    for channel, label in zip(pixels(image), LABELS.values(), strict=True):
        np.equal(labels, label, out=channel.view(bool))
    _write(path, on_grid(image, grid), grid, compress=True)


def write_image(path: Path, array: np.ndarray, grid: Grid, *, compress: bool = True) -> None:
    """An array (z, y, x), or (channels, z, y, x), along the grid's own axes → one file. Makes its folder.

    Raises InputError on failure, and leaves then what had the name before.
    """
    from model.images.itk import to_image

    _write(path, to_image(array, grid), grid, compress=compress)


def check_one_file(path: Path) -> None:
    """Raises InputError for a name of no image, and of one in two files: the one of voxels could not be renamed."""
    if not image_suffix(path):
        suffixes = " ".join(suffix for suffix in IMAGE_SUFFIXES if suffix != ".mhd")
        raise InputError(path, "no name of an image", f"end it with one of {suffixes}")
    if image_suffix(path) == ".mhd":
        raise InputError(path, "would be two files", "give one such as mask.mha or mask.nii.gz")


def _write(path: Path, image: "sitk.Image", grid: Grid, *, compress: bool) -> None:
    """What was written is read back before it takes its name: ITK says nothing where a disk is full."""
    import SimpleITK as sitk

    from model.images.itk import pixels

    check_one_file(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as temporary:
            sitk.WriteImage(image, str(temporary), useCompression=compress, compressionLevel=FASTEST)
            _verify(temporary, pixels(image), grid)
    except (RuntimeError, OSError) as error:
        fact = f"cannot be written ({reason(error)})"
        raise InputError(path, fact, "free space or choose another folder") from None


def _verify(path: Path, array: np.ndarray, grid: Grid) -> None:
    """Raises OSError where a file does not hold the array, or not on the grid."""
    try:
        header = open_header(path)
        right = header.size_xyz == array.shape[::-1] and holds(header.voxels, array)
        right = right and not difference(
            checked_grid(header, path, dimensions=array.ndim, least_size=1), grid
        )
    except InputError:
        right = False
    if not right:
        raise OSError("the file does not hold what was written, as on a full disk")
