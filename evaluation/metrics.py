"""Overlap, surface distances, volumes, added path and lesion-wise detection of one structure of one case.

Masks are boolean arrays (z, y, x) on one grid; spacings are in mm and (z, y, x) order. `score` is also the way in for
programs that hold arrays and no files.

Conventions for empty masks (those of the SegRap challenge's own script): both empty, DSC = NSD = 1; only one empty,
DSC = NSD = 0. Distances between borders are nan unless both masks have voxels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, isnan, nan

import numpy as np
from scipy.ndimage import binary_erosion, generate_binary_structure, label
from scipy.spatial import KDTree

from evaluation.surface import surface_of
from model.errors import InputError

# Of the tolerance: NIfTI keeps 0.2 mm as a float32, and five such steps must not be more than 1 mm.
SLACK = 1e-6

Spacing = tuple[float, float, float]
Box = tuple[slice, slice, slice]


@dataclass(frozen=True)
class Lesions:
    """Lesion-wise detection: how many lesions (26-connected components) each side has and how many were met.

    missing: there is no prediction that could be right about an empty reference.
    """

    reference: int
    found: int
    predicted: int
    true: int
    missing: bool = False

    @property
    def sensitivity(self) -> float:
        """Share of reference lesions that a prediction overlaps; nan without any."""
        return self.found / self.reference if self.reference else nan

    @property
    def precision(self) -> float:
        """Share of predicted lesions that overlap a reference; nan without any."""
        return self.true / self.predicted if self.predicted else nan

    @property
    def f1(self) -> float:
        """Harmonic mean of sensitivity and precision; 1 where neither side has a lesion, 0 where none was met.

        0 also for a prediction that is missing, as DSC is.
        """
        if not self.reference and not self.predicted:
            return float(not self.missing)
        if not self.found:
            return 0.0
        return 2 * self.sensitivity * self.precision / (self.sensitivity + self.precision)


@dataclass(frozen=True)
class Score:
    """Measures of one structure: fractions, mm, cm³; `nsd` has one value per tolerance.

    worst_mm: the diagonal of the grid, which is what a distance counts that is not defined, where a penalty is asked
    for. What has a default is nan in scores that were kept by earlier versions.
    """

    dsc: float
    nsd: tuple[float, ...]
    hd95_mm: float
    assd_mm: float
    reference_cm3: float
    prediction_cm3: float
    tp_cm3: float
    fp_cm3: float
    fn_cm3: float
    lesions: Lesions
    iou: float = nan
    hd100_mm: float = nan
    masd_mm: float = nan
    added_path_mm: float = nan
    worst_mm: float = nan

    @property
    def difference_percent(self) -> float:
        """Prediction minus reference, of the reference's volume; nan where that is empty."""
        return 100 * (self.prediction_cm3 / self.reference_cm3 - 1) if self.reference_cm3 else nan

    def penalised_mm(self, distance_mm: float) -> float:
        """A distance of this score; where it is not defined 0 if both masks are empty, else the grid's diagonal."""
        if not isnan(distance_mm):
            return distance_mm
        return 0.0 if self.dsc == 1 else self.worst_mm


@dataclass(frozen=True)
class Distances:
    """Between the borders of two masks, in mm: of both directions together; MASD is the mean of both's means."""

    hd95_mm: float
    hd100_mm: float
    assd_mm: float
    masd_mm: float


def score(
    prediction: np.ndarray,
    reference: np.ndarray,
    spacing_zyx: Sequence[float],
    tolerances_mm: Sequence[float] = (1.0,),
) -> Score:
    """All measures of two masks (z, y, x) on one grid; voxels above 0 are inside. spacing_zyx: mm, in the same order.

    tolerances_mm: of the NSD, one value for each. Works on the box around both, which holds both surfaces. Raises
    InputError for arrays that are not three-dimensional and of one shape, and for an invalid spacing or tolerance.
    """
    prediction, reference = checked_masks(prediction, reference)
    spacing_zyx, tolerances_mm = checked_spacing(spacing_zyx), _checked_tolerances(tolerances_mm)
    worst_mm = float(np.linalg.norm(np.multiply(reference.shape, spacing_zyx)))
    box = around_both(prediction, reference)
    prediction, reference = prediction[box], reference[box]
    voxel_cm3 = float(np.prod(spacing_zyx)) / 1000
    distances = border_distances(prediction, reference, spacing_zyx)
    overlap = dsc(prediction, reference)
    return Score(
        dsc=overlap,
        nsd=nsd(prediction, reference, spacing_zyx, tolerances_mm),
        hd95_mm=distances.hd95_mm,
        assd_mm=distances.assd_mm,
        reference_cm3=float(np.count_nonzero(reference) * voxel_cm3),
        prediction_cm3=float(np.count_nonzero(prediction) * voxel_cm3),
        tp_cm3=float(np.count_nonzero(prediction & reference) * voxel_cm3),
        fp_cm3=float(np.count_nonzero(prediction & ~reference) * voxel_cm3),
        fn_cm3=float(np.count_nonzero(reference & ~prediction) * voxel_cm3),
        lesions=lesion_detection(prediction, reference),
        iou=overlap / (2 - overlap),
        hd100_mm=distances.hd100_mm,
        masd_mm=distances.masd_mm,
        added_path_mm=added_path_mm(prediction, reference, spacing_zyx),
        worst_mm=worst_mm,
    )


