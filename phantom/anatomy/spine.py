"""Spine with canal and cord, ribs and shoulder girdle."""

from phantom.anatomy.patient import Patient, cord_depth
from phantom.anatomy.skeleton import both_sides, paint_bone
from phantom.drawing.canvas import Canvas
from phantom.drawing.shapes import Box, Chain, Column, Ellipsoid, Point, Without

# Heights (z, mm) of the vertebral bodies' centres, C2 to T9.
VERTEBRAE = (-55, -72, -89, -106, -123, -140, -159, -180, -202, -224, -247, -271, -295, -320)


def paint_spine(canvas: Canvas, patient: Patient) -> None:
    """C1 to T9 in outline: bodies, discs, arches, processes."""
    palette = patient.palette
    column = Column(
        tuple((z, 0, cord_depth(z) - (17.5 if z > -150 else 20), 8.5, 7) for z in range(-335, -40, 15)),
        power=2.5,
    )
    canvas.paint(column, palette.disc)
    _paint_atlas(canvas, patient)
    for index, z in enumerate(VERTEBRAE):
        _paint_vertebra(canvas, patient, index, float(z) + float(patient.rng.normal(0, 0.6)))
    canal = Column(tuple((z, 0, cord_depth(z) + 0.5, 10.5, 7.4) for z in range(-335, -20, 15)), power=2.3)
    canvas.paint(canal, palette.fluid)
    cord = Column(tuple((z, 0, cord_depth(z), 6.0, 4.2) for z in range(-335, -20, 15)))
    canvas.paint(cord, palette.stem, 0.0, "SpinalCord")


def _paint_atlas(canvas: Canvas, patient: Patient) -> None:
    ring = Without(Ellipsoid((0, 2, -40), (27, 23, 7)), Column(((-60, 0, 2, 17, 17), (-20, 0, 2, 17, 17))))
    paint_bone(canvas, patient, ring)
    for shape in both_sides(Ellipsoid((22, 0, -40), (8, 11, 8))):
        paint_bone(canvas, patient, shape)
    for shape in both_sides(Chain(((26, 1, -41), (39, 2, -41)), (4.5, 4))):
        paint_bone(canvas, patient, shape)
    paint_bone(canvas, patient, Chain(((0, -11, -31), (0, -12, -50)), (4.6, 5.8)))


def _paint_vertebra(canvas: Canvas, patient: Patient, index: int, z: float) -> None:
    y = cord_depth(z)
    thoracic = index >= 6
    half = 6.4 if not thoracic else 8.5
    depth, width = (8.6, 12) if not thoracic else (11.5, 14)
    body_y = y - 8.5 - depth
    body = Column(
        (
            (z - half, 0, body_y, width + 1, depth),
            (z, 0, body_y, width - 1, depth - 1),
            (z + half, 0, body_y, width + 1, depth),
        ),
        power=2.6,
    )
    paint_bone(canvas, patient, body)
    outer = Ellipsoid((0, y + 3, z - 2), (17, 12.5, half + 1.5))
    arch = Without(outer, Column(((z - 25, 0, y, 11, 7.6), (z + 25, 0, y, 11, 7.6)), 2.3))
    paint_bone(canvas, patient, arch)
    spine_length = 38.0 if index in (0, 5) else (26.0 if not thoracic else 40.0)
    drop = 5.0 if not thoracic else 18.0
    paint_bone(
        canvas, patient, Chain(((0, y + 11, z - 2), (0, y + spine_length, z - drop)), (3.4, 3.0), (1, 1, 1.5))
    )
    reach = 38.0 if thoracic else 26.0
    for shape in both_sides(Ellipsoid((18, y - 1, z), (6, 8, half + 1))):
        paint_bone(canvas, patient, shape)
    start: Point = (15, y - 5, z)
    for shape in both_sides(Chain((start, (reach, y + (12 if thoracic else -6), z - 1)), (4, 3.2))):
        paint_bone(canvas, patient, shape)


def paint_girdle(canvas: Canvas, patient: Patient) -> None:
    """Ribs, sternum, clavicles, scapulae and humeral heads."""
    for z in VERTEBRAE[6:]:
        back = cord_depth(z)
        top = max(0.0, (z + 260) / 100)
        width, front = 108 - 62 * top, -72 + 20 * top
        rib = Chain(
            (
                (16, back - 4, z),
                (36, back + 22, z - 4),
                (width * 0.8, back + 16, z - 12),
                (width, 18, z - 26),
                (width * 0.85, front * 0.5, z - 42),
                (24, front - 4, z - 52),
            ),
            (4, 4, 4, 4, 4, 4),
            (1, 1, 1.5),
        )
        for shape in both_sides(rib):
            paint_bone(canvas, patient, shape)
    paint_bone(canvas, patient, Box((0, -72, -235), (26, 7, 26), 5))
    for shape in both_sides(
        Chain(((18, -64, -212), (60, -62, -203), (110, -20, -192), (152, 0, -190)), (7, 5.5, 5.5, 6))
    ):
        paint_bone(canvas, patient, shape)
    for shape in both_sides(Ellipsoid((176, 14, -222), (23, 24, 25))):
        paint_bone(canvas, patient, shape)
    for shape in both_sides(Chain(((176, 14, -222), (182, 16, -360)), (15, 12))):
        paint_bone(canvas, patient, shape)
    for shape in both_sides(
        Chain(((150, 20, -205), (110, 78, -200), (70, 98, -250)), (6, 4, 3), (1, 1, 2.5))
    ):
        paint_bone(canvas, patient, shape)
    for shape in both_sides(Chain(((120, 70, -215), (100, 92, -300)), (3, 3), (3.5, 1, 1))):
        paint_bone(canvas, patient, shape)
