"""A phantom's scan, made worse in one way at a time. Nothing but bench.robustness uses this.

What moves or cuts the images moves and cuts the truth as well, so that the score is on the grid that is given.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import affine_transform, shift

from model.structures import LABELS
from phantom import Phantom

AIR_HU, METAL_HU = -1000, 3071
# Of a filling, and how far its streaks reach.
FILLING_MM, STREAK_MM = 4.0, 60.0


@dataclass(frozen=True)
class Scan:
    """ct, ce int16 HU and truth uint8 0/1/2, all (z, y, x) in canonical orientation."""

    ct: np.ndarray
    ce: np.ndarray
    truth: np.ndarray
    spacing_zyx: tuple[float, float, float]


def scan_of(phantom: Phantom) -> Scan:
    """Where both structures are, GTVp, as label maps have it."""
    truth = np.where(phantom.gtvp, LABELS["GTVp"], np.where(phantom.gtvnd, LABELS["GTVnd"], 0))
    z, y, x = phantom.spacing_xyz[::-1]
    return Scan(phantom.ct, phantom.ce, truth.astype(np.uint8), (z, y, x))


def shifted(scan: Scan, mm: float, rng: np.random.Generator) -> Scan:
    """The contrast CT off by so much, in a direction drawn at random."""
    direction = rng.normal(size=3)
    voxels = mm * direction / np.linalg.norm(direction) / scan.spacing_zyx
    moved = shift(scan.ce.astype(np.float32), voxels, order=1, mode="nearest")
    return replace(scan, ce=_hu(moved))


def nodded(scan: Scan, degrees: float, rng: np.random.Generator) -> Scan:
    """Turned about the axis from right to left, the chin up or down."""
    return _turned(scan, degrees * rng.choice((-1, 1)), (0, 1))


def rolled(scan: Scan, degrees: float, rng: np.random.Generator) -> Scan:
    """Turned in plane, to either side."""
    return _turned(scan, degrees * rng.choice((-1, 1)), (1, 2))


def _turned(scan: Scan, degrees: float, plane: tuple[int, int]) -> Scan:
    """About the volume's centre, in the plane of two axes; at its ends the outermost voxels go on."""
    sine, cosine = np.sin(np.radians(degrees)), np.cos(np.radians(degrees))
    turn, (a, b) = np.eye(3), plane
    turn[a, a], turn[a, b], turn[b, a], turn[b, b] = cosine, -sine, sine, cosine
    spacing = np.array(scan.spacing_zyx)
    matrix = turn * spacing / spacing[:, None]
    centre = (np.array(scan.ct.shape) - 1) / 2

    def move(array: np.ndarray) -> np.ndarray:
        return affine_transform(
            array.astype(np.float32), matrix, centre - matrix @ centre, order=1, mode="nearest"
        )

    return replace(scan, ct=_hu(move(scan.ct)), ce=_hu(move(scan.ce)), truth=_truth(scan.truth, move))


def resliced(scan: Scan, mm: float, rng: np.random.Generator) -> Scan:
    """Slices of another thickness: means over theirs where it is larger, else interpolated."""
    weights = slice_weights(len(scan.ct), scan.spacing_zyx[0], mm)

    def move(array: np.ndarray) -> np.ndarray:
        return np.tensordot(weights, array.astype(np.float32), 1)

    truth = _truth(scan.truth, move)
    return Scan(_hu(move(scan.ct)), _hu(move(scan.ce)), truth, (mm, *scan.spacing_zyx[1:]))


def slice_weights(count: int, old_mm: float, new_mm: float) -> np.ndarray:
    """Shares (new, old), float32, of each old slice in each new one; rows add up to 1."""
    new_count = max(1, int(count * old_mm / new_mm))
    centres = (np.arange(new_count) + 0.5) * new_mm / old_mm - 0.5
    half = max(new_mm / old_mm, 1.0) / 2
    reach = np.clip(half + 0.5 - np.abs(centres[:, None] - np.arange(count)), 0, 1)
    return (reach / reach.sum(1, keepdims=True)).astype(np.float32)


def noisy(scan: Scan, hu: float, rng: np.random.Generator) -> Scan:
    """White noise of this standard deviation on both, each its own."""
    ct, ce = (_hu(array + rng.normal(0, hu, array.shape)) for array in (scan.ct, scan.ce))
    return replace(scan, ct=ct, ce=ce)


