"""Muscles of mastication, neck and pharynx."""

import numpy as np

from phantom.anatomy.patient import Patient, cord_depth
from phantom.drawing.canvas import Canvas
from phantom.drawing.shapes import Chain, Column, Ellipsoid, Mirrored, Shape


def paint_muscles(canvas: Canvas, patient: Patient) -> None:
    """Paint every muscle, the two sides a little different, thicker with the patient's muscularity."""
    m = patient.muscularity
    _paint_around_spine(canvas, patient)
    for shape in _neck(m) + _mastication(m):
        muscle = patient.vary(patient.palette.muscle, 2, 1.5)
        canvas.paint(shape, muscle, 1.0)
        canvas.paint(Mirrored(shape), muscle, 1.0)


def _paint_around_spine(canvas: Canvas, patient: Patient) -> None:
    """The small muscles that fill the space about the vertebrae, broken up by fat planes."""
    m = patient.muscularity
    core = Column(
        tuple((z, 0, cord_depth(z) - 1, (30 + 6 * (z < -140)) * m, 15 * m) for z in range(-200, -40, 15)),
        power=2.4,
    )
    block = canvas.find(core, 4)
    if block is None:
        return
    distance = (
        core.distance(canvas.x[block], canvas.y[block], canvas.z[block])
        + np.float32(2) * canvas.relief[block]
    )
    planes = np.float32(0.9) - np.abs(canvas.texture[block] + np.float32(0.5) * canvas.relief[block]) * 5
    canvas.fill(block, np.maximum(distance, planes), patient.palette.muscle)


def _neck(m: float) -> list[Shape]:
    sternomastoid = Column(
        (
            (-18, 57, 10, 5 * m, 9),
            (-60, 56, 8, 7.5 * m, 17 * m),
            (-100, 47, -6, 8.5 * m, 18 * m),
            (-140, 40, -24, 8.5 * m, 17 * m),
            (-180, 28, -44, 7 * m, 12 * m),
            (-210, 17, -60, 5, 5),
        ),
        turn_deg=-25,
    )
    scalene = Column(
        ((-80, 25, 0, 5, 6), (-120, 31, 2, 9 * m, 10 * m), (-160, 39, 4, 11 * m, 12), (-200, 48, 2, 9, 9))
    )
    longus = Column(
        ((-24, 8, -17, 6, 4), (-45, 8.5, -21, 7.5 * m, 4.6 * m))
        + tuple(
            (z, 9, cord_depth(z) - (30 if z > -150 else 36), 7.5 * m, 4.6 * m)
            for z in (-70, -100, -130, -160)
        )
        + ((-220, 10, 3, 4, 3),)
    )
    straps = Column(
        (
            (-96, 9, -70, 7, 3),
            (-125, 12, -66, 9 * m, 3.4),
            (-160, 14, -56, 11 * m, 3.6),
            (-208, 12, -62, 10, 3),
        )
    )
    pectoral = Chain(((40, -86, -270), (90, -74, -245), (150, -40, -225)), (13, 15, 12), (1, 1, 1.8))
    return [sternomastoid, *_back_of_neck(m), scalene, longus, straps, pectoral]


def _back_of_neck(m: float) -> list[Shape]:
    deep_back = Column(
        tuple((z, 17, cord_depth(z) + (31 if z > -150 else 36), 16 * m, 19 * m) for z in range(-330, -50, 20))
        + ((-38, 17, 50, 14 * m, 20 * m),),
        power=2.6,
    )
    splenius = Column(
        tuple((z, 36, cord_depth(z) + 30, 9.5 * m, 22 * m) for z in range(-190, -20, 20)), turn_deg=35
    )
    trapezius = Chain(
        (
            (12, 84, -15),
            (20, 62, -60),
            (30, 58, -110),
            (46, 58, -148),
            (82, 60, -178),
            (130, 44, -192),
            (165, 25, -198),
        ),
        (3, 5 * m, 6 * m, 8 * m, 10 * m, 11 * m, 10),
    )
    levator = Column(
        (
            (-50, 36, 12, 5, 7),
            (-100, 42, 18, 8.5 * m, 12 * m),
            (-150, 47, 28, 10 * m, 14),
            (-195, 66, 52, 8, 10),
        )
    )
    return [deep_back, splenius, trapezius, levator]


def _mastication(m: float) -> list[Shape]:
    masseter = Ellipsoid((58, -55, -48), (7.5 * m, 19 * m, 31), tilt_deg=-14)
    medial_pterygoid = Ellipsoid((39, -47, -50), (7.5 * m, 14 * m, 26), tilt_deg=-10)
    lateral_pterygoid = Ellipsoid((37, -41, -18), (13 * m, 17, 9 * m), turn_deg=35)
    temporalis = Ellipsoid((62, -46, 16), (6.5 * m, 26, 36))
    tendon = Ellipsoid((53, -50, -10), (5, 13, 18))
    digastric = Chain(
        ((50, 2, -30), (44, -18, -60), (32, -50, -92), (12, -98, -94), (6, -112, -92)), (4, 5, 3.5, 5.5, 5)
    )
    mylohyoid = Chain(((34, -64, -84), (20, -80, -94), (6, -88, -97)), (3.5, 4.5, 5), (1, 2.4, 1))
    buccinator = Chain(((42, -62, -48), (38, -88, -48), (24, -106, -48)), (2.2, 2.2, 3), (1, 1, 6))
    palatal = Chain(((22, -42, -6), (17, -45, -22)), (4, 3.5), (1, 1.5, 1))
    return [
        masseter,
        medial_pterygoid,
        lateral_pterygoid,
        temporalis,
        tendon,
        digastric,
        mylohyoid,
        buccinator,
        palatal,
    ]


def paint_tongue(canvas: Canvas, patient: Patient) -> None:
    """Tongue, floor of the mouth and soft palate."""
    palette = patient.palette
    canvas.paint(Ellipsoid(patient.jitter((0, -73, -58), 1.5), (26, 34, 22)), palette.tongue, 1.0)
    canvas.paint(Ellipsoid((0, -80, -77), (22, 27, 15)), palette.tongue, 1.0)
    for side in (1, -1):
        canvas.paint(Ellipsoid((side * 22, -82, -72), (5, 18, 6)), palette.submandibular, 0.8)
    canvas.paint(Ellipsoid((0, -70, -67), (1.3, 26, 14)), palette.fat)
    canvas.paint(
        Chain(((0, -60, -32), (0, -48, -38), (0, -43, -54)), (4.5, 5, 3.5), (3, 1, 1)), palette.muscle, 0.6
    )
