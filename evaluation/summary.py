"""Means over patients, laid out as the method's published table; comparison of two submissions.

`mean ± standard deviation` are in percent; the deviation divides by n, and the average row takes all values of all
structures together: with both, the published deviations of the structures and of their average agree.
"""

from dataclasses import dataclass

import numpy as np

from evaluation.run import CaseResult, Settings
from evaluation.significance import signed_rank_p

RESAMPLES = 2000


@dataclass(frozen=True)
class Summary:
    """Statistics of one measure (a fraction) over patients; `ci95` is the bootstrap interval of the mean."""

    measure: str
    structure: str
    count: int
    mean: float
    sd: float
    median: float
    ci95: tuple[float, float]


def measures(settings: Settings) -> tuple[str, ...]:
    """Names of the measures in the table: dsc, nsd at the first tolerance, nsd_2mm and so on at further ones."""
    return ("dsc", "nsd", *(f"nsd_{t:g}mm" for t in settings.tolerances_mm[1:]))


def columns(results: list[CaseResult], measure: str, settings: Settings) -> np.ndarray:
    """One measure (cases, structures) as fractions; nan where a structure was not scored."""
    at = measures(settings).index(measure)
    rows = [
        [(r.scores[s].dsc, *r.scores[s].nsd)[at] if s in r.scores else np.nan for s in settings.structures]
        for r in results
    ]
    return np.array(rows).reshape(len(results), len(settings.structures))


def bootstrap_ci95(table: np.ndarray) -> tuple[float, float]:
    """Percentile interval of the mean over values (patients,) or (patients, structures), nan where there is none.

    Patients are drawn with replacement, from a fixed seed.
    """
    table = table.reshape(len(table), -1)
    table = table[~np.isnan(table).all(axis=1)]
    draws = np.random.default_rng(0).integers(len(table), size=(RESAMPLES, len(table)))
    sums, counts = np.nansum(table, axis=1), np.count_nonzero(~np.isnan(table), axis=1)
    low, high = np.percentile(sums[draws].sum(axis=1) / counts[draws].sum(axis=1), [2.5, 97.5])
    return float(low), float(high)


def _summary(measure: str, structure: str, table: np.ndarray) -> Summary:
    of = table[~np.isnan(table)]
    return Summary(
        measure,
        structure,
        len(of),
        float(of.mean()),
        float(of.std()),
        float(np.median(of)),
        bootstrap_ci95(table),
    )


def summarise(results: list[CaseResult], settings: Settings) -> list[Summary]:
    """Statistics of each measure for each structure that was scored, and for all structures together ("average")."""
    summaries = []
    for measure in measures(settings):
        every = columns(results, measure, settings)
        scored = [k for k in range(len(settings.structures)) if not np.isnan(every[:, k]).all()]
        summaries += [_summary(measure, settings.structures[k], every[:, [k]]) for k in scored]
        if len(scored) > 1:
            summaries.append(_summary(measure, "average", every))
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


def spread_table(summaries: list[Summary]) -> str:
    """Median and bootstrap 95 % interval of the mean for a terminal, in percent."""
    lines = [f"{'':10}{'':10}{'median':>10}{'95 % interval of the mean':>28}"]
    for s in summaries:
        low, high = (100 * limit for limit in s.ci95)
        lines.append(f"{s.structure:10}{s.measure:10}{100 * s.median:>10.2f}{f'{low:.2f} to {high:.2f}':>28}")
    return "\n".join(lines)


@dataclass(frozen=True)
class Difference:
    """Paired difference, this minus the other submission, and the p value of the Wilcoxon signed-rank test."""

    measure: str
    structure: str
    count: int
    mean: float
    p: float


def compare(results: list[CaseResult], others: list[CaseResult], settings: Settings) -> list[Difference]:
    """Differences over the cases both submissions were scored on; both lists come from the same references."""
    differences = []
    for measure in measures(settings):
        change = columns(results, measure, settings) - columns(others, measure, settings)
        for structure, column in zip(settings.structures, change.T, strict=True):
            paired = column[~np.isnan(column)]
            if len(paired):
                p = signed_rank_p(paired)
                differences.append(Difference(measure, structure, len(paired), float(paired.mean()), p))
    return differences


def comparison_table(differences: list[Difference]) -> str:
    """Differences for a terminal, in percentage points."""
    lines = ["difference to the other predictions (percentage points; Wilcoxon signed-rank test)"]
    lines += [
        f"{d.structure:10}{d.measure:10}{d.count:>5}{100 * d.mean:>+10.2f}   p = {d.p:.3g}"
        for d in differences
    ]
    return "\n".join(lines)
