"""Images written whole or not at all."""

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from model.errors import InputError, reason
from model.images.grid import Grid, to_input_grid
from model.images.itk import to_image
from model.writing import whole_file

_FASTEST = 1


def write_label_map(path: Path, labels_zyx: np.ndarray, grid: Grid) -> None:
    """Canonical labels uint8 0/1/2 → one 3D file on the grid, compressed. Raises InputError on failure."""
    _write(path, to_image(to_input_grid(labels_zyx, grid), grid))


def write_channels(path: Path, labels_zyx: np.ndarray, grid: Grid) -> None:
    """Canonical labels uint8 0/1/2 → one 4D file [2, z, y, x] of 0/1: GTVp, GTVnd. Raises InputError too."""
    labels = to_input_grid(labels_zyx, grid)
    channels = [to_image((labels == label).view(np.uint8), grid) for label in (1, 2)]
    _write(path, sitk.JoinSeries(channels, 0.0, 1.0))


def _write(path: Path, image: sitk.Image) -> None:
    """Under a temporary name first, so that no half-written file ever has the real one."""
    try:
        with whole_file(path) as temporary:
            sitk.WriteImage(image, str(temporary), useCompression=True, compressionLevel=_FASTEST)
    except (RuntimeError, OSError) as error:
        fact = f"cannot be written ({reason(error)})"
        raise InputError(path, fact, "free space or choose another --output") from None
