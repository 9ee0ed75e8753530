"""Voxel grids: where a file's voxels lie in the patient, and the way to canonical orientation and back.

Only this module knows orientation. Arrays are (z, y, x), SimpleITK tuples (x, y, z). A file's axes may run any way;
in canonical orientation z grows to the head, y to the back, x to the patient's left (ITK's LPS, nearest axes).
"""

import itertools
import math
from dataclasses import dataclass

import numpy as np

# mm for spacing and origin, no unit for direction.
GRID_TOLERANCE = 1e-3
# NIfTI has origins in float32: tens of metres off they are rounded to more than that.
FLOAT32 = float(np.finfo(np.float32).eps)


@dataclass(frozen=True)
class Grid:
    """A file's voxel grid in SimpleITK's convention: mm, LPS, direction as 9 values row by row."""

    size_xyz: tuple[int, int, int]
    spacing_xyz: tuple[float, float, float]
    origin_xyz: tuple[float, float, float]
    direction: tuple[float, ...]

    @property
    def spacing_zyx(self) -> tuple[float, float, float]:
        """In mm, in the order of an array along the file's own axes."""
        x, y, z = self.spacing_xyz
        return (z, y, x)

    @property
    def canonical_spacing_zyx(self) -> tuple[float, float, float]:
        """In mm, in the order of an array in canonical orientation."""
        axes, _ = orientation(self)
        z, y, x = (self.spacing_xyz[axis] for axis in reversed(axes))
        return (z, y, x)


def orientation(grid: Grid) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """For each patient axis (left, back, head): the file's nearest axis (0 x, 1 y, 2 z) and its sense, ±1."""
    cosines = np.reshape(grid.direction, (3, 3))  # row: patient axis, column: the file's axis
    orders = itertools.permutations(range(3))
    axes = max(orders, key=lambda order: sum(abs(cosines[p, a]) for p, a in enumerate(order)))
    return axes, tuple(1 if cosines[p, a] >= 0 else -1 for p, a in enumerate(axes))


def to_canonical(array: np.ndarray, grid: Grid) -> np.ndarray:
    """The file's axes → canonical (z, y, x), a view."""
    axes, signs = orientation(grid)
    ordered = array.transpose([2 - axis for axis in reversed(axes)])
    return ordered[tuple(slice(None, None, sign) for sign in reversed(signs))]


def to_input_grid(labels: np.ndarray, grid: Grid) -> np.ndarray:
    """Canonical (z, y, x) → the file's own axis order and sense, a view: the inverse of to_canonical."""
    axes, signs = orientation(grid)
    flipped = labels[tuple(slice(None, None, sign) for sign in reversed(signs))]
    return flipped.transpose([2 - axes.index(axis) for axis in (2, 1, 0)])


def canonical_place(grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Of an array in canonical orientation: where its first voxel's centre lies (x, y, z), and its steps (3, 3).

    Steps: a row for each axis of the array (z, y, x), each (x, y, z). All in mm, LPS.
    """
    place = np.array(grid.origin_xyz, float)
    steps = np.reshape(grid.direction, (3, 3)) * grid.spacing_xyz
    rows = []
    for axis, sign in zip(*orientation(grid), strict=True):
        rows.append(sign * steps[:, axis])
        place += steps[:, axis] * (grid.size_xyz[axis] - 1 if sign < 0 else 0)
    return place, np.array(rows[::-1])


def position_mm(grid: Grid, at_zyx: tuple[int, int, int]) -> tuple[float, float, float]:
    """Where a voxel, counted in canonical orientation, lies in the patient: (x, y, z) in mm, LPS."""
    place, steps = canonical_place(grid)
    x, y, z = map(float, place + np.array(at_zyx) @ steps)
    return (x, y, z)


def empty_labels(grid: Grid) -> np.ndarray:
    """Background everywhere, uint8 (z, y, x) in canonical orientation."""
    axes, _ = orientation(grid)
    return np.zeros([grid.size_xyz[axis] for axis in reversed(axes)], np.uint8)


def volume_cm3(labels: np.ndarray, label: int, grid: Grid) -> float:
    """Volume of a label in cm³."""
    return int(np.count_nonzero(labels == label)) * math.prod(grid.spacing_xyz) / 1000


def same_grid(a: Grid, b: Grid) -> bool:
    """Equal size; spacing, origin and direction within GRID_TOLERANCE."""
    return not difference(a, b)


def difference(grid: Grid, expected: Grid) -> str:
    """The first that differs beyond GRID_TOLERANCE, such as "spacing (1, 1, 3) mm, not (1, 1, 2.5) mm"; else empty."""
    for field, unit in (
        ("size_xyz", "voxels"),
        ("spacing_xyz", "mm"),
        ("origin_xyz", "mm"),
        ("direction", "cosines"),
    ):
        own, other = getattr(grid, field), getattr(expected, field)
        if not np.allclose(own, other, rtol=FLOAT32, atol=GRID_TOLERANCE):
            shown, shown_other = (tuple(round(value, 4) for value in values) for values in (own, other))
            return f"{field.removesuffix('_xyz')} {shown} {unit}, not {shown_other}"
    return ""


def overlap(a: Grid, b: Grid) -> bool:
    """Whether the boxes (patient axes) around the two grids share anything."""
    (low_a, high_a), (low_b, high_b) = _bounds(a), _bounds(b)
    return bool(np.all(low_a < high_b) and np.all(low_b < high_a))


def _bounds(grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest corner (x, y, z) in mm of the box around all voxels, their extents included."""
    indices = np.array(list(itertools.product(*((-0.5, n - 0.5) for n in grid.size_xyz))))
    steps = np.reshape(grid.direction, (3, 3)) * grid.spacing_xyz
    corners = indices @ steps.T + grid.origin_xyz
    return corners.min(0), corners.max(0)


def size_in_words(grid: Grid) -> str:
    """Such as "1024 x 1024 x 127" (x, y, z)."""
    return " x ".join(str(n) for n in grid.size_xyz)
