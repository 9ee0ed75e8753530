"""From one real CT to a pair: what contrast adds or takes away, other tissues and noise, and tumours painted in.

HU float32 arrays (z, y, x). A radiotherapy planning CT is often taken with contrast and comes alone; the other one of
the pair is made up.
"""

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from phantom.drawing.canvas import Kind, smooth_noise
from phantom.drawing.shapes import Array, Chain
from training.grafts.patient import BONE_HU, ORGANS, RealPatient, neck_frame
from training.grafts.tumours import Field, canvas_grid

# How often both CTs of a pair are the same image, the plain one is made up, or the one with contrast.
MODES, SHARES = ("same", "plain", "contrast"), (0.3, 0.4, 0.3)
# Between these a voxel may hold contrast medium [HU].
VESSEL_HU = (85, 260)
MUSCLE_HU = (20, 90)
# How much brighter than the soft tissue around it a tumour is with contrast [HU]: enough to be seen, else what is drawn
# would not follow what is there. Around it: between so many mm from its border.
BRIGHTER_HU, AROUND_MM = (15, 58), (2, 10)
# How often a tumour has a dead core, by its label, what share of it that is, and how thick the living rim is at least.
NECROTIC, DEAD_SHARE, RIM_MM = {1: 0.15, 2: 0.35}, (0.05, 0.4), 2.5
# How strong added noise is [HU], and how often it is.
NOISE_HU, NOISY = (2.0, 18.0), 0.5
# How coarse noise may be (of the Gaussian that smooths it, in voxels), and how much of it shows how coarse it is.
GRAINS_Z, GRAINS, SAMPLE = (0.0, 0.35, 0.5, 0.7), (0.3, 0.5, 0.7, 0.9, 1.1), (16, 48, 48)
NEXT = ((1, 3, 3), (3, 1, 1))
# HU of the tissues that other scanners and painters give: air, fat, its border, soft tissue, its border, bone, metal.
KNOTS_HU = (-1000.0, -110.0, -30.0, 45.0, 120.0, 700.0, 3000.0)
KNOTS_SD = (5.0, 14.0, 10.0, 9.0, 25.0, 120.0, 0.0)
# A vessel's course in the phantoms' frame [mm], left side: carotid artery and jugular vein.
CAROTID = ((26, -22, -30), (27, -21, -80), (25, -20, -130), (22, -24, -180))
JUGULAR = ((31, -14, -30), (35, -15, -80), (33, -17, -130), (30, -22, -180))


@dataclass(frozen=True)
class Scans:
    """Both CTs of a pair [HU] and the label map (0, 1 GTVp, 2 GTVnd)."""

    ct: Array
    ce: Array
    label: NDArray[np.uint8]


