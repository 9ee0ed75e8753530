"""Means over patients, laid out as the method's published table.

`mean ± standard deviation` are in percent; the deviation divides by n, and the average row takes all values of all
structures together: with both, the published deviations of the structures and of their average agree.
"""

from dataclasses import dataclass

import numpy as np

from evaluation.run import CaseResult, Settings


@dataclass(frozen=True)
class Summary:
    """Statistics of one measure (a fraction) over patients; `measure` is "dsc" or "nsd" with its tolerance."""

    measure: str
    structure: str
    count: int
    mean: float
    sd: float
    median: float


def measures(settings: Settings) -> tuple[str, ...]:
    """Names of the measures in the table: dsc, nsd at the first tolerance, nsd_2mm and so on at further ones."""
    return ("dsc", "nsd", *(f"nsd_{t:g}mm" for t in settings.tolerances_mm[1:]))


def values(results: list[CaseResult], structure: str, measure: str, settings: Settings) -> np.ndarray:
    """One measure of one structure over the scored cases, as fractions."""
    column = measures(settings).index(measure)
    scores = [r.scores[structure] for r in results if structure in r.scores]
    return np.array([(s.dsc, *s.nsd)[column] for s in scores], float)


def _summary(measure: str, structure: str, of: np.ndarray) -> Summary:
    return Summary(measure, structure, len(of), float(of.mean()), float(of.std()), float(np.median(of)))


def summarise(results: list[CaseResult], settings: Settings) -> list[Summary]:
    """Statistics of each measure for each structure that was scored, and for all structures together ("average")."""
    summaries = []
    for measure in measures(settings):
        columns = {s: values(results, s, measure, settings) for s in settings.structures}
        columns = {s: column for s, column in columns.items() if len(column)}
        summaries += [_summary(measure, s, column) for s, column in columns.items()]
        if len(columns) > 1:
            summaries.append(_summary(measure, "average", np.concatenate(list(columns.values()))))
    return summaries


def average_score(summaries: list[Summary]) -> float:
    """The AVG score: mean over structures and over DSC and NSD (first tolerance) of the mean over patients."""
    return float(
        np.mean([s.mean for s in summaries if s.measure in ("dsc", "nsd") and s.structure != "average"])
    )


def table(summaries: list[Summary], settings: Settings) -> str:
    """The summary for a terminal, in percent."""
    titles = ["DSC [%]", *(f"NSD {t:g} mm [%]" for t in settings.tolerances_mm)]
    cells = {(s.structure, s.measure): f"{100 * s.mean:.2f} ± {100 * s.sd:.2f}" for s in summaries}
    counts = {s.structure: s.count for s in summaries}
    lines = [f"{'':10}{'n':>5}" + "".join(f"{title:>18}" for title in titles)]
    for structure in dict.fromkeys(s.structure for s in summaries):
        row = "".join(f"{cells[structure, measure]:>18}" for measure in measures(settings))
        lines.append(f"{structure:10}{counts[structure]:>5}{row}")
    lines.append(f"AVG score {100 * average_score(summaries):.2f}")
    return "\n".join(lines)
