"""Body outline, skin, subcutaneous fat, ears, nose, and the lungs' tops."""

import numpy as np

from phantom.anatomy.patient import Patient
from phantom.drawing.canvas import Canvas, Kind, Tissue
from phantom.drawing.shapes import (
    Array,
    Box,
    Chain,
    Column,
    Ellipsoid,
    Mirrored,
    Point,
    Shape,
    Union,
    sample_rows,
    smooth_minimum,
)

# Rows of (z, front y, y of the widest place, back y, half width, power in front, power behind).
_OUTLINE = (
    (127, 2, 12, 22, 10, 2.0, 2.0),
    (122, -22, 12, 45, 33, 2.0, 2.0),
    (110, -48, 12, 70, 53, 2.0, 2.0),
    (90, -72, 14, 92, 68, 2.0, 2.0),
    (60, -93, 16, 105, 77, 2.3, 2.0),
    (44, -101, 15, 107, 78, 2.5, 2.0),
    (30, -99, 14, 108, 79, 2.8, 2.0),
    (5, -101, 8, 104, 77, 2.8, 2.0),
    (-20, -106, -5, 94, 75, 2.5, 2.0),
    (-45, -114, -15, 80, 73, 2.1, 2.1),
    (-70, -119, -22, 70, 69, 2.0, 2.2),
    (-88, -125, -22, 66, 65, 1.9, 2.2),
    (-97, -112, -20, 65, 63, 1.9, 2.2),
    (-105, -92, -14, 65, 61, 1.9, 2.2),
    (-113, -83, -6, 66, 60, 2.0, 2.2),
    (-122, -76, 0, 70, 60, 2.1, 2.2),
    (-150, -68, 6, 79, 64, 2.2, 2.2),
    (-170, -63, 14, 90, 82, 2.0, 2.1),
    (-185, -61, 22, 100, 122, 2.0, 2.1),
    (-205, -70, 26, 112, 176, 2.2, 2.4),
    (-225, -84, 26, 120, 202, 2.4, 2.6),
    (-250, -98, 26, 126, 212, 2.6, 2.8),
    (-290, -112, 26, 130, 216, 2.8, 2.8),
    (-360, -118, 26, 132, 216, 2.8, 2.8),
)


class Outline:
    """The body's outer surface: stacked half-superellipses, wider or narrower with fatness."""

    def __init__(self, fatness: float) -> None:
        rows = np.array(_OUTLINE, float)
        below = np.clip((-60 - rows[:, 0]) / 80, 0, 1)
        extra = (fatness - 1) * (3 + 14 * below)
        rows[:, 1] -= extra * 0.8
        rows[:, 3] += extra
        rows[:, 4] += extra * 1.1
        self._rows = [tuple(row) for row in rows]
        self.bounds: tuple[Point, Point] = ((-260.0, -150.0, -360.0), (260.0, 160.0, 127.0))

    def distance(self, x: Array, y: Array, z: Array) -> Array:
        # Slice by slice, as the arrays cover the whole working grid and each step makes a copy.
        return np.stack([self._slice_distance(*layers) for layers in zip(x, y, z, strict=True)])

    def _slice_distance(self, x: Array, y: Array, z: Array) -> Array:
        front, middle, back, width, power_front, power_back = sample_rows(self._rows, z)
        ahead = y < middle
        depth = np.where(ahead, middle - front, back - middle)
        power = np.where(ahead, power_front, power_back)
        u, v = np.abs(x) / width, np.abs(y - middle) / depth
        first = (u**power + v**power) ** (1 / power)
        slope = np.sqrt((u / width) ** 2 + (v / depth) ** 2) / np.maximum(first, np.float32(1e-2))
        side = (first - 1) / np.maximum(slope, np.float32(2e-3))
        return np.maximum(side, (z - np.float32(127)) * np.float32(0.5))


