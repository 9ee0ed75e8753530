"""Skull, mandible, teeth and hyoid; and how bone is painted."""

import numpy as np

from phantom.anatomy.patient import Patient
from phantom.drawing.canvas import Canvas, Kind, Tissue
from phantom.drawing.shapes import Box, Chain, Column, Ellipsoid, Mirrored, Offset, Point, Shape, Union


def both_sides(shape: Shape) -> tuple[Shape, Shape]:
    """A left-sided shape and its mirror image."""
    return shape, Mirrored(shape)


def cavity() -> Shape:
    """The inside of the skull: cerebrum, temporal lobes and posterior fossa."""
    return Union(
        (
            Ellipsoid((0, 7, 48), (65, 82, 62)),
            Ellipsoid((37, 2, 20), (27, 47, 24)),
            Ellipsoid((-37, 2, 20), (27, 47, 24)),
            Ellipsoid((0, 38, -3), (50, 40, 27)),
            Ellipsoid((0, 2, -8), (15, 14, 28)),
        ),
        10,
    )


def paint_bone(
    canvas: Canvas, patient: Patient, shape: Shape, name: str = "", relief_mm: float = 0.6
) -> None:
    """Compact bone around marrow."""
    palette = patient.palette
    canvas.paint(shape, palette.cortical, relief_mm, name)
    canvas.paint(Offset(shape, -palette.marrow_shell_mm), palette.marrow, relief_mm)


def paint_skull(canvas: Canvas, patient: Patient) -> None:
    """Calvaria with diploe, and the bones of the face."""
    palette = patient.palette
    inside = cavity()
    thickness = float(patient.rng.uniform(5.5, 8.5))
    canvas.paint(Offset(inside, thickness), palette.cortical, 0.8)
    canvas.paint(Offset(inside, thickness - 1.6), palette.diploe, 0.8)
    canvas.paint(Offset(inside, 1.8), palette.cortical, 0.8)
    _paint_face(canvas, patient)


def paint_skull_base(canvas: Canvas, patient: Patient) -> None:
    """Clivus, sphenoid, petrous bones, mastoids with cells, pterygoid plates, sinuses; over the brain."""
    palette = patient.palette
    clivus = Chain(((0, -27, 6), (0, -21, -10), (0, -13, -26)), (8, 7, 4.5), (2.0, 1, 1))
    sphenoid = Ellipsoid((0, -40, 4), (22, 17, 12))
    shape: Shape
    for shape in (clivus, sphenoid):
        paint_bone(canvas, patient, shape)
    for shape in both_sides(Chain(((15, -26, -3), (34, -11, -4), (50, 2, -5)), (5, 7.5, 11))):
        canvas.paint(shape, palette.dense, 1.0)
    for shape in both_sides(Ellipsoid((53, 2, -14), (12, 16, 20))):
        canvas.paint(shape, palette.dense, 1.0)
    _paint_mastoid_cells(canvas, patient)
    for shape in both_sides(Chain(((20, -58, 18), (40, -48, 14), (56, -40, 20)), (2.5, 3, 3), (1, 1, 2.2))):
        canvas.paint(shape, palette.cortical)
    for shape in both_sides(Chain(((21, -37, -6), (24, -30, -4), (46, -20, -5)), (4, 4, 5))):
        canvas.paint(shape, palette.cortical, 0.8)
    for shape in both_sides(Ellipsoid((20, 0, -32), (6, 11, 5), turn_deg=25)):
        paint_bone(canvas, patient, shape)
    for shape in both_sides(Chain(((14, -46, -10), (16, -44, -32)), (1.6, 1.6), (1, 3, 1))):
        canvas.paint(shape, palette.cortical)
    for shape in both_sides(Chain(((21, -49, -10), (24, -44, -30)), (1.4, 1.2), (1, 4, 1))):
        canvas.paint(shape, palette.cortical)
    for shape in both_sides(Chain(((36, -6, -24), (33, -20, -52)), (2.2, 1.2))):
        canvas.paint(shape, palette.cortical)
    _paint_sinuses(canvas, patient)


def _paint_mastoid_cells(canvas: Canvas, patient: Patient) -> None:
    air = Tissue(float(patient.rng.uniform(-900, -600)), 0, 60, Kind.BONE)
    for side in (1, -1):
        for _ in range(26):
            centre = patient.jitter((53, 2, -14), 1)
            offset = patient.rng.uniform(-1, 1, 3) * (9, 12, 16)
            spot = (side * (centre[0] + offset[0]), centre[1] + offset[1], centre[2] + offset[2])
            canvas.paint(Ellipsoid(spot, patient.scale((2.6, 2.8, 3.0), 0.25)), air)
        canal = Chain(((side * 48, -8, -6), (side * 80, 0, -6)), (3.2, 3.6))
        canvas.paint(canal, patient.palette.air)
        canvas.paint(Ellipsoid((side * 42, -11, -6), (3, 5, 7)), air)
        for spot in ((34.0, -10.0, -5.0), (39.0, -5.0, -4.0)):
            canvas.paint(Ellipsoid((side * spot[0], spot[1], spot[2]), (2.2, 2, 2)), patient.palette.fluid)


