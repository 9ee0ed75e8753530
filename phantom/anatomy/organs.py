"""Brain, eyes, glands, vessels and normal lymph nodes."""

import numpy as np

from phantom.anatomy.patient import Patient, cord_depth
from phantom.anatomy.skeleton import both_sides, cavity
from phantom.drawing.canvas import Canvas, Kind, Tissue
from phantom.drawing.shapes import (
    Box,
    Chain,
    Column,
    Ellipsoid,
    Mirrored,
    Offset,
    Point,
    Shape,
    Union,
    Without,
)


def paint_brain(canvas: Canvas, patient: Patient) -> None:
    """Brain with fissure, ventricles, cerebellum, brainstem, dural sinuses."""
    palette = patient.palette
    inside = cavity()
    atrophy = float(patient.rng.uniform(0.8, 2.8))
    canvas.paint(inside, palette.fluid)
    stem = Chain(((0, 2, 20), (0, -2, 5), (0, -1, -8), (0, 2, -27)), (10.5, 14, 11.5, 7.5), (1.25, 0.95, 1))
    matter = Without(
        Offset(inside, -atrophy), Union((Offset(stem, 3.0), Ellipsoid((0, -28, 12), (17, 11, 9))), 2)
    )
    canvas.paint(matter, palette.grey, 0.8, "Brain")
    for shape in both_sides(Ellipsoid((28, 10, 52), (24, 60, 40))):
        canvas.paint(shape, palette.white, 3.0)
    canvas.paint(Box((0, 8, 72), (1.0, 76, 40), 0.5), palette.fluid)
    for shape in both_sides(Chain(((34, -25, 26), (50, -5, 34), (56, 12, 42)), (2.2, 1.8, 1.2), (1, 1, 2))):
        canvas.paint(shape, palette.fluid, 0.8)
    size = float(np.exp(patient.rng.normal(0, 0.25)))
    for shape in both_sides(
        Chain(((9, -26, 46), (10, 0, 52), (18, 28, 46)), (4 * size, 4 * size, 6 * size), (1, 1, 1.5))
    ):
        canvas.paint(shape, palette.fluid, 0.5)
    canvas.paint(Chain(((0, -8, 36), (0, 4, 34)), (2, 2), (1, 1, 3)), palette.fluid)
    _paint_sulci(canvas, patient, inside)
    canvas.paint(stem, palette.stem, 0.3, "Brainstem")
    canvas.paint(Ellipsoid((0, 17, -6), (6, 4, 9)), palette.fluid)
    canvas.paint(Ellipsoid((0, -31, 11), (6, 4.5, 3.5)), patient.vary(palette.mucosa, 3, 8))
    vein, artery = palette.vein, palette.artery
    canvas.paint(Chain(((0, 92, -2), (0, 92, 40), (0, 60, 100), (0, 0, 110)), (3.4, 3.2, 3, 2)), vein)
    for shape in both_sides(
        Chain(((0, 92, 0), (38, 74, -2), (50, 34, -6), (46, 14, -24), (32, -2, -28)), (3.5, 3.5, 3.8, 4, 4))
    ):
        canvas.paint(shape, vein)
    canvas.paint(Chain(((0, -16, 24), (0, -16, -4), (0, -12, -16)), (1.6, 1.8, 1.8)), artery)
    for shape in both_sides(Chain(((10, -28, 16), (28, -24, 20), (46, -16, 26)), (1.8, 1.5, 1.2))):
        canvas.paint(shape, artery)


def _paint_sulci(canvas: Canvas, patient: Patient, inside: Shape) -> None:
    """Thin fluid clefts just under the surface, where the relief changes sign."""
    block = canvas.find(inside, 0)
    if block is None:
        return
    depth = -inside.distance(canvas.x[block], canvas.y[block], canvas.z[block])
    cleft = np.abs(canvas.relief[block]) * 5 - 1.1
    near_surface = np.maximum(np.abs(depth - 6) - 7, 0)
    tentorium = 20 - (canvas.z[block] + 4)
    distance = np.maximum(np.maximum(cleft, near_surface), tentorium)
    canvas.fill(block, distance, patient.palette.fluid)