def paint_surface(canvas: Canvas, patient: Patient) -> Array:
    """Fill the body with fat under skin, the trunk with muscle; returns the outline's distance (mm)."""
    palette = patient.palette
    whole = (slice(None),) * 3
    distance = Outline(patient.fatness).distance(canvas.x, canvas.y, canvas.z)
    _add_face(canvas, patient, distance)
    distance += np.float32(0.8) * canvas.relief
    canvas.fill(whole, distance, palette.skin)
    _paint_ears(canvas, patient)
    skin_mm = np.float32(patient.rng.uniform(1.4, 2.4))
    canvas.fill(whole, distance + skin_mm, palette.fat)
    _paint_trunk(canvas, patient, distance)
    canvas.limit = distance + np.float32(3)
    return distance


def _add_face(canvas: Canvas, patient: Patient, distance: Array) -> None:
    """Join nose, lips and chin to the outline's distance."""
    length = float(patient.rng.normal(0, 3))
    nose = Union(
        (
            Chain(((0, -94, 24), (0, -113 - length, -8)), (6, 9)),
            Ellipsoid((0, -119 - length, -13), (9, 10, 8)),
            Ellipsoid((10, -109, -15), (7, 9, 7)),
            Ellipsoid((-10, -109, -15), (7, 9, 7)),
        ),
        8,
    )
    lips = tuple(Ellipsoid((0, -112, height), (24, 9, 7)) for height in (-43, -56))
    chin = Ellipsoid((0, -112, -84), (20, 13, 12))
    face: tuple[Shape, ...] = (nose, *lips, chin)
    for shape in face:
        block = canvas.find(shape, 10)
        if block is not None:
            added = shape.distance(canvas.x[block], canvas.y[block], canvas.z[block])
            distance[block] = smooth_minimum(distance[block], added, 6)


def _paint_ears(canvas: Canvas, patient: Patient) -> None:
    """Auricles with a hollow."""
    for side in (1, -1):
        ear = Ellipsoid((80, 10, -6), patient.scale((4, 15, 30), 0.1), tilt_deg=15, turn_deg=-28)
        concha = Ellipsoid((80, 5, -6), (4, 8, 13), turn_deg=-28)
        canvas.paint(ear if side > 0 else Mirrored(ear), patient.palette.skin, 1)
        canvas.paint(concha if side > 0 else Mirrored(concha), Tissue(-1000, 0, 0, Kind.OUTSIDE))


def _paint_trunk(canvas: Canvas, patient: Patient, distance: Array) -> None:
    """Muscle under the fat of shoulders and chest, with fat planes where the relief is high."""
    low = canvas.find(Box((0, 0, -280), (260, 160, 105)), 0)
    if low is None:
        return
    z = canvas.z[low]
    fat_mm = np.float32(7 * patient.fatness) + 2 * canvas.relief[low]
    inset = distance[low] + fat_mm + np.clip((z + 205) * np.float32(0.8), 0, None)
    planes = np.float32(0.5) - np.abs(canvas.relief[low] + np.float32(0.3) * canvas.texture[low]) * 7
    canvas.fill(low, np.maximum(inset, planes), patient.palette.muscle)


def paint_chest(canvas: Canvas, patient: Patient) -> None:
    """Mediastinum and the lungs' tops."""
    palette = patient.palette
    mediastinum = Column(((-340, 0, 15, 40, 60), (-240, 0, 8, 34, 45), (-200, 0, 0, 26, 30)), power=2.5)
    canvas.paint(mediastinum, palette.fat)
    for side in (1, -1):
        apex = float(patient.rng.normal(-189, 6))
        lung = Ellipsoid((64, 12, apex - 112), patient.scale((54, 84, 112), 0.05))
        canvas.paint(
            lung if side > 0 else Mirrored(lung), palette.lung, 1.5, "Lung_L" if side > 0 else "Lung_R"
        )
    _paint_lung_vessels(canvas, patient)


def _paint_lung_vessels(canvas: Canvas, patient: Patient) -> None:
    vessel = patient.palette.artery
    for _ in range(24):
        side = patient.rng.choice([-1, 1])
        start = patient.jitter((side * 62, 12, -250), 20)
        stop = patient.jitter(start, 14)
        canvas.paint(Chain((start, stop), (1.8, 1.0)), vessel)
