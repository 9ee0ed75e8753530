"""Files of a patient as OpenKBP publishes them: lists of voxels in CSV.

A volume has 128³ voxels in C order; axis 0 runs from front to back, 1 from the patient's right to left, 2 from head to
foot. `ct.csv` has an index and a value per line, a mask an index and nothing; voxels that are not listed are 0. Arrays
here are (z, y, x) in canonical orientation: z to the head, y to the back, x to the patient's left.
"""

import io
from pathlib import Path

import numpy as np

from model.errors import InputError, reason
from model.options import SPACING_MM

SIDE = 128
HEADER = ",data"
# Every voxel listed, at 40 characters a line.
LARGEST_BYTES = 40 * SIDE**3
AGAIN = "download it again"


def read_values(path: Path) -> np.ndarray:
    """Values of a CSV with an index and a value per line, float (z, y, x), else 0. Raises InputError."""
    table = _table(path, (0, 1))
    if not np.isfinite(table[:, 1]).all():
        raise InputError(path, "a value is no finite number", AGAIN)
    return _volume(_indices(path, table[:, 0]), table[:, 1])


def read_mask(path: Path) -> np.ndarray:
    """Voxels that a CSV lists, bool (z, y, x). Raises InputError."""
    return _volume(_indices(path, _table(path, (0,))[:, 0]), True)


def read_spacing(path: Path) -> tuple[float, float, float]:
    """The three lines of voxel_dimensions.csv, in mm, as (z, y, x). Raises InputError."""
    try:
        front_to_back, right_to_left, head_to_foot = (float(text) for text in _text(path).split())
    except ValueError:
        raise InputError(path, "no three numbers", AGAIN) from None
    spacing_zyx = (head_to_foot, front_to_back, right_to_left)
    least, most = SPACING_MM
    if not all(least <= mm <= most for mm in spacing_zyx):
        raise InputError(path, f"voxels not from {least:g} to {most:g} mm", AGAIN)
    return spacing_zyx


def _text(path: Path) -> str:
    try:
        if not path.is_file():
            raise InputError(path, "no such file", "download the patient wholly")
        if path.stat().st_size > LARGEST_BYTES:
            raise InputError(path, f"larger than a list of {SIDE}³ voxels", AGAIN)
        return path.read_bytes().decode("ascii")
    except OSError as error:
        raise InputError(path, f"cannot be read ({reason(error)})", AGAIN) from None
    except UnicodeDecodeError:
        raise InputError(path, "no table in plain text", AGAIN) from None


def _table(path: Path, columns: tuple[int, ...]) -> np.ndarray:
    """Columns of the lines below the header, float (lines, columns)."""
    head, _, lines = _text(path).partition("\n")
    if head.strip() != HEADER:
        raise InputError(path, f"its first line is not {HEADER!r}", AGAIN)
    if not lines.strip():
        return np.empty((0, len(columns)))
    try:
        return np.loadtxt(io.StringIO(lines), delimiter=",", usecols=columns, ndmin=2, comments=None)
    except ValueError as error:
        raise InputError(path, f"not understood ({reason(error)})", AGAIN) from None


def _indices(path: Path, column: np.ndarray) -> np.ndarray:
    """Flat indices, int64, each once."""
    inside = (column >= 0) & (column < SIDE**3) & (column == np.floor(column))  # false for nan
    if not inside.all():
        fact = f"voxel {column[~inside][0]:.10g} is none of 0 to {SIDE**3 - 1}"
        raise InputError(path, fact, AGAIN)
    indices = column.astype(np.int64)
    if len(np.unique(indices)) < len(indices):
        raise InputError(path, "a voxel is listed twice", AGAIN)
    return indices


def _volume(indices: np.ndarray, values: np.ndarray | bool) -> np.ndarray:
    flat = np.zeros(SIDE**3, np.asarray(values).dtype)
    flat[indices] = values
    return flat.reshape(SIDE, SIDE, SIDE).transpose(2, 0, 1)[::-1]


def centred_origin_xyz(
    spacing_zyx: tuple[float, float, float], first_slice: int
) -> tuple[float, float, float]:
    """The lowest voxel's centre in mm where the centre of all 128³ voxels is 0 and slices begin with this one."""
    z, y, x = (-(SIDE - 1) / 2 * mm for mm in spacing_zyx)
    return (x, y, z + first_slice * spacing_zyx[0])
