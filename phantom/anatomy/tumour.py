"""The primary tumour (GTVp) and the involved nodes (GTVnd).

Both are kept as smooth distance fields (mm, negative inside) over a block of the working grid, so that masks
can be made on a finer grid than the one they were painted on.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from phantom.anatomy.organs import NODE_CHAINS
from phantom.anatomy.patient import Patient
from phantom.drawing.canvas import Canvas, Kind, Slices, Tissue
from phantom.drawing.shapes import (
    Array,
    Box,
    Ellipsoid,
    Mirrored,
    Offset,
    Point,
    Shape,
    Union,
    smooth_minimum,
)

_BARRED_MM = np.float32(30)
# A node that the primary tumour or bone leaves less room than this share of its volume is not there.
_LEAST_SHARE = 0.35

# Where a nasopharyngeal tumour starts (both sides are possible) and where it extends to: centre, radii (mm),
# and how likely at the smallest and at the largest volume. Positive x is the tumour's own side.
_EXTENSIONS: tuple[tuple[Point, Point, float, float], ...] = (
    ((0, -38, -20), (14, 7, 14), 0.5, 1.0),
    ((-13, -40, -20), (9, 9, 12), 0.2, 0.9),
    ((26, -41, -26), (12, 11, 15), 0.3, 0.95),
    ((-26, -41, -26), (11, 10, 13), 0.0, 0.5),
    ((0, -30, -8), (14, 10, 10), 0.2, 0.9),
    ((6, -44, 2), (14, 12, 10), 0.0, 0.6),
    ((7, -64, -18), (7, 13, 11), 0.05, 0.6),
    ((8, -26, -36), (12, 7, 14), 0.1, 0.7),
    ((13, -39, -46), (10, 8, 13), 0.05, 0.5),
    ((26, -30, -4), (11, 9, 8), 0.05, 0.6),
    ((38, -46, -22), (11, 11, 14), 0.0, 0.3),
)


@dataclass(frozen=True)
class Lesion:
    """A distance field (mm, negative inside) over a block of the working grid."""

    block: Slices
    distance: Array


def paint_primary(canvas: Canvas, patient: Patient) -> Lesion:
    """Grow the primary tumour from the fossa of Rosenmueller to a drawn volume, and paint it."""
    rng = patient.rng
    volume_cm3 = primary_volume(rng)
    shape = primary_shape(rng, volume_cm3)
    reach = Box((0, -42, -20), (62, 52, 56))
    block = canvas.find(reach, 0)
    assert block is not None, "every field of view includes the nasopharynx"
    distance = shape.distance(canvas.x[block], canvas.y[block], canvas.z[block])
    rough = float(rng.uniform(1.0, 3.2))
    distance = distance + np.float32(rough) * canvas.relief[block] + np.float32(0.8) * canvas.texture[block]
    distance += resistance(canvas.kind[block], canvas.grid.spacing_xyz, rng)
    barred = np.isin(canvas.kind[block], (Kind.NERVOUS, Kind.OUTSIDE, Kind.ARTERY, Kind.VEIN))
    barred |= canvas.y[block] < -96
    distance = to_volume(distance, barred, volume_cm3, canvas.grid.voxel_cm3)
    canvas.fill(block, distance, _primary_tissue(patient))
    _vary_enhancement(canvas, Lesion(block, distance), rng, volume_cm3)
    return Lesion(block, distance)


def primary_volume(rng: np.random.Generator) -> float:
    """cm³, drawn."""
    return float(np.clip(np.exp(rng.normal(np.log(36), 0.75)), 2.5, 110))


def primary_shape(rng: np.random.Generator, volume_cm3: float) -> Shape:
    """Of a nasopharyngeal tumour of about that volume, in the patient frame; before anything holds it back."""
    stage = float(np.clip(np.log(volume_cm3 / 2.5) / np.log(110 / 2.5), 0, 1))
    seat = Ellipsoid((11 + float(rng.normal(0, 2)), -39, -21 + float(rng.normal(0, 3))), (10, 9, 13))
    # The seat is grown less by the fields around it than it leads them: 2 mm ahead keeps it in the mass.
    parts: list[Shape] = [Offset(seat, 1 + 2 * stage)]
    for centre, radii, small, large in _EXTENSIONS:
        if rng.random() < small + (large - small) * stage**1.6:
            moved = np.asarray(centre) + rng.normal(0, 2.5, 3)
            grown = np.asarray(radii) * np.exp(rng.normal(0, 0.22, 3)) * (0.75 + 0.35 * stage)
            parts.append(Ellipsoid((moved[0], moved[1], moved[2]), (grown[0], grown[1], grown[2])))
    shape = Union(tuple(parts), 7)
    return shape if rng.random() < 0.5 else Mirrored(shape)


def resistance(kind: np.ndarray, spacing_xyz: tuple[float, float, float], rng: np.random.Generator) -> Array:
    """How much (mm) each tissue holds the tumour back; smoothed so that the surface stays smooth."""
    cost = np.zeros(len(Kind), np.float32)
    cost[Kind.BONE] = rng.uniform(2, 9)
    cost[Kind.FAT] = rng.uniform(-1.5, 0.5)
    cost[Kind.AIRWAY] = rng.uniform(0, 3)
    return ndimage.gaussian_filter(cost[kind], (0.6, 1.2 / spacing_xyz[1], 1.2 / spacing_xyz[0]))


def to_volume(distance: Array, barred: np.ndarray, volume_cm3: float, voxel_cm3: float) -> Array:
    """Shift the field so that it encloses the volume, cut what is barred and keep the largest piece."""
    free = distance[~barred]
    count = min(int(volume_cm3 / voxel_cm3), free.size - 1)
    distance = distance - np.partition(free, count)[count]
    return keep_largest(cut(distance, barred))


def cut(distance: Array, barred: np.ndarray) -> Array:
    """Remove voxels from a field, leaving its boundary at their edge."""
    return np.where(barred, np.maximum(distance, np.float32(0.6)), distance)


def keep_largest(distance: Array) -> Array:
    """Push everything but the largest connected piece out of a field."""
    pieces, count = ndimage.label(distance < 0)
    if count < 2:
        return distance
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    stray = (pieces > 0) & (pieces != sizes.argmax())
    return np.where(stray, np.float32(0.6), distance)


def _primary_tissue(patient: Patient) -> Tissue:
    rng, muscle = patient.rng, patient.palette.muscle
    added = muscle.enhancement + float(rng.uniform(18, 52))
    return Tissue(muscle.hu + float(rng.normal(0, 4)), added, float(rng.uniform(3, 8)), Kind.SOFT)


def _vary_enhancement(canvas: Canvas, lesion: Lesion, rng: np.random.Generator, volume_cm3: float) -> None:
    block = lesion.block
    inside = np.clip(0.5 - lesion.distance / canvas.edge_mm, 0, 1)
    amplitude = np.float32(rng.uniform(2, 9))
    canvas.enhancement[block] += amplitude * inside * canvas.relief[block]
    if volume_cm3 > 25 and rng.random() < 0.4:
        core = lesion.distance + 9 + 5 * canvas.relief[block]
        canvas.fill(block, core.astype(np.float32), _necrosis(rng))


def _necrosis(rng: np.random.Generator) -> Tissue:
    return Tissue(float(rng.normal(22, 8)), float(rng.uniform(0, 14)), 4, Kind.SOFT)


@dataclass(frozen=True)
class NodeShape:
    """One involved node (or a conglomerate) in the template, and how far (mm) its surface departs from the shape."""

    shape: Shape
    centre: Point
    radius_mm: float
    rough_mm: float


@dataclass(frozen=True)
class NodePlan:
    """An involved node and its distance field."""

    node: NodeShape
    lesion: Lesion


def draw_nodes(rng: np.random.Generator) -> list[NodeShape]:
    """0 to 6 involved nodes, more of them on one side."""
    if rng.random() < 0.15:
        return []
    count = 1 + int(rng.binomial(5, 0.48))
    main_side = int(rng.choice([-1, 1]))
    nodes = []
    for index in range(count):
        side = main_side if rng.random() < 0.65 else -main_side
        shares = (0.42, 0.2, 0.1, 0.15, 0.13) if index else (0.66, 0.13, 0.03, 0.05, 0.13)
        level = str(rng.choice(["II", "III", "IV", "V", "RP"], p=shares))
        nodes.append(_draw_node(rng, level, side))
    return nodes


def _draw_node(rng: np.random.Generator, level: str, side: int) -> NodeShape:
    start, stop = (np.asarray(point) for point in NODE_CHAINS[level])
    spot = start + rng.random() * (stop - start) + rng.normal(0, 2.5, 3)
    short = float(np.clip(np.exp(rng.normal(np.log(21), 0.40)), 9, 40)) / 2
    if level == "RP":
        short = float(rng.uniform(4.3, 7.5))
    elif level in ("IV", "V"):
        short = max(4.3, short * 0.8)
    radii = (short, short * float(rng.uniform(1.0, 1.3)), short * float(rng.uniform(1.15, 1.7)))
    parts: list[Shape] = [
        Ellipsoid((side * spot[0], spot[1], spot[2]), radii, turn_deg=float(rng.uniform(-50, 50)))
    ]
    if level != "RP" and rng.random() < 0.25:
        for _ in range(int(rng.integers(1, 3))):
            moved = spot + rng.normal(0, 1, 3) * (0.5, 0.8, 1.3) * short
            smaller = np.asarray(radii) * rng.uniform(0.6, 0.95)
            parts.append(
                Ellipsoid((side * moved[0], moved[1], moved[2]), (smaller[0], smaller[1], smaller[2]))
            )
    centre = (float(side * spot[0]), float(spot[1]), float(spot[2]))
    return NodeShape(Union(tuple(parts), 0.6 * short), centre, float(np.mean(radii)), min(1.3, 0.12 * short))


def plan_nodes(canvas: Canvas, rng: np.random.Generator) -> list[NodePlan]:
    """The involved nodes in the field of view, on the upright template, before anything is displaced by them."""
    plans = []
    for node in draw_nodes(rng):
        block = canvas.find(node.shape, 8)
        if block is not None:
            distance = node.shape.distance(canvas.x[block], canvas.y[block], canvas.z[block])
            distance = distance + np.float32(node.rough_mm) * canvas.relief[block]
            plans.append(NodePlan(node, Lesion(block, distance)))
    return plans


def displace(canvas: Canvas, plans: list[NodePlan]) -> None:
    """Let the involved nodes push their surroundings aside, least near the spine."""
    for plan in plans:
        reach = 2.2 * plan.node.radius_mm
        block = canvas.find(Ellipsoid(plan.node.centre, (reach, reach, reach)), 2)
        if block is None:
            continue
        axes = (canvas.x, canvas.y, canvas.z)
        offsets = [axis[block] - np.float32(c) for axis, c in zip(axes, plan.node.centre, strict=True)]
        squared = np.sum([offset * offset for offset in offsets], axis=0) / np.float32(reach**2)
        shrink = np.float32(0.55) * np.clip(1 - squared, 0, 1)
        shrink = shrink * np.clip((np.abs(canvas.x[block]) - 12) / 18, 0, 1)
        for axis, offset in zip(axes, offsets, strict=True):
            axis[block] -= shrink * offset
    canvas.refresh()


def paint_nodes(
    canvas: Canvas, patient: Patient, plans: list[NodePlan], outline: Array, primary: Lesion
) -> list[Lesion]:
    """Paint the planned nodes under the skin, outside bone, airway, vessels and the primary tumour."""
    taken = np.zeros(canvas.grid.shape_zyx, bool)
    taken[primary.block] = primary.distance < 1
    lesions = []
    for plan in plans:
        block = plan.lesion.block
        kinds = canvas.kind[block]
        # Veins may be compressed away by a node; everything firmer stays.
        barred = (
            np.isin(kinds, (Kind.BONE, Kind.NERVOUS, Kind.AIRWAY, Kind.OUTSIDE, Kind.ARTERY)) | taken[block]
        )
        distance = np.maximum(plan.lesion.distance, outline[block] + np.float32(3.5))
        distance = keep_largest(cut(distance, barred))
        if (distance < 0).sum() < _LEAST_SHARE * (plan.lesion.distance < 0).sum():
            continue
        lesion = Lesion(block, distance.astype(np.float32))
        _paint_node(canvas, patient, lesion)
        lesions.append(lesion)
    return lesions


def _paint_node(canvas: Canvas, patient: Patient, lesion: Lesion) -> None:
    rng, muscle = patient.rng, patient.palette.muscle
    added = muscle.enhancement + float(rng.uniform(22, 60))
    hu = muscle.hu + float(rng.normal(-3, 5))
    canvas.fill(lesion.block, lesion.distance, Tissue(hu, added, float(rng.uniform(3, 7)), Kind.SOFT))
    pattern = rng.random()
    if pattern < 0.45:
        return
    rim = float(rng.uniform(2.0, 4.5)) if pattern < 0.8 else float(rng.uniform(4, 7))
    core = lesion.distance + rim + np.float32(1.2 if pattern < 0.8 else 3.5) * canvas.relief[lesion.block]
    canvas.fill(lesion.block, core.astype(np.float32), _necrosis(rng))


def merged(lesions: list[Lesion], shape_zyx: tuple[int, int, int]) -> Array:
    """One field over the whole working grid: the union of the lesions, `_BARRED_MM` far from them."""
    field = np.full(shape_zyx, _BARRED_MM, np.float32)
    for lesion in lesions:
        field[lesion.block] = smooth_minimum(field[lesion.block], lesion.distance, 0)
    return field
