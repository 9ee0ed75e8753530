"""Small masks on disk, in any of the layouts."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from model.images.grid import Grid
from model.images.write import write_image

IDENTITY = (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0)


@pytest.fixture
def save() -> Callable[..., Path]:
    """Write an array (z, y, x), or (channels, z, y, x), of 1 x 1.5 x 3 mm voxels and return the path."""

    def write(array: np.ndarray, path: Path, origin=(0.0, 0.0, 0.0), direction=IDENTITY) -> Path:
        z, y, x = array.shape[-3:]
        write_image(path, array, Grid((x, y, z), (1.0, 1.5, 3.0), origin, direction))
        return path

    return write


@pytest.fixture
def label_map() -> np.ndarray:
    """Two boxes: GTVp and GTVnd (z, y, x)."""
    array = np.zeros((6, 14, 16), np.uint8)
    array[1:4, 2:8, 3:9] = 1
    array[2:5, 9:12, 10:14] = 2
    return array


@pytest.fixture
def save_head() -> Callable[..., Path]:
    """Write the head of a DICOM file of a class below "1.2.840.10008.5.1.4.1.1." and return the path."""

    def write(path: Path, kind: str) -> Path:
        uid = f"1.2.840.10008.5.1.4.1.1.{kind}".encode()
        uid += b"\0" * (len(uid) % 2)  # to an even length
        path.parent.mkdir(parents=True, exist_ok=True)
        head = b"DICM" + b"\x02\x00\x02\x00UI" + len(uid).to_bytes(2, "little") + uid
        path.write_bytes(bytes(128) + head + bytes(500))
        return path

    return write
