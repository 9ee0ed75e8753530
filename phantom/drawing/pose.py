"""How a patient lies and differs in shape from the template: a smooth map from scan to template points."""

import numpy as np

from phantom.drawing.canvas import Grid
from phantom.drawing.shapes import Array

_LATTICE_MM = 10.0


def template_points(grid: Grid, rng: np.random.Generator) -> list[Array]:
    """Template coordinates x, y, z (mm; (z, y, x) arrays) of every voxel of the grid.

    Head tilt and turn, neck flexion and sideways bend, overall size, and a smooth random deformation. The map
    is computed on a coarse lattice and interpolated linearly, which its smoothness allows.
    """
    spans = [grid.axis(dimension) for dimension in (2, 1, 0)]
    knots = [np.arange(axis[0] - _LATTICE_MM, axis[-1] + 2 * _LATTICE_MM, _LATTICE_MM) for axis in spans]
    z, y, x = np.meshgrid(*knots, indexing="ij")
    moved = _posed(np.stack([x, y, z]), rng)
    weights = [_linear_weights(axis, knot) for axis, knot in zip(spans, knots, strict=True)]
    points = []
    for field in moved:
        field = _deformed(field.astype(np.float32), rng)
        field = np.matmul(np.matmul(weights[1], field), weights[2].T)
        flat = np.matmul(weights[0], field.reshape(field.shape[0], -1))
        points.append(flat.reshape(grid.shape_zyx))
    return points


def _posed(points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    size = np.exp(rng.normal(0, 0.035)) * np.exp(rng.normal(0, 0.02, 3))
    tilt, roll, yaw = np.deg2rad(rng.normal(0, (3.0, 1.5, 2.0)))
    x, y, z = points / size[:, None, None, None]
    y, z = y * np.cos(tilt) - z * np.sin(tilt), y * np.sin(tilt) + z * np.cos(tilt)
    x, z = x * np.cos(roll) - z * np.sin(roll), x * np.sin(roll) + z * np.cos(roll)
    below = np.clip(-z - 35, 0, None)
    neck = np.minimum(below, 150)
    # The neck bends over its length and the trunk follows in the direction it has reached.
    bend, lean = rng.normal(0, 0.07), rng.normal(0, 0.03)
    path = neck**2 / 300 + np.maximum(below - 150, 0)
    y = y + bend * path
    x = x + lean * path
    z = z * (1 + rng.normal(0, 0.05) * neck / 150 * 0.5)
    turn = yaw + np.deg2rad(rng.normal(0, 5)) * (1 - np.clip(neck / 120, 0, 1))
    return np.stack([x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn), z])


def _deformed(field: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Add a smooth random shift of about 2.5 mm with a correlation length of some 40 mm."""
    noise = rng.standard_normal(field.shape, dtype=np.float32)
    for axis in range(3):
        reach = np.exp(-0.5 * (np.arange(-6, 7) / 2.5) ** 2).astype(np.float32)
        reach /= np.sqrt((reach**2).sum())
        noise = np.apply_along_axis(np.convolve, axis, noise, reach, mode="same")
    return field + np.float32(2.2) * noise.astype(np.float32)


def _linear_weights(axis: Array, knots: np.ndarray) -> Array:
    position = (axis[:, None] - knots[None]) / _LATTICE_MM
    return np.clip(1 - np.abs(position), 0, 1).astype(np.float32)
