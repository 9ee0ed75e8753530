"""DSC, NSD, HD95, ASSD, volumes and lesion-wise detection of one structure of one case.

Masks are boolean arrays (z, y, x) on one grid; spacings are in mm and (z, y, x) order.

Conventions for empty masks (those of the SegRap challenge's own script): both empty, DSC = NSD = 1; only one empty,
DSC = NSD = 0. HD95 and ASSD are nan unless both masks have voxels.
"""

from dataclasses import dataclass
from math import nan

import numpy as np
from scipy.ndimage import binary_erosion, generate_binary_structure, label
from scipy.spatial import KDTree

from evaluation.surface import surface_of

Spacing = tuple[float, float, float]
Box = tuple[slice, slice, slice]


@dataclass(frozen=True)
class Lesions:
    """Lesion-wise detection: how many lesions (26-connected components) each side has and how many were met."""

    reference: int
    found: int
    predicted: int
    true: int

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
        """Harmonic mean of sensitivity and precision; 1 where neither side has a lesion, 0 where none was met."""
        if not self.reference and not self.predicted:
            return 1.0
        if not self.found:
            return 0.0
        return 2 * self.sensitivity * self.precision / (self.sensitivity + self.precision)


@dataclass(frozen=True)
class Score:
    """Measures of one structure: fractions, mm, cm³; `nsd` has one value per tolerance."""

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


def score(
    prediction: np.ndarray, reference: np.ndarray, spacing_zyx: Spacing, tolerances_mm: tuple[float, ...]
) -> Score:
    """All measures of two boolean masks (z, y, x); works on the box around both, which holds both surfaces."""
    box = _around_both(bounding_box(prediction), bounding_box(reference))
    prediction, reference = prediction[box], reference[box]
    voxel_cm3 = float(np.prod(spacing_zyx)) / 1000
    hd95_mm, assd_mm = hd95_and_assd(prediction, reference, spacing_zyx)
    return Score(
        dsc=dsc(prediction, reference),
        nsd=nsd(prediction, reference, spacing_zyx, tolerances_mm),
        hd95_mm=hd95_mm,
        assd_mm=assd_mm,
        reference_cm3=np.count_nonzero(reference) * voxel_cm3,
        prediction_cm3=np.count_nonzero(prediction) * voxel_cm3,
        tp_cm3=np.count_nonzero(prediction & reference) * voxel_cm3,
        fp_cm3=np.count_nonzero(prediction & ~reference) * voxel_cm3,
        fn_cm3=np.count_nonzero(reference & ~prediction) * voxel_cm3,
        lesions=lesion_detection(prediction, reference),
    )


def dsc(prediction: np.ndarray, reference: np.ndarray) -> float:
    """Dice similarity coefficient, 2 |P ∩ R| / (|P| + |R|) (Dice, Ecology 1945); 1 where both are empty."""
    total = np.count_nonzero(prediction) + np.count_nonzero(reference)
    return 2 * np.count_nonzero(prediction & reference) / total if total else 1.0


def nsd(
    prediction: np.ndarray, reference: np.ndarray, spacing_zyx: Spacing, tolerances_mm: tuple[float, ...]
) -> tuple[float, ...]:
    """Normalised surface Dice at each tolerance: share of both surfaces' area that is within it of the other one.

    Surface elements and their areas as in Nikolov et al. (arXiv 1809.04430); 1 where both masks are empty, 0 where one
    is.
    """
    ours, theirs = surface_of(prediction, spacing_zyx), surface_of(reference, spacing_zyx)
    if not len(ours.areas) or not len(theirs.areas):
        return (float(len(ours.areas) == len(theirs.areas)),) * len(tolerances_mm)
    there_mm = nearest_mm(ours.positions, theirs.positions, spacing_zyx)
    back_mm = nearest_mm(theirs.positions, ours.positions, spacing_zyx)
    distances_mm, areas = np.concatenate([there_mm, back_mm]), np.concatenate([ours.areas, theirs.areas])
    return tuple(float(areas[distances_mm <= t].sum() / areas.sum()) for t in tolerances_mm)


def hd95_and_assd(prediction: np.ndarray, reference: np.ndarray, spacing_zyx: Spacing) -> tuple[float, float]:
    """HD95 and ASSD in mm between border voxels, as MedPy defines them; nan if a mask is empty.

    HD95 is the 95th percentile, ASSD the mean, of both directions' distances together.
    """
    predicted_at, reference_at = _border(prediction), _border(reference)
    if not len(predicted_at) or not len(reference_at):
        return nan, nan
    there_mm = nearest_mm(predicted_at, reference_at, spacing_zyx)
    back_mm = nearest_mm(reference_at, predicted_at, spacing_zyx)
    both_mm = np.concatenate([there_mm, back_mm])
    return float(np.percentile(both_mm, 95)), float(both_mm.mean())


def lesion_detection(prediction: np.ndarray, reference: np.ndarray) -> Lesions:
    """Counts lesions and those that share at least one voxel with the other mask."""
    neighbours = generate_binary_structure(3, 3)
    predicted_labels, predicted = label(prediction, neighbours)
    reference_labels, in_reference = label(reference, neighbours)
    both = prediction & reference
    return Lesions(
        reference=int(in_reference),
        found=len(np.unique(reference_labels[both])),
        predicted=int(predicted),
        true=len(np.unique(predicted_labels[both])),
    )


def nearest_mm(points: np.ndarray, others: np.ndarray, spacing_zyx: Spacing) -> np.ndarray:
    """Distance in mm (n,) from grid positions (n, 3) to the nearest of others (m, 3), m > 0.

    The values of the Euclidean distance transform, without visiting the voxels in between. The tree only names the
    nearest position; the distance comes from whole steps, so that one of exactly the tolerance is not lost to rounding.
    """
    _, nearest = KDTree(others * spacing_zyx).query(points * spacing_zyx)
    steps_mm = (points - others[nearest]) * spacing_zyx
    return np.sqrt((steps_mm * steps_mm).sum(axis=1))


def bounding_box(mask: np.ndarray) -> Box | None:
    """Smallest box (z, y, x) around a mask's voxels; None if it has none."""
    filled = np.flatnonzero(mask.any(axis=(1, 2)))
    if not len(filled):
        return None
    z = slice(int(filled[0]), int(filled[-1]) + 1)
    plane = np.logical_or.reduce(mask[z], axis=0)
    rows, columns = np.flatnonzero(plane.any(axis=1)), np.flatnonzero(plane.any(axis=0))
    return z, slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def _around_both(first: Box | None, second: Box | None) -> Box:
    """Smallest box around two boxes, either of which may be absent; one voxel if both are."""
    if first is None or second is None:
        return first or second or (slice(0, 1), slice(0, 1), slice(0, 1))
    z, y, x = (slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in zip(first, second, strict=True))
    return z, y, x


def _border(mask: np.ndarray) -> np.ndarray:
    """Positions (n, 3) of voxels with a face towards the background or the array's end."""
    return np.argwhere(mask & ~binary_erosion(mask, generate_binary_structure(3, 1)))