def paint_eyes(canvas: Canvas, patient: Patient) -> None:
    """Orbits with fat, globes, lenses, optic nerves and eye muscles."""
    palette = patient.palette
    height = float(patient.rng.normal(26, 1.5))
    size = float(np.exp(patient.rng.normal(0, 0.03)))
    for side, label in ((1, "L"), (-1, "R")):
        eye: Point = (side * 32.0, -81.0, height)
        cone = Chain(((side * 16, -42, 22), (side * 30, -78, height)), (5, 17.5))
        canvas.paint(Offset(cone, 1.2), palette.cortical)
        canvas.paint(cone, palette.fat)
        _paint_eye_muscles(canvas, palette.muscle, side, eye)
        nerve = Chain(
            (
                (side * 11, -40, 20),
                (side * 16, -48, 21),
                (side * 26, -63, height - 1),
                (side * 31, -71, height),
            ),
            (1.8, 1.8, 2.1, 2.1),
        )
        canvas.paint(nerve, palette.nerve, 0, f"OpticNerve_{label}")
        globe = Ellipsoid(eye, (12.6 * size, 12.4 * size, 12.6 * size))
        canvas.paint(globe, palette.skin, 0, f"Eye_{label}")
        canvas.paint(Ellipsoid(eye, (11.3 * size, 11.1 * size, 11.3 * size)), palette.vitreous)
        lens = Ellipsoid((eye[0], eye[1] - 8.3, eye[2] + 0.5), (4.6, 2.5, 4.6))
        canvas.paint(lens, palette.lens, 0, f"Lens_{label}")
        lacrimal = Ellipsoid((side * 43, -76, height + 6), (2.6, 6.4, 7.4))
        canvas.paint(lacrimal, palette.submandibular, 0.4, f"Lacrimal_{label}")


def _paint_eye_muscles(canvas: Canvas, muscle: Tissue, side: int, eye: Point) -> None:
    """The four straight muscles, from the apex of the orbit to the globe."""
    wide, flat = (2.2, 1.0, 1.0), (1.0, 1.0, 2.2)
    for dx, dz, squash in ((12, 0, flat), (-12, 0, flat), (0, 12, wide), (0, -12, wide)):
        middle = (side * 25 + dx * 0.9, -64.0, eye[2] - 2 + dz * 0.8)
        points = ((side * 17.0, -46.0, 22.0), middle, (eye[0] + dx, -78.0, eye[2] + dz))
        canvas.paint(Chain(points, (1.6, 2.1, 1.0), squash), muscle)


def paint_glands(canvas: Canvas, patient: Patient) -> None:
    """Parotid, submandibular and thyroid glands."""
    palette, g = patient.palette, patient.gland_size
    for side, label in ((1, "L"), (-1, "R")):
        parotid = Union(
            (
                Ellipsoid(patient.jitter((60, -22, -39), 1), (10.5 * g, 18 * g, 26 * g)),
                Ellipsoid((48, -17, -40), (9 * g, 8 * g, 17 * g)),
                Ellipsoid((66, -46, -36), (3.8 * g, 15, 14 * g)),
            ),
            5,
        )
        below = Ellipsoid(
            patient.jitter((33, -47, -81), 1.5),
            patient.scale((9.8 * g, 12.6 * g, 16.2 * g), 0.05),
            tilt_deg=20,
        )
        thyroid = Ellipsoid(
            patient.jitter((18, -37, -158), 1), patient.scale((9 * g, 11 * g, 25 * g), 0.1), turn_deg=20
        )
        for shape, tissue, name in (
            (parotid, palette.parotid, f"Parotid_{label}"),
            (below, palette.submandibular, f"Submandibular_{label}"),
            (thyroid, palette.thyroid, "Thyroid"),
        ):
            canvas.paint(shape if side > 0 else Mirrored(shape), patient.vary(tissue, 3, 4), 1.0, name)
    canvas.paint(
        Chain(((-16, -46, -162), (0, -51, -163), (16, -46, -162)), (3.5, 2.6, 3.5), (1, 1, 2)),
        palette.thyroid,
        0.4,
        "Thyroid",
    )


def paint_vessels(canvas: Canvas, patient: Patient) -> None:
    """Carotid, vertebral and subclavian arteries, jugular veins; the right jugular often the larger."""
    palette, rng = patient.palette, patient.rng
    for side in (1, -1):
        fork = float(rng.normal(-95, 6))
        wide = float(np.exp(rng.normal(0.05 if side < 0 else -0.05, 0.2)))
        artery = patient.vary(palette.artery, 1, 10)
        canvas.paint(_placed(_jugular(wide), side), patient.vary(palette.vein, 1, 12), 0.5)
        for shape in _arteries(fork):
            canvas.paint(_placed(shape, side), artery)
        canvas.paint(
            _placed(Chain(((24, -38, -212), (50, -40, -212), (110, -22, -215)), (6, 5.5, 5)), side),
            palette.vein,
        )
        surface = Chain(
            ((58, -20, -66), (57, -8, -110), (52, 4, -150), (40, -14, -200)), (1.6, 1.8, 2.0, 2.2)
        )
        canvas.paint(_placed(surface, side), patient.vary(palette.vein, 1, 15))
        canvas.paint(
            _placed(Chain(((51, -32, -20), (50, -28, -60), (40, -26, -84)), (1.6, 1.9, 2.0)), side),
            palette.vein,
        )
    canvas.paint(Chain(((-30, -46, -238), (0, -40, -256), (30, -20, -262)), (9, 12, 11)), palette.artery)


