"""Images written whole or not at all: beside their name, read back, then renamed."""

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from model.errors import InputError, reason
from model.images.grid import Grid, to_input_grid
from model.images.itk import to_image
from model.images.read import open_header
from model.images.stored import holds, locate
from model.writing import whole_file

FASTEST = 1


def write_label_map(path: Path, labels_zyx: np.ndarray, grid: Grid) -> None:
    """Canonical labels uint8 0/1/2 → one 3D file on the grid, compressed. Raises InputError on failure."""
    write_image(path, to_input_grid(labels_zyx, grid), grid)


def write_channels(path: Path, labels_zyx: np.ndarray, grid: Grid) -> None:
    """Canonical labels uint8 0/1/2 → one 4D file [2, z, y, x] of 0/1: GTVp, GTVnd. Raises InputError on failure."""
    labels = to_input_grid(labels_zyx, grid)
    write_image(path, np.stack([(labels == label).view(np.uint8) for label in (1, 2)]), grid)


def write_image(path: Path, array: np.ndarray, grid: Grid, *, compress: bool = True) -> None:
    """An array (z, y, x), or (channels, z, y, x), along the grid's own axes → one file. Makes its folder.

    What was written is read back: ITK says nothing where a disk is full. Raises InputError on failure, and leaves then
    what had the name before.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as temporary:
            sitk.WriteImage(
                _image(array, grid), str(temporary), useCompression=compress, compressionLevel=FASTEST
            )
            _verify(temporary, array)
    except (RuntimeError, OSError) as error:
        fact = f"cannot be written ({reason(error)})"
        raise InputError(path, fact, "free space or choose another folder") from None


def _image(array: np.ndarray, grid: Grid) -> sitk.Image:
    if array.ndim == 3:
        return to_image(array, grid)
    # The fourth dimension has spacing 1 and origin 0; as the challenge wants it, it is not a vector image.
    return sitk.JoinSeries([to_image(channel, grid) for channel in array], 0.0, 1.0)


def _verify(path: Path, array: np.ndarray) -> None:
    """Raises OSError where a file does not hold the array."""
    try:
        stored = locate(path, open_header(path))
    except InputError:
        stored = None
    if stored is None or not holds(stored, array):
        raise OSError("the file does not hold what was written, as on a full disk")
