"""Signed distance functions of the shapes that organs are built from.

Every shape has `bounds` (lowest and highest corner, mm) and `distance(x, y, z)`: approximate signed
distances (mm, negative inside) at points given as three equal arrays. Coordinates are millimetres in the
patient frame: x right to left, y front to back, z feet to head. Ellipsoid distance after I. Quilez,
https://iquilezles.org/articles/ellipsoids (first-order estimate).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

Array = NDArray[np.float32]
Point = tuple[float, float, float]
Bounds = tuple[Point, Point]

_TABLE_STEP_MM = 0.5


class Shape(Protocol):
    """What the canvas can paint."""

    @property
    def bounds(self) -> Bounds: ...

    def distance(self, x: Array, y: Array, z: Array) -> Array: ...


@dataclass(frozen=True)
class Ellipsoid:
    """An ellipsoid; `tilt_deg` turns it about x (nose down), `turn_deg` about z."""

    centre: Point
    radii: Point
    tilt_deg: float = 0.0
    turn_deg: float = 0.0

    @property
    def bounds(self) -> Bounds:
        reach = (max(self.radii),) * 3 if self.tilt_deg or self.turn_deg else self.radii
        low, high = np.subtract(self.centre, reach), np.add(self.centre, reach)
        return tuple(map(float, low)), tuple(map(float, high))  # type: ignore[return-value]

    def distance(self, x: Array, y: Array, z: Array) -> Array:
        x, y, z = x - self.centre[0], y - self.centre[1], z - self.centre[2]
        if self.turn_deg:
            x, y = _rotated(x, y, self.turn_deg)
        if self.tilt_deg:
            y, z = _rotated(y, z, self.tilt_deg)
        rx, ry, rz = (np.float32(radius) for radius in self.radii)
        first = np.sqrt((x / rx) ** 2 + (y / ry) ** 2 + (z / rz) ** 2)
        slope = np.sqrt((x / rx**2) ** 2 + (y / ry**2) ** 2 + (z / rz**2) ** 2)
        # At the centre itself both vanish; their ratio stays below the largest radius.
        first = np.maximum(first, np.float32(1e-6))
        return first * (first - 1) / np.maximum(slope, first / np.float32(max(self.radii)))


@dataclass(frozen=True)
class Box:
    """A box with rounded edges, turned by `tilt_deg` about x."""

    centre: Point
    half: Point
    rounding: float = 2.0
    tilt_deg: float = 0.0

    @property
    def bounds(self) -> Bounds:
        reach = (self.half[0], max(self.half), max(self.half)) if self.tilt_deg else self.half
        low, high = np.subtract(self.centre, reach), np.add(self.centre, reach)
        return tuple(map(float, low)), tuple(map(float, high))  # type: ignore[return-value]

    def distance(self, x: Array, y: Array, z: Array) -> Array:
        x, y, z = x - self.centre[0], y - self.centre[1], z - self.centre[2]
        if self.tilt_deg:
            y, z = _rotated(y, z, self.tilt_deg)
        offsets = [np.abs(c) - (h - self.rounding) for c, h in zip((x, y, z), self.half, strict=True)]
        outside = np.sqrt(sum(np.maximum(offset, 0) ** 2 for offset in offsets))
        inside = np.minimum(np.maximum.reduce(offsets), 0)
        return outside + inside - np.float32(self.rounding)


@dataclass(frozen=True)
class Chain:
    """Tapered capsules along a polyline; `squash` divides x, y, z (a value above 1 lengthens that axis)."""

    points: tuple[Point, ...]
    radii: tuple[float, ...]
    squash: Point = (1.0, 1.0, 1.0)

    @property
    def bounds(self) -> Bounds:
        reach = max(self.radii) * np.asarray(self.squash)
        low, high = np.min(self.points, axis=0) - reach, np.max(self.points, axis=0) + reach
        return tuple(map(float, low)), tuple(map(float, high))  # type: ignore[return-value]

    def distance(self, x: Array, y: Array, z: Array) -> Array:
        point = [c / np.float32(s) for c, s in zip((x, y, z), self.squash, strict=True)]
        best = np.full(x.shape, 1e3, np.float32)
        knots = np.asarray(self.points, np.float32) / np.asarray(self.squash, np.float32)
        for start, stop, r0, r1 in zip(knots[:-1], knots[1:], self.radii[:-1], self.radii[1:], strict=True):
            axis = stop - start
            rel = [c - s for c, s in zip(point, start, strict=True)]
            along = sum(r * a for r, a in zip(rel, axis, strict=True)) / max(float(axis @ axis), 1e-6)
            along = np.clip(along, 0, 1)
            gap = np.sqrt(sum((r - along * a) ** 2 for r, a in zip(rel, axis, strict=True)))
            np.minimum(best, gap - (np.float32(r0) + along * np.float32(r1 - r0)), out=best)
        return best


@dataclass(frozen=True)
class Column:
    """Elliptic cross-sections along z: rows of (z, x, y, half width, half depth), z descending or ascending.

    Between rows the sections follow a monotone cubic (PCHIP); the ends are flat.
    """

    rows: tuple[tuple[float, float, float, float, float], ...]
    power: float = 2.0
    turn_deg: float = 0.0

    @property
    def bounds(self) -> Bounds:
        rows = np.asarray(self.rows)
        reach = rows[:, 3:5] if not self.turn_deg else np.repeat(rows[:, 3:5].max(1, keepdims=True), 2, 1)
        low, high = rows[:, 1:3] - reach, rows[:, 1:3] + reach
        z = rows[:, 0]
        return (
            (float(low[:, 0].min()), float(low[:, 1].min()), float(z.min())),
            (float(high[:, 0].max()), float(high[:, 1].max()), float(z.max())),
        )

    def distance(self, x: Array, y: Array, z: Array) -> Array:
        low, high = self.bounds[0][2], self.bounds[1][2]
        cx, cy, rx, ry = sample_rows(self.rows, z)
        dx, dy = x - cx, y - cy
        if self.turn_deg:
            dx, dy = _rotated(dx, dy, self.turn_deg)
        u, v = np.abs(dx) / rx, np.abs(dy) / ry
        first = (
            np.sqrt(u * u + v * v)
            if self.power == 2.0
            else (u**self.power + v**self.power) ** (1 / self.power)
        )
        slope = np.sqrt((u / rx) ** 2 + (v / ry) ** 2) / np.maximum(first, np.float32(1e-3))
        side = (first - 1) / np.maximum(slope, np.float32(1e-3))
        side = np.maximum(side, -np.minimum(rx, ry))
        return np.maximum(side, np.abs(z - (low + high) / 2) - (high - low) / 2)


@dataclass(frozen=True)
class Union:
    """Smooth union: corners between the parts are filled over about `blend_mm`."""

    parts: tuple[Shape, ...]
    blend_mm: float = 0.0

    @property
    def bounds(self) -> Bounds:
        low = np.min([part.bounds[0] for part in self.parts], axis=0)
        high = np.max([part.bounds[1] for part in self.parts], axis=0)
        return tuple(map(float, low)), tuple(map(float, high))  # type: ignore[return-value]

    def distance(self, x: Array, y: Array, z: Array) -> Array:
        best = self.parts[0].distance(x, y, z)
        for part in self.parts[1:]:
            best = smooth_minimum(best, part.distance(x, y, z), self.blend_mm)
        return best


@dataclass(frozen=True)
class Offset:
    """A shape grown (or, with a negative value, shrunk) by `by_mm`."""

    shape: Shape
    by_mm: float

    @property
    def bounds(self) -> Bounds:
        low, high = (np.asarray(corner) for corner in self.shape.bounds)
        return tuple(map(float, low - self.by_mm)), tuple(map(float, high + self.by_mm))  # type: ignore

    def distance(self, x: Array, y: Array, z: Array) -> Array:
        return self.shape.distance(x, y, z) - np.float32(self.by_mm)


@dataclass(frozen=True)
class Without:
    """`shape` with `removed` cut out."""

    shape: Shape
    removed: Shape

    @property
    def bounds(self) -> Bounds:
        return self.shape.bounds

    def distance(self, x: Array, y: Array, z: Array) -> Array:
        return np.maximum(self.shape.distance(x, y, z), -self.removed.distance(x, y, z))


@dataclass(frozen=True)
class Mirrored:
    """A shape reflected in the plane x = 0."""

    shape: Shape

    @property
    def bounds(self) -> Bounds:
        low, high = self.shape.bounds
        return (-high[0], low[1], low[2]), (-low[0], high[1], high[2])

    def distance(self, x: Array, y: Array, z: Array) -> Array:
        return self.shape.distance(-x, y, z)


def smooth_minimum(a: Array, b: Array, blend_mm: float) -> Array:
    """The smaller of two distances, with a polynomial fillet `blend_mm` wide."""
    if blend_mm <= 0:
        return np.minimum(a, b)
    overlap = np.maximum(np.float32(blend_mm) - np.abs(a - b), 0)
    return np.minimum(a, b) - overlap * overlap / np.float32(4 * blend_mm)


def sample_rows(rows: Sequence[Sequence[float]], z: Array) -> list[Array]:
    """Values of the columns after the first of `rows` at heights `z`, by PCHIP; constant past the ends."""
    table = np.asarray(rows, np.float64)
    table = table[np.argsort(table[:, 0])]
    count = int((table[-1, 0] - table[0, 0]) / _TABLE_STEP_MM) + 2
    heights = table[0, 0] + _TABLE_STEP_MM * np.arange(count)
    curves = PchipInterpolator(table[:, 0], table[:, 1:])(np.minimum(heights, table[-1, 0]))
    index = np.clip((z - np.float32(table[0, 0])) * np.float32(1 / _TABLE_STEP_MM) + 0.5, 0, count - 1)
    index = index.astype(np.int32)
    return [np.take(np.ascontiguousarray(curve, np.float32), index) for curve in curves.T]


def _rotated(a: Array, b: Array, angle_deg: float) -> tuple[Array, Array]:
    cos, sin = np.float32(np.cos(np.deg2rad(angle_deg))), np.float32(np.sin(np.deg2rad(angle_deg)))
    return cos * a + sin * b, cos * b - sin * a