def _jugular(wide: float) -> Shape:
    """Internal jugular vein of the left side; `wide` scales its calibre."""
    return Column(
        (
            (-26, 30, -10, 3.5, 4),
            (-60, 33, -16, 4.2 * wide, 5.0 * wide),
            (-100, 35, -20, 5.0 * wide, 6.2 * wide),
            (-140, 33, -20, 5.5 * wide, 6.5 * wide),
            (-180, 29, -24, 6.5 * wide, 6.5 * wide),
            (-212, 24, -38, 7, 7),
        )
    )


def _arteries(fork: float) -> tuple[Shape, ...]:
    """Arteries of the left side; the common carotid divides at height `fork` (mm)."""
    common = Column(
        (
            (-240, 16, -25, 4, 4),
            (-205, 20, -24, 3.6, 3.6),
            (-150, 24, -25, 3.5, 3.5),
            (fork - 4, 26, -29, 4.3, 4.0),
        )
    )
    inner = Column(
        (
            (fork - 8, 28, -27, 3.2, 3.2),
            (-60, 27, -25, 2.6, 2.6),
            (-36, 27, -23, 2.5, 2.5),
            (-10, 25, -22, 2.5, 2.5),
        )
    )
    siphon = Chain(
        ((25, -22, -12), (20, -26, -4), (10, -34, 2), (10, -40, 9), (10, -30, 16)),
        (2.5, 2.4, 2.3, 2.2, 2.0),
    )
    outer = Chain(((25, -31, fork), (30, -38, -78), (46, -30, -50), (52, -26, -24)), (2.4, 2.1, 1.9, 1.5))
    facial = Chain(((31, -38, -78), (44, -62, -86), (50, -80, -74)), (1.6, 1.3, 1.0))
    subclavian = Chain(((16, -20, -235), (26, -8, -205), (60, -14, -200), (110, 0, -208)), (5, 4.5, 4.5, 4))
    vertebral = tuple((float(z), 16.5, cord_depth(z) - 14, 1.8, 1.8) for z in range(-145, -49, 12))
    return common, inner, siphon, outer, facial, subclavian, Column(vertebral)


def _placed(shape: Shape, side: int) -> Shape:
    return shape if side > 0 else Mirrored(shape)


# Where lymph nodes lie on the left: level, then chain of points along which they are scattered.
NODE_CHAINS: dict[str, tuple[Point, ...]] = {
    "II": ((45, -20, -62), (42, -24, -92)),
    "III": ((42, -22, -96), (38, -26, -128)),
    "IV": ((37, -24, -135), (34, -26, -178)),
    "V": ((50, 16, -75), (54, 18, -165)),
    "RP": ((19, -26, -30), (18, -25, -52)),
    "I": ((24, -72, -94), (40, -66, -88)),
}


def paint_normal_nodes(canvas: Canvas, patient: Patient) -> None:
    """Small homogeneous nodes of 3 to 8 mm short axis, as distractors."""
    rng = patient.rng
    for _ in range(int(rng.integers(10, 26))):
        level = str(rng.choice(list(NODE_CHAINS), p=[0.28, 0.2, 0.12, 0.18, 0.06, 0.16]))
        start, stop = (np.asarray(point) for point in NODE_CHAINS[level])
        spot = start + rng.random() * (stop - start) + rng.normal(0, 4, 3)
        short = rng.uniform(1.5, 4.0) if level != "RP" else rng.uniform(1.2, 2.2)
        radii = (short, short * rng.uniform(1, 1.4), short * rng.uniform(1.2, 2))
        side = rng.choice([-1, 1])
        node = Ellipsoid((side * spot[0], spot[1], spot[2]), radii, turn_deg=float(rng.uniform(-60, 60)))
        canvas.paint(node, patient.vary(patient.palette.node, 3, 5))
        if short > 2.5 and rng.random() < 0.3:
            fat = patient.palette.fat
            canvas.paint(
                Ellipsoid(node.centre, (0.8, 1.2, 1.5)), Tissue(fat.hu * 0.6, fat.enhancement, 4, Kind.FAT)
            )
