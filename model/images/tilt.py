"""Gantry tilt: slices that are parallel, but not stacked along their normal, on a straight grid and back.

A tilted gantry's slices lean while the couch moves level: each lies shifted in its own plane against the one before.
Such a sheared grid cannot be said in the headers of image files. On the straight grid the slices keep their planes and
are moved within them, so that nothing is interpolated from slice to slice.
"""

import math
from dataclasses import dataclass

import numpy as np

from model.images.grid import Grid

AIR_HU = -1024
# Below this the slices are taken to lie exactly one above the other: rounded positions.
STRAIGHT_MM = 0.1
# In pixels; a shift that is so near to whole pixels is one.
WHOLE = 1e-3


@dataclass(frozen=True)
class Stack:
    """Parallel slices at equal distances, and the straight grid that holds them all.

    grid: its plane k is the plane of slice k. shape: rows, columns of each slice. shifts_yx: where each slice's first
    voxel lies on the grid, in voxels (slices, 2), 0 or more. angle: by how many degrees the stack leans off the normal.
    """

    grid: Grid
    shape: tuple[int, int]
    shifts_yx: np.ndarray
    angle: float

    @property
    def tilted(self) -> bool:
        return bool(self.shifts_yx.any())


def stack_of(
    positions: np.ndarray, axes: np.ndarray, spacing_yx: tuple[float, float], shape: tuple[int, int]
) -> Stack:
    """From the positions (n, 3) of the slices' first voxels in mm, sorted along the normal, and their axes (2, 3).

    axes: unit vectors along a row and along a column. The first slice and the last define the distance.
    """
    normal = np.cross(*axes)
    relative = positions - positions[0]
    heights = relative @ normal
    drift_yx = relative @ axes[::-1].T
    step = heights[-1] / (len(positions) - 1)
    angle = math.degrees(math.atan2(np.linalg.norm(drift_yx[-1]), heights[-1]))
    if abs(drift_yx).max() <= STRAIGHT_MM:
        drift_yx = np.zeros_like(drift_yx)
    first_yx = drift_yx.min(0)
    shifts_yx = (drift_yx - first_yx) / spacing_yx
    near = abs(shifts_yx - np.rint(shifts_yx)) < WHOLE
    shifts_yx[near] = np.rint(shifts_yx[near])
    rows, columns = np.add(shape, np.ceil(shifts_yx.max(0)).astype(int))
    x, y, z = (float(value) for value in positions[0] + first_yx @ axes[::-1])
    grid = Grid(
        (int(columns), int(rows), len(positions)),
        (spacing_yx[1], spacing_yx[0], float(step)),
        (x, y, z),
        tuple(float(value) for value in np.array([*axes, normal]).T.ravel()),
    )
    return Stack(grid, shape, shifts_yx, angle)


def straightened(plane: np.ndarray, stack: Stack, k: int) -> np.ndarray:
    """Slice k, HU (rows, columns) → its plane of the straight grid: linear in between, air outside; its own dtype."""
    columns, rows, _ = stack.grid.size_xyz
    values, inside = plane.astype(np.float32), np.ones((rows, columns), bool)
    for axis, size in enumerate((rows, columns)):
        at = np.arange(size) - stack.shifts_yx[k, axis]
        last = plane.shape[axis] - 1
        # A voxel reaches half its width beyond its centre.
        covered = (at >= -0.5) & (at <= last + 0.5)
        inside &= covered[:, None] if axis == 0 else covered
        at = at.clip(0, last)
        low = np.floor(at).astype(int)
        weight = (at - low).astype(np.float32)
        weight = weight[:, None] if axis == 0 else weight
        lower, upper = values.take(low, axis), values.take(np.minimum(low + 1, last), axis)
        values = lower + weight * (upper - lower)
    return np.where(inside, np.rint(values), AIR_HU).astype(plane.dtype)


def on_slices(labels: np.ndarray, stack: Stack) -> np.ndarray:
    """Labels on the straight grid (z, y, x) → on the original slices (slices, rows, columns), to the nearest voxel."""
    rows, columns = stack.shape
    corners = np.rint(stack.shifts_yx).astype(int)
    planes = zip(labels, corners, strict=True)
    return np.stack([plane[y : y + rows, x : x + columns] for plane, (y, x) in planes])
