"""How many lesions are found, one to one, over all cases together: by least overlap, and by size."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from evaluation.lesions import THRESHOLDS, Lesion
from evaluation.run import CaseResult, Settings

# Between sizes of lesions of the reference.
EDGES_CM3 = (0.0, 1.0, 3.0, 10.0, np.inf)


@dataclass(frozen=True)
class AtThreshold:
    """Over all cases' lesions together; a share is None where there is nothing to share."""

    threshold: str
    matched: int
    sensitivity: float | None
    precision: float | None
    f1: float | None


@dataclass(frozen=True)
class OfSize:
    """Lesions of the reference from one volume up to below another (None: any). mean_dsc: 0 for those not found."""

    from_cm3: float
    below_cm3: float | None
    count: int
    sensitivity: dict[str, float]
    mean_dsc: float


@dataclass(frozen=True)
class Detection:
    """Of a structure; mean_dsc: over the lesions of the reference that have a pair."""

    structure: str
    reference: int
    predicted: int
    mean_dsc: float | None
    thresholds: tuple[AtThreshold, ...]
    sizes: tuple[OfSize, ...]


def detection(results: list[CaseResult], settings: Settings) -> list[Detection]:
    """Of each structure that either side has lesions of."""
    found = []
    for structure in settings.structures:
        matchings = [r.lesions[structure] for r in results if structure in r.lesions]
        lesions = [lesion for matching in matchings for lesion in matching.lesions]
        predicted = sum(matching.predicted for matching in matchings)
        if not lesions and not predicted:
            continue
        paired = [lesion.dsc for lesion in lesions if lesion.found]
        found.append(
            Detection(
                structure,
                len(lesions),
                predicted,
                float(np.mean(paired)) if paired else None,
                tuple(_at(name, lesions, predicted) for name in THRESHOLDS),
                tuple(_sizes(lesions)),
            )
        )
    return found


def _at(threshold: str, lesions: list[Lesion], predicted: int) -> AtThreshold:
    matched = sum(threshold in lesion.found for lesion in lesions)
    return AtThreshold(
        threshold,
        matched,
        matched / len(lesions) if lesions else None,
        matched / predicted if predicted else None,
        2 * matched / (len(lesions) + predicted),
    )


def _sizes(lesions: list[Lesion]) -> list[OfSize]:
    sizes = []
    for low, high in pairwise(EDGES_CM3):
        of = [lesion for lesion in lesions if low <= lesion.reference_cm3 < high]
        if of:
            share = {name: sum(name in lesion.found for lesion in of) / len(of) for name in THRESHOLDS}
            below = None if np.isinf(high) else high
            sizes.append(OfSize(low, below, len(of), share, float(np.mean([lesion.dsc for lesion in of]))))
    return sizes


def detection_table(found: list[Detection]) -> str:
    """For a terminal, in percent."""
    words = {"any": "any overlap", "iou10": "IoU 0.1", "iou50": "IoU 0.5"}
    lines = []
    for d in found:
        lines.append(
            f"{d.structure} lesions, one to one: {d.reference} in references, {d.predicted} predicted"
        )
        for at in d.thresholds:
            sensitivity, precision, f1 = map(_percent, (at.sensitivity, at.precision, at.f1))
            shares = f"sensitivity {sensitivity}   precision {precision}   F1 {f1}"
            lines.append(f"  {words[at.threshold]:14}{at.matched:>6} found   {shares}")
        for size in d.sizes:
            end = "and more" if size.below_cm3 is None else f"to {size.below_cm3:g}"
            share = "   ".join(f"{words[name]} {_percent(value)}" for name, value in size.sensitivity.items())
            span = f"{size.from_cm3:g} {end} cm³"
            lines.append(f"  {span:18}{size.count:>6}   {share}   mean DSC {_percent(size.mean_dsc)}")
    return "\n".join(lines)


def _percent(value: float | None) -> str:
    return f"{'–':>6}" if value is None else f"{100 * value:6.2f}"