def _paint_face(canvas: Canvas, patient: Patient) -> None:
    palette = patient.palette
    for shape in both_sides(Ellipsoid((30, -78, -12), (19, 21, 23))):
        canvas.paint(shape, palette.dense, 1)
    for shape in both_sides(
        Chain(
            ((38, -88, 4), (54, -76, -2), (62, -58, -3), (62, -36, -3), (58, -20, -3)),
            (5, 5, 2.6, 2.2, 3),
            (1, 1, 1.6),
        )
    ):
        paint_bone(canvas, patient, shape, relief_mm=0.3)
    for shape in both_sides(Chain(((54, -76, 0), (54, -74, 18), (53, -82, 40)), (3.5, 2.8, 3.2))):
        canvas.paint(shape, palette.cortical)
    brow = Chain(
        ((-52, -76, 42), (-30, -92, 44), (0, -93, 42), (30, -92, 44), (52, -76, 42)),
        (4, 5, 6, 5, 4),
        (1, 1, 1.5),
    )
    paint_bone(canvas, patient, brow)
    palate = Ellipsoid((0, -82, -33), (25, 31, 3.5))
    canvas.paint(palate, palette.dense, 0.5)
    arch = _arch(((38, -62, -38), (31, -83, -39), (19, -98, -40), (0, -106, -40)), (5, 5, 5, 5), (1, 1, 1.7))
    paint_bone(canvas, patient, arch)
    nasal = Chain(((0, -94, 34), (0, -104, 16)), (3, 2), (2.5, 1, 1))
    canvas.paint(nasal, palette.cortical)


def _arch(points: tuple[Point, ...], radii: tuple[float, ...], squash: Point) -> Chain:
    right = tuple((-x, y, z) for x, y, z in points[-2::-1])
    return Chain(points + right, radii + radii[-2::-1], squash)


def _paint_sinuses(canvas: Canvas, patient: Patient) -> None:
    palette = patient.palette
    for side, opacity in zip((1, -1), patient.sinus_opacity, strict=True):
        sinus = Ellipsoid((side * 31, -76, -11), patient.scale((14.5, 17, 19), 0.08))
        canvas.paint(Offset(sinus, 0), palette.mucosa if opacity else palette.air, 0.8)
        if opacity:
            inner = Ellipsoid((side * 31, -80, -4), patient.scale((12, 13, 14), 0.1))
            canvas.paint(Offset(inner, -5 * opacity), palette.air, 1.0)
        frontal = Ellipsoid((side * 13, -86, 44), patient.scale((10, 4, 9), 0.25))
        canvas.paint(frontal, palette.air, 1)
        sphenoid = Ellipsoid((side * 8, -43, 3), patient.scale((8.5, 13, 10), 0.12))
        canvas.paint(Offset(sphenoid, (patient.sphenoid_air - 1) * 6), palette.air, 1)


def paint_ethmoid(canvas: Canvas, patient: Patient) -> None:
    """Ethmoid cells between the orbits: thin plates in air."""
    palette = patient.palette
    for side in (1, -1):
        block = Box((side * 9, -72, 16), (8, 22, 10), 4)
        canvas.paint(block, palette.dense)
        for row in range(4):
            for level in range(2):
                centre = patient.jitter((side * 9.5, -88 + row * 11.0, 11 + level * 9.0), 0.8)
                canvas.paint(Ellipsoid(centre, (5.6, 5, 4)), palette.air)


def paint_mandible(canvas: Canvas, patient: Patient) -> None:
    """Mandible with rami and condyles; volume recorded with marrow."""
    body = _arch(
        ((47, -46, -65), (42, -70, -71), (33, -95, -76), (18, -113, -78), (0, -119, -78)),
        (5.0, 5.2, 5.4, 5.2, 5.4),
        (1, 1, 2.1),
    )
    parts: list[Shape] = [body]
    for shape in (
        Column(
            (
                (-76, 47, -45, 4.6, 12),
                (-55, 50, -40, 4.2, 16),
                (-36, 51, -36, 3.6, 16),
                (-27, 51, -34, 3.2, 14),
            ),
            2.5,
        ),
        Chain(((51, -27, -32), (51, -22, -15)), (4.2, 4.6), (1.5, 1, 1)),
        Chain(((50, -46, -34), (49, -47, -20)), (3.4, 2.0), (1, 2, 1)),
    ):
        parts += both_sides(shape)
    paint_bone(canvas, patient, Union(tuple(parts), 4), "Mandible", 0.5)


def paint_teeth(canvas: Canvas, patient: Patient) -> None:
    """Teeth that are there, crown and root, some with metal."""
    palette = patient.palette
    angles = np.linspace(-1, 1, 14)
    for index, present in enumerate(patient.teeth):
        if not present:
            continue
        upper, along = index < 14, angles[index % 14]
        x, y = 37 * np.sin(along * 1.35), -62 - 43 * np.cos(along * 1.35) + 3
        size = 3.2 + 1.6 * min(1.0, abs(along) * 1.3)
        z = -49.0 if upper else -60.0
        root = z + (16 if upper else -16)
        tooth = Chain(((x, y, z), (x * 0.98, y + 1, root)), (size, 1.6), (1, 1, 1.2))
        canvas.paint(tooth, palette.tooth)
        if index in patient.metal_teeth:
            canvas.paint(Ellipsoid((x, y, z), (size, size, 3.5)), Tissue(3000, 0, 0, Kind.BONE))


def paint_hyoid(canvas: Canvas, patient: Patient) -> None:
    """Hyoid bone: a U open to the back."""
    centre = patient.jitter((0, 0, -97), 2)
    points = tuple(
        (x, y + centre[1], z + centre[2])
        for x, y, z in ((20, -40, 4), (17, -56, 0), (8, -67, -1), (0, -69, -1))
    )
    paint_bone(canvas, patient, _arch(points, (1.8, 2.4, 3, 3.2), (1, 1, 1.3)))
