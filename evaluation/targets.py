"""Where to look in a case: at the largest error, and at each lesion that was missed or is false."""

from dataclasses import dataclass, replace

import numpy as np

from evaluation.lesions import components, without_pair
from evaluation.metrics import SLACK, around_both, border, nearest_mm
from evaluation.scene import Scene

# Of each kind and structure, the largest ones; specks beyond are counted.
MOST_LESIONS = 12

# Bounds of distances that are shown apart, above the tolerance.
DISTANCES_MM = (3.0, 5.0, 10.0)

Voxel = tuple[int, int, int]


@dataclass(frozen=True)
class Target:
    """A voxel (z, y, x) of the scene. kind: "error" (size in mm), "missed", "false", "lesion" (cm³), "middle".

    error_mm: of a missed or false lesion that holds the structure's largest error.
    """

    kind: str
    structure: str
    at: Voxel
    size: float
    error_mm: float | None = None

    @property
    def words(self) -> str:
        """Such as "GTVnd: missed, 0.4 cm³"."""
        if self.kind == "error":
            return f"{self.structure}: largest error, {self.size:.1f} mm"
        if self.kind == "middle":
            return f"{self.structure}: through its middle"
        size = f"{self.size:.2g}" if self.size < 10 else f"{self.size:.0f}"
        largest = "" if self.error_mm is None else f", with the largest error, {self.error_mm:.0f} mm"
        return f"{self.structure}: {self.kind}, {size} cm³{largest}"


@dataclass(frozen=True)
class Errors:
    """Distance in mm from each border voxel to the other side's border, float32 (z, y, x); -1 elsewhere.

    inf where the other side has no voxels. Where both structures have a border, the larger counts.
    """

    prediction_mm: np.ndarray
    reference_mm: np.ndarray


def bounds_mm(tolerance_mm: float) -> tuple[float, ...]:
    """Of the bins of distances, rising: the tolerance, and those of the others that are above it."""
    return (tolerance_mm, *(mm for mm in DISTANCES_MM if mm > tolerance_mm))


def bins(distances_mm: np.ndarray, tolerance_mm: float) -> np.ndarray:
    """Number of each distance's bin, int8 of the same shape; beyond the last bound it is their count, below 0 mm -1.

    A distance of a bound is within it, with the slack that the NSD has.
    """
    upper = np.array(bounds_mm(tolerance_mm)) * (1 + SLACK)
    numbers, known = np.full(distances_mm.shape, -1, np.int8), distances_mm >= 0
    numbers[known] = np.searchsorted(upper, distances_mm[known])
    return numbers


def look(scene: Scene) -> tuple[Errors, list[Target], int]:
    """Distances; targets by structure, the worst first; and how many lesions beyond the largest there are."""
    errors = Errors(np.full(scene.shape, -1, np.float32), np.full(scene.shape, -1, np.float32))
    targets: list[Target] = []
    left_out = 0
    error: Target | None
    lesions: list[Target]
    for structure in scene.prediction | scene.reference:
        empty = np.zeros(scene.shape, bool)
        prediction, reference = (m.get(structure, empty) for m in (scene.prediction, scene.reference))
        box = around_both(prediction, reference)
        start = np.array([s.start for s in box])
        ours, theirs = components(prediction[box]), components(reference[box])
        false, missed = without_pair(ours, theirs)
        kinds = {"lesion": (ours, false)}  # of what was not scored
        error, lesions = None, []
        if structure in scene.reference:
            kinds = {"missed": (theirs, missed), "false": (ours, false)}
            error = _largest_error(scene, structure, prediction[box], reference[box], start, errors)
        for kind, (labels, numbers) in kinds.items():
            found = _lesions(labels, numbers, kind, structure, start, scene)
            left_out += len(numbers) - len(found)
            for k, target in enumerate(found):
                if error and labels[tuple(error.at - start)] == labels[tuple(target.at - start)]:
                    found[k], error = replace(target, error_mm=error.size), None
            lesions += found
        targets += [*([error] if error else []), *lesions]
    return errors, targets, left_out


def _largest_error(
    scene: Scene,
    structure: str,
    prediction: np.ndarray,
    reference: np.ndarray,
    start: np.ndarray,
    errors: Errors,
) -> Target | None:
    """Notes the distances of both borders, and returns where the largest is, if both have voxels and it is not 0."""
    ours, theirs = border(prediction), border(reference)
    found: list[Target] = []
    for points, others, volume in (
        (ours, theirs, errors.prediction_mm),
        (theirs, ours, errors.reference_mm),
    ):
        if not len(points):
            continue
        mm = nearest_mm(points, others, scene.spacing_zyx) if len(others) else np.full(len(points), np.inf)
        where = tuple((points + start).T)
        volume[where] = np.maximum(volume[where], mm)
        if len(others):
            z, y, x = (int(i) for i in points[mm.argmax()] + start)
            found.append(Target("error", structure, (z, y, x), float(mm.max())))
    return max(found, key=lambda t: t.size) if any(t.size for t in found) else None


def _lesions(
    labels: np.ndarray, numbers: list[int], kind: str, structure: str, start: np.ndarray, scene: Scene
) -> list[Target]:
    """The largest ones of these, each at its voxel that is nearest to its centroid."""
    sizes = np.bincount(labels.ravel())
    targets = []
    for number in sorted(numbers, key=lambda n: -sizes[n])[:MOST_LESIONS]:
        voxels = np.argwhere(labels == number)
        nearest = (((voxels - voxels.mean(axis=0)) * scene.spacing_zyx) ** 2).sum(axis=1).argmin()
        z, y, x = (int(i) for i in voxels[nearest] + start)
        cm3 = len(voxels) * float(np.prod(scene.spacing_zyx)) / 1000
        targets.append(Target(kind, structure, (z, y, x), cm3))
    return targets


def middle(scene: Scene, structure: str) -> Voxel | None:
    """Of a structure's largest lesion, of the reference or else the prediction; None if neither side has voxels."""
    for masks in (scene.reference, scene.prediction):
        if structure in masks and masks[structure].any():
            labels = components(masks[structure])
            largest = int(np.bincount(labels.ravel())[1:].argmax()) + 1
            return _lesions(labels, [largest], "lesion", structure, np.zeros(3, int), scene)[0].at
    return None
