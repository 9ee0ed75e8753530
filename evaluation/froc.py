"""FROC: how many lesions are found, and how many false ones come with them, as the least probability of a mask moves.

At each probability the voxels that reach it are the mask, whose lesions are paired with the reference's one to one.
"""

from dataclasses import dataclass

from evaluation.lesions import THRESHOLDS
from evaluation.run import CaseResult, Settings

# Means of false lesions per case.
RATES = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0)
# In the terminal; all are in the JSON.
_SHOWN = "iou10"


@dataclass(frozen=True)
class Point:
    """At a least probability, over all cases together. Shares and means by the least overlap of a pair."""

    probability: float
    predicted: int
    sensitivity: dict[str, float]
    false_per_case: dict[str, float]


@dataclass(frozen=True)
class Froc:
    """Of a structure. at_rates: by overlap and by false lesions per case the largest sensitivity that costs no more;
    None where every point costs more.
    """

    structure: str
    cases: int
    reference: int
    points: tuple[Point, ...]
    at_rates: dict[str, dict[str, float | None]]


def froc(results: list[CaseResult], settings: Settings) -> list[Froc]:
    """Of each structure that has maps of probability and lesions in the references."""
    found = []
    for structure in settings.structures:
        cases = [result.probable[structure] for result in results if structure in result.probable]
        reference = sum(case[0].reference for case in cases)
        if not reference:
            continue
        points = []
        for at in zip(*cases, strict=True):
            predicted = sum(counts.predicted for counts in at)
            matched = {name: sum(counts.matched[name] for counts in at) for name in THRESHOLDS}
            points.append(
                Point(
                    at[0].probability,
                    predicted,
                    {name: pairs / reference for name, pairs in matched.items()},
                    {name: (predicted - pairs) / len(cases) for name, pairs in matched.items()},
                )
            )
        at_rates = {name: _at_rates(points, name) for name in THRESHOLDS}
        found.append(Froc(structure, len(cases), reference, tuple(points), at_rates))
    return found


def _at_rates(points: list[Point], name: str) -> dict[str, float | None]:
    return {
        f"{rate:g}": max(
            (p.sensitivity[name] for p in points if p.false_per_case[name] <= rate), default=None
        )
        for rate in RATES
    }


def froc_table(found: list[Froc]) -> str:
    """For a terminal."""
    lines = []
    for of in found:
        title = f"{of.structure} FROC, {of.reference} lesions in {of.cases} cases, IoU 0.1: false lesions per case"
        shares = ("–" if share is None else f"{100 * share:.1f}" for share in of.at_rates[_SHOWN].values())
        lines.append(title + "".join(f"{rate:>8g}" for rate in RATES))
        lines.append(
            f"{'sensitivity [%] at no more':>{len(title)}}" + "".join(f"{share:>8}" for share in shares)
        )
    return "\n".join(lines)