def checked_spacing(spacing_zyx: Sequence[float]) -> Spacing:
    """As plain floats. Raises InputError as score does."""
    spacing = _floats(spacing_zyx)
    if len(spacing) != 3 or not all(0 < mm < inf for mm in spacing):
        raise InputError("spacing", f"{spacing_zyx} is none", "give (z, y, x) in mm, each above 0")
    return spacing[0], spacing[1], spacing[2]


def _checked_tolerances(tolerances_mm: Sequence[float]) -> tuple[float, ...]:
    tolerances = _floats(tolerances_mm)
    if not tolerances or not all(0 <= mm < inf for mm in tolerances):
        raise InputError("tolerances_mm", f"{tolerances_mm} makes no sense", "give a list of 0 or more mm")
    return tolerances


def _floats(values: Sequence[float]) -> tuple[float, ...]:
    """Of a sequence of numbers; empty where it is none."""
    try:
        return tuple(float(value) for value in values)
    except (TypeError, ValueError):
        return ()


def checked_masks(prediction: np.ndarray, reference: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both as bool arrays. Raises InputError as score does."""
    masks = []
    for name, mask in (("prediction", np.asarray(prediction)), ("reference", np.asarray(reference))):
        if mask.ndim != 3:
            fact = f"an array of {mask.ndim} dimensions"
            raise InputError(name, fact, "give one structure's mask (z, y, x); of channels one at a time")
        if mask.dtype.kind == "f" and mask.size and np.isnan(mask.min()):
            raise InputError(name, "values that are no numbers", "give 0 outside and more inside")
        masks.append(mask if mask.dtype == bool else mask > 0)
    if masks[0].shape != masks[1].shape or not masks[0].size:
        fact = f"arrays of {masks[0].shape} and {masks[1].shape} voxels"
        raise InputError("prediction and reference", fact, "give both on one grid")
    return masks[0], masks[1]


def dsc(prediction: np.ndarray, reference: np.ndarray) -> float:
    """Dice similarity coefficient, 2 |P ∩ R| / (|P| + |R|) (Dice, Ecology 1945); 1 where both are empty."""
    total = np.count_nonzero(prediction) + np.count_nonzero(reference)
    return float(2 * np.count_nonzero(prediction & reference) / total) if total else 1.0


def nsd(
    prediction: np.ndarray, reference: np.ndarray, spacing_zyx: Spacing, tolerances_mm: tuple[float, ...]
) -> tuple[float, ...]:
    """Normalised surface Dice at each tolerance: share of both surfaces' area that is within it of the other one.

    Surface elements and their areas as in Nikolov et al. (arXiv 1809.04430); 1 where both masks are empty, 0 where one
    is. A distance of the tolerance is within it, also where the spacing was rounded to a float32.
    """
    ours, theirs = surface_of(prediction, spacing_zyx), surface_of(reference, spacing_zyx)
    if not len(ours.areas) or not len(theirs.areas):
        return (float(len(ours.areas) == len(theirs.areas)),) * len(tolerances_mm)
    farthest_mm = max(tolerances_mm, default=0.0)
    there_mm = nearest_mm(ours.positions, theirs.positions, spacing_zyx, farthest_mm)
    back_mm = nearest_mm(theirs.positions, ours.positions, spacing_zyx, farthest_mm)
    distances_mm, areas = np.concatenate([there_mm, back_mm]), np.concatenate([ours.areas, theirs.areas])
    return tuple(float(areas[distances_mm <= t * (1 + SLACK)].sum() / areas.sum()) for t in tolerances_mm)


def border_distances(prediction: np.ndarray, reference: np.ndarray, spacing_zyx: Spacing) -> Distances:
    """HD95 and ASSD as MedPy defines them, HD100, MASD; nan if a mask is empty.

    HD95 is the 95th percentile, HD100 the largest, ASSD the mean of both directions' distances together.
    """
    predicted_at, reference_at = border(prediction), border(reference)
    if not len(predicted_at) or not len(reference_at):
        return Distances(nan, nan, nan, nan)
    there_mm = nearest_mm(predicted_at, reference_at, spacing_zyx)
    back_mm = nearest_mm(reference_at, predicted_at, spacing_zyx)
    both_mm = np.concatenate([there_mm, back_mm])
    return Distances(
        float(np.percentile(both_mm, 95)),
        float(both_mm.max()),
        float(both_mm.mean()),
        float(there_mm.mean() + back_mm.mean()) / 2,
    )


def added_path_mm(prediction: np.ndarray, reference: np.ndarray, spacing_zyx: Spacing) -> float:
    """How much of the reference's outline is to be drawn anew, slice by slice (z) (Vaassen et al., phiRO 2020).

    Voxels on the reference's outline within their slice that are not on the prediction's, times their mean side in mm.
    """
    in_slice = generate_binary_structure(3, 1)
    in_slice[[0, 2]] = False
    ours, theirs = (mask & ~binary_erosion(mask, in_slice) for mask in (prediction, reference))
    return float(np.count_nonzero(theirs & ~ours) * (spacing_zyx[1] + spacing_zyx[2]) / 2)


def lesion_detection(prediction: np.ndarray, reference: np.ndarray) -> Lesions:
    """Counts lesions and those that share at least one voxel with the other mask."""
    neighbours = generate_binary_structure(3, 3)
    predicted_labels, predicted = label(prediction, neighbours)
    reference_labels, in_reference = label(reference, neighbours)
    both = prediction & reference
    found, true = np.zeros(in_reference + 1, bool), np.zeros(predicted + 1, bool)
    found[reference_labels[both]] = True
    true[predicted_labels[both]] = True
    return Lesions(
        reference=int(in_reference),
        found=int(np.count_nonzero(found)),
        predicted=int(predicted),
        true=int(np.count_nonzero(true)),
    )


def nearest_mm(
    points: np.ndarray, others: np.ndarray, spacing_zyx: Spacing, farthest_mm: float = inf
) -> np.ndarray:
    """Distance in mm (n,) from grid positions (n, 3) to the nearest of others (m, 3), m > 0; inf beyond the farthest.

    The values of the Euclidean distance transform, without visiting the voxels in between. The tree only names the
    nearest position; the distance comes from whole steps, so that one of exactly the tolerance is not lost to rounding.
    """
    # Larger leaves and plain halving: grid positions are spread evenly, and most of the time goes into small steps.
    tree = KDTree(others * spacing_zyx, leafsize=20, balanced_tree=False)
    bound_mm = farthest_mm * (1 + 2 * SLACK) + SLACK * min(spacing_zyx)
    _, nearest = tree.query(points * spacing_zyx, distance_upper_bound=bound_mm)
    found = nearest < len(others)
    steps_mm = (points[found] - others[nearest[found]]) * spacing_zyx
    distances_mm = np.full(len(points), inf)
    distances_mm[found] = np.sqrt((steps_mm * steps_mm).sum(axis=1))
    return distances_mm


def bounding_box(mask: np.ndarray) -> Box | None:
    """Smallest box (z, y, x) around a mask's voxels; None if it has none."""
    filled = np.flatnonzero(mask.any(axis=(1, 2)))
    if not len(filled):
        return None
    z = slice(int(filled[0]), int(filled[-1]) + 1)
    plane = np.logical_or.reduce(mask[z], axis=0)
    rows, columns = np.flatnonzero(plane.any(axis=1)), np.flatnonzero(plane.any(axis=0))
    return z, slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def around_both(prediction: np.ndarray, reference: np.ndarray) -> Box:
    """Smallest box around the voxels of two masks; one voxel if neither has any."""
    first, second = bounding_box(prediction), bounding_box(reference)
    if first is None or second is None:
        return first or second or (slice(0, 1), slice(0, 1), slice(0, 1))
    z, y, x = (slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in zip(first, second, strict=True))
    return z, y, x


def border(mask: np.ndarray) -> np.ndarray:
    """Positions (n, 3) of voxels with a face towards the background or the array's end."""
    return np.argwhere(mask & ~binary_erosion(mask, generate_binary_structure(3, 1)))