def with_metal(scan: Scan, fillings: float, rng: np.random.Generator) -> Scan:
    """So many fillings where the densest bone is before the primary, bright and dark streaks in their slices."""
    z, y, x = _places_of_fillings(scan, int(fillings), rng)
    both = [array.astype(np.float32) for array in (scan.ct, scan.ce)]
    _, dy, dx = scan.spacing_zyx
    rows, columns = np.ogrid[: scan.ct.shape[1], : scan.ct.shape[2]]
    thick = max(1, round(FILLING_MM / scan.spacing_zyx[0]))
    for at in zip(z, y, x, strict=True):
        across, along = (rows - at[1]) * dy, (columns - at[2]) * dx
        distance, angle = np.hypot(across, along), np.arctan2(across, along)
        phase = rng.uniform(0, 2 * np.pi, 2)
        streaks = (
            400 * np.exp(-distance / STREAK_MM) * np.sin(7 * angle + phase[0]) * np.sin(3 * angle + phase[1])
        )
        for array in both:
            for k in range(max(0, at[0] - thick // 2), min(len(array), at[0] + thick)):
                array[k] += np.where(array[k] > AIR_HU / 2, streaks, streaks / 4)
                array[k][distance <= FILLING_MM] = METAL_HU
    return replace(scan, ct=_hu(both[0]), ce=_hu(both[1]))


def _places_of_fillings(scan: Scan, count: int, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Voxels (z, y, x) among the densest in front of the primary and within 40 mm of its height."""
    tumour = np.argwhere(scan.truth == LABELS["GTVp"])
    middle = tumour.mean(0) if len(tumour) else np.array(scan.truth.shape) / 2
    near = np.abs(np.arange(len(scan.ct)) - middle[0]) * scan.spacing_zyx[0] <= 40
    bone = np.where(near[:, None, None], scan.ct, AIR_HU)[:, : max(1, int(middle[1]))]
    densest = np.argsort(bone, axis=None)[-500:]
    return np.unravel_index(rng.choice(densest, min(count, len(densest)), replace=False), bone.shape)


def cropped_sides(scan: Scan, mm: float, rng: np.random.Generator) -> Scan:
    """A field of view of this half width, in plane, around the middle of what is drawn in the truth."""
    middle = np.argwhere(scan.truth).mean(0) if scan.truth.any() else np.array(scan.truth.shape) / 2
    box = [slice(None)]
    for n, at, spacing in zip(scan.truth.shape[1:], middle[1:], scan.spacing_zyx[1:], strict=True):
        box.append(slice(max(0, round(at - mm / spacing)), min(n, round(at + mm / spacing) + 1)))
    return _cut(scan, tuple(box))


def cropped_ends(scan: Scan, mm: float, rng: np.random.Generator) -> Scan:
    """Head and chest cut off so far from the truth's ends."""
    filled = np.flatnonzero(scan.truth.any(axis=(1, 2)))
    low, high = (filled[0], filled[-1]) if len(filled) else (0, len(scan.truth) - 1)
    margin = round(mm / scan.spacing_zyx[0])
    return _cut(scan, (slice(max(0, int(low) - margin), int(high) + margin + 1),))


def _cut(scan: Scan, box: tuple[slice, ...]) -> Scan:
    return replace(scan, ct=scan.ct[box], ce=scan.ce[box], truth=scan.truth[box])


def offset(scan: Scan, hu: float, rng: np.random.Generator) -> Scan:
    """A scale that is off by so much, in both."""
    return replace(scan, ct=_hu(scan.ct + hu), ce=_hu(scan.ce + hu))


def without_contrast(scan: Scan, share: float, rng: np.random.Generator) -> Scan:
    """This share of the enhancement is left; of none of it, the CT twice."""
    return replace(scan, ce=_hu(scan.ct + share * (scan.ce.astype(np.float32) - scan.ct)))


def _hu(array: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(array, -1024, METAL_HU)).astype(np.int16)


def _truth(truth: np.ndarray, move: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Labels whose masks were moved each; GTVp where both are."""
    masks = {label: move(truth == label) >= 0.5 for label in LABELS.values()}
    return np.where(masks[1], 1, np.where(masks[2], 2, 0)).astype(np.uint8)


# By name: what is done, and how much of it. The values that the sheet is judged by come with --quick.
Degradation = Callable[[Scan, float, np.random.Generator], Scan]
EFFECTS: dict[str, tuple[Degradation, tuple[float, ...], tuple[float, ...]]] = {
    "pair shift [mm]": (shifted, (1, 2, 3, 4.5, 6), (3,)),
    "nod [degrees]": (nodded, (5, 10, 15, 20), (15,)),
    "roll [degrees]": (rolled, (5, 10, 15, 20), (15,)),
    "slices [mm]": (resliced, (1, 2, 3, 4, 5), (5,)),
    "noise [HU]": (noisy, (10, 20, 30), (20,)),
    "metal [fillings]": (with_metal, (1, 2, 4), (2,)),
    "half field of view [mm]": (cropped_sides, (120, 100, 80), (100,)),
    "margin above and below [mm]": (cropped_ends, (40, 20, 0), (20,)),
    "contrast left [share]": (without_contrast, (0.5, 0), (0,)),
    "HU offset": (offset, (-20, 20), (-20, 20)),
}
