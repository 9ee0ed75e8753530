"""Every measure over the cases: mean, deviation, median, quartiles, interval, and what undefined distances would count.

Of each structure by itself. The deviation divides by n, as in the summary of DSC and NSD.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import comb

import numpy as np

from evaluation.metrics import Score
from evaluation.rows import DISTANCES, row, unit
from evaluation.run import CaseResult, Settings
from evaluation.summary import bootstrap_ci95, measures
from model.structures import LABELS

# Below, a percentile interval is too narrow as a rule.
FEWEST_CASES = 10
# In the terminal; the rest is in the JSON and the report.
_SHOWN = (*DISTANCES, "iou", "added_path_mm", "difference_cm3", "difference_percent")


@dataclass(frozen=True)
class Statistics:
    """Of one measure and structure, in the measure's unit, over the cases where it is defined.

    quartiles: first and third. ci95: bootstrap interval of the mean. undefined: of how many scored cases it is not
    defined; where that is all of them, means, median and so on are None. penalised_mean: of distances, with 0 mm for
    those if both masks are empty, else the grid's diagonal.
    """

    measure: str
    structure: str
    unit: str
    count: int
    undefined: int
    mean: float | None
    sd: float | None
    median: float | None
    quartiles: tuple[float, float] | None
    ci95: tuple[float, float] | None
    penalised_mean: float | None


def statistics(results: list[CaseResult], settings: Settings) -> list[Statistics]:
    """Of every measure and structure that is defined in some case, and of all distances, which have a penalty.

    Of counts of lesions there are none here.
    """
    found = []
    for structure in settings.structures:
        scores = [r.scores[structure] for r in results if structure in r.scores]
        rows = [row(score, settings) for score in scores]
        names = [name for name in (rows[0] if rows else ()) if not name.startswith("lesions_")]
        for name in names:
            defined = [value for of in rows if (value := of[name]) is not None]
            if defined or name in DISTANCES:
                found.append(_statistics(name, structure, np.array(defined, float), scores))
    return found


def _statistics(measure: str, structure: str, values: np.ndarray, scores: list[Score]) -> Statistics:
    count, undefined, penalised = len(values), len(scores) - len(values), _penalised_mean(measure, scores)
    if not count:
        nothing = (None,) * 5
        return Statistics(measure, structure, unit(measure), count, undefined, *nothing, penalised)
    low, high = np.percentile(values, [25, 75])
    return Statistics(
        measure,
        structure,
        unit(measure),
        count,
        undefined,
        float(values.mean()),
        float(values.std()),
        float(np.median(values)),
        (float(low), float(high)),
        bootstrap_ci95(values),
        penalised,
    )


def _penalised_mean(measure: str, scores: list[Score]) -> float | None:
    if measure not in DISTANCES:
        return None
    mean = float(np.mean([score.penalised_mm(getattr(score, measure)) for score in scores]))
    return None if np.isnan(mean) else mean


def caveats(results: list[CaseResult], settings: Settings) -> list[str]:
    """What is to be said of structures that nobody has, and of intervals that rest on few cases."""
    lines = without_voxels(results, settings)
    for structure in settings.structures:
        count = sum(structure in r.scores for r in results)
        if 0 < count < FEWEST_CASES:
            draws = comb(2 * count - 1, count)
            cases = f"{count} case{'s' * (count > 1)} with {draws} different draw{'s' * (draws > 1)}"
            lines.append(f"{structure}: its 95 % intervals rest on {cases}; they are too narrow as a rule")
    return lines


def without_voxels(results: list[CaseResult], settings: Settings) -> list[str]:
    """A line for each structure that neither side has a voxel of: perhaps the files are not what they were read as."""
    labels = ", ".join(f"{label} {structure}" for structure, label in LABELS.items())
    lines = []
    for structure in settings.structures:
        scores = [r.scores[structure] for r in results if structure in r.scores]
        if scores and not any(score.reference_cm3 or score.prediction_cm3 for score in scores):
            fact = "no reference and no prediction has a voxel of it, and both empty count 100 %"
            read = f"files whose names say no structure are read as label maps ({labels})"
            lines.append(f"{structure}: {fact}; {read}")
    return lines


def statistics_table(found: Iterable[Statistics], settings: Settings) -> str:
    """For a terminal: distances, overlap, volumes, each in its own unit; DSC and NSD have tables of their own."""
    titles = f"{'mean ± sd':>18}{'median':>9}{'quartiles':>18}{'95 % interval':>20}"
    lines = [f"{'':10}{'':20}{'n':>5}{titles}{'undefined':>11}{'mean with those':>17}"]
    for s in found:
        if s.measure in measures(settings) or s.measure not in _SHOWN:
            continue
        spread = "–" if s.mean is None else f"{_shown(s.mean)} ± {_shown(s.sd)}"
        quartiles, interval = (
            " to ".join(map(_shown, limits)) if limits else "–" for limits in (s.quartiles, s.ci95)
        )
        penalised = "" if s.penalised_mean is None else _shown(s.penalised_mean)
        lines.append(
            f"{s.structure:10}{s.measure:20}{s.count:>5}{spread:>18}{_shown(s.median):>9}{quartiles:>18}{interval:>20}"
            f"{s.undefined:>11}{penalised:>17}"
        )
    return "\n".join(lines)


def _shown(value: float | None) -> str:
    """Large ones, as millimetres of a contour, without decimals, so that they stay in their column."""
    if value is None:
        return "–"
    return f"{value:.2f}" if abs(value) < 1000 else f"{value:.0f}"