def made_pair(
    patient: RealPatient, kind: NDArray[np.uint8], repaint: bool, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Both CTs without synthetic tumours; repaint: with other tissues, too, as in a drawing."""
    hu = repainted(patient, kind, rng) if repaint else patient.hu.copy()
    mode = str(rng.choice(MODES, p=SHARES))
    ct, ce = hu, hu
    if mode == "plain":
        ct = without_contrast(patient, hu, kind, rng)
    if mode == "contrast":
        ce = with_contrast(patient, hu, kind, rng)
    if not repaint and rng.random() < NOISY:
        with_noise((ct,) if ct is ce else (ct, ce), kind, rng)
    return ct, ce.copy()


def without_contrast(
    patient: RealPatient, hu: Array, kind: NDArray[np.uint8], rng: np.random.Generator
) -> Array:
    """Bright soft tissue away from bone becomes blood; all other soft tissue a little darker."""
    low, high = VESSEL_HU
    bone = ndimage.binary_dilation(hu > BONE_HU + 80, iterations=2)
    share = np.clip((hu - low + 20) / 20, 0, 1) * ((hu < high) & ~bone & (kind != Kind.OUTSIDE))
    share = ndimage.gaussian_filter(share.astype(np.float32), (0, 0.5, 0.5))
    blood = np.float32(rng.uniform(35, 52)) + np.float32(0.1) * (hu - low)
    plain = hu + share * np.minimum(blood - hu, 0)
    return (plain - np.float32(rng.uniform(0, 12)) * (1 - share) * (kind == Kind.SOFT)).astype(np.float32)


def with_contrast(
    patient: RealPatient, hu: Array, kind: NDArray[np.uint8], rng: np.random.Generator
) -> Array:
    """Soft tissue takes up a little, unevenly; vessels run where the phantoms' do."""
    uneven = np.maximum(1 + np.float32(0.35) * smooth_noise(canvas_grid(patient), 15.0, rng), 0)
    added = np.float32(rng.uniform(2, 25)) * uneven * (kind == Kind.SOFT)
    x, y, z = neck_frame(patient)
    free = np.isin(kind, (Kind.SOFT, Kind.FAT))
    off = rng.normal(0, 2.5, 3)
    for course, radii in ((CAROTID, (2.5, 4.5)), (JUGULAR, (3.0, 7.0))):
        for side in (-1, 1):
            points = tuple((px + off[0], py + off[1], pz + off[2]) for px, py, pz in course)
            tube = Chain(points, (float(rng.uniform(*radii)),) * len(points))
            inside = np.clip(0.5 - tube.distance(side * x, y, z) / 2, 0, 1) * free
            bright = np.float32(rng.uniform(60, 200))
            added = added + inside * np.maximum(bright + 45 - hu - added, 0)
    return (hu + added).astype(np.float32)


def repainted(patient: RealPatient, kind: NDArray[np.uint8], rng: np.random.Generator) -> Array:
    """Tissues with other HU, flatter or not, organs with their own, and other noise."""
    knots = np.array(KNOTS_HU)
    values = np.maximum.accumulate(knots + rng.normal(0, KNOTS_SD))
    hu = patient.hu
    flat = np.float32(rng.uniform(0, 0.9))
    middle = np.array([-1000, values[1], values[3], 250, -1000, values[3] - 8, 0, 0], np.float32)[kind]
    smooth = flat * np.isin(kind, (Kind.FAT, Kind.SOFT))
    hu = np.interp(hu, knots, values).astype(np.float32)
    hu = hu + smooth * (middle - hu)
    for value in ORGANS.values():
        organ = ndimage.gaussian_filter((patient.organs == value).astype(np.float32), (0.3, 0.6, 0.6))
        hu = hu + np.float32(rng.normal(0, 14)) * organ * (kind == Kind.SOFT)
    hu = np.asarray(hu, np.float32)
    with_noise((hu,), kind, rng)
    return hu


def paint(
    ct: Array, ce: Array, primary: Field | None, nodes: list[Field], edge_mm: float, rng: np.random.Generator
) -> Scans:
    """The tumours in both CTs, and the label map; where both are the same image, they stay the same."""
    same = np.array_equal(ct, ce)
    noise = [noise_like(ct, rng)]
    noise.append(noise[0] if same else noise_like(ce, rng))
    label = np.zeros(ct.shape, np.uint8)
    for field, value in [(node, 2) for node in nodes] + [(primary, 1)] * (primary is not None):
        assert field is not None
        inside = np.clip(0.5 - field.distance / np.float32(edge_mm), 0, 1)
        plain = soft_hu(ct, field) + rng.normal(-2, 6)
        bright = soft_hu(ce, field) + rng.uniform(*BRIGHTER_HU)
        for image, level, grain in ((ct, bright if same else plain, noise[0]), (ce, bright, noise[1])):
            grain = grain + np.float32(rng.uniform(0, 5)) * field.relief
            image += inside * (np.float32(level) + grain - image)
        if rng.random() < NECROTIC[value]:
            core, dead = dead_core(field, edge_mm, rng), np.float32(rng.normal(22, 8))
            for image, more, grain in ((ct, 0.0, noise[0]), (ce, rng.uniform(0, 14), noise[1])):
                image += core * (dead + np.float32(more * (not same)) + grain - image)
        label[field.distance < 0] = value
    if same:
        ce[...] = ct
    return Scans(ct, ce, label)


def dead_core(field: Field, edge_mm: float, rng: np.random.Generator) -> Array:
    """How much of each voxel is dead, 0 to 1: the deepest part of a tumour, under a living rim.

    By its share, not by its depth: else nearly all of a large tumour would be dead, and dark with contrast.
    """
    depth_mm = field.distance + 2 * field.relief
    within = depth_mm[field.distance < 0]
    if not within.size:
        return np.zeros_like(field.distance)
    border_mm = min(float(np.quantile(within, rng.uniform(*DEAD_SHARE))), -RIM_MM)
    core: Array = np.clip(0.5 - (depth_mm - np.float32(border_mm)) / np.float32(edge_mm), 0, 1)
    return core


def soft_hu(image: Array, field: Field) -> float:
    """Median of the soft tissue around a tumour, or of all soft tissue where there is none around it."""
    low, high = MUSCLE_HU
    soft = (image > low) & (image < high + 30)
    around = image[soft & (field.distance > AROUND_MM[0]) & (field.distance < AROUND_MM[1])]
    values = around if around.size > 20 else image[soft]
    return float(np.median(values)) if values.size else 50.0


def noise_like(image: Array, rng: np.random.Generator) -> Array:
    """Noise as strong and as coarse as that of an image's soft tissue, for tumours that are as rough as what is there.

    Were the noise in tumours of another kind, a network would learn to look for that.
    """
    soft = (image > MUSCLE_HU[0]) & (image < MUSCLE_HU[1])
    for erosions in (2, 1):  # away from edges, where there is room
        if (inner := ndimage.binary_erosion(soft, iterations=erosions)).sum() > 100:
            break
    goal = [_deviation(part[inner]) if inner.any() else 0.0 for part in _parts(image)]
    if not goal[1]:
        return np.zeros_like(image)
    white = rng.standard_normal(SAMPLE, dtype=np.float32)

    def unlike(grain: tuple[float, float]) -> float:
        there = [_deviation(part) for part in _parts(_grained(white, grain))]
        return sum(abs(np.log(there[k] / there[1] * goal[1] / max(goal[k], 1e-6))) for k in (0, 2))

    grain = min(itertools.product(GRAINS_Z, GRAINS), key=unlike)
    noise = _grained(rng.standard_normal(image.shape, dtype=np.float32), grain)
    return (goal[1] / _deviation(_parts(noise[: SAMPLE[0]])[1]) * noise).astype(np.float32)


def _grained(white: Array, grain: tuple[float, float]) -> Array:
    z, plane = grain
    smooth: Array = ndimage.gaussian_filter(white, (z, plane, plane))
    return smooth


def _parts(image: Array) -> list[Array]:
    """What differs from a wide surrounding, from the next voxels in plane, and from those above and below."""
    around = (
        ndimage.gaussian_filter(image, (0, 2.5, 2.5)),
        *(ndimage.uniform_filter(image, n) for n in NEXT),
    )
    return [image - smooth for smooth in around]


def _deviation(values: Array) -> float:
    """Standard deviation, by the median, so that what is no noise hardly counts."""
    return 1.48 * float(np.median(np.abs(values - np.median(values))))


def with_noise(images: tuple[Array, ...], kind: NDArray[np.uint8], rng: np.random.Generator) -> None:
    """Adds noise of one strength and grain to each, in place, inside the patient."""
    strength, grain = np.float32(rng.uniform(*NOISE_HU)), float(rng.uniform(0.3, 0.9))
    for image in images:
        noise = ndimage.gaussian_filter(rng.standard_normal(image.shape, dtype=np.float32), (0, grain, grain))
        image += strength / noise.std() * noise * (kind != Kind.OUTSIDE)


def moved(image: Array, spacing_zyx: tuple[float, ...], rng: np.random.Generator) -> Array:
    """A little off, as a registration leaves it."""
    shift = rng.normal(0, 1.0, 3) / spacing_zyx
    off: Array = ndimage.shift(image, shift, order=1, mode="nearest")
    return off
