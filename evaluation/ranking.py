"""Ranks of submissions by SegRap's rule, and whether to believe them.

The rule: teams are ranked by the mean over patients of DSC and NSD of each structure, in each cohort; these ranks are
averaged over measures, then over cohorts, and divided by the number of teams. The statistical ranking does so with
ranks that count how many teams are significantly better, so that teams that do not differ are equal.
"""

from dataclasses import dataclass

import numpy as np

from evaluation.run import CaseResult, Settings
from evaluation.significance import ALPHA, TIE, holm_of_pairs, p_values
from evaluation.summary import columns
from model.errors import one_line

DRAWS = 1000
MEASURES = ("dsc", "nsd")
ALL = "all"  # the cohort's name where there is but one


@dataclass(frozen=True)
class Standing:
    """A team's places, 1 the best, equal ones share it; values: averaged ranks divided by the number of teams.

    ranks: by cohort and measure. place_ci95 and places: over bootstrap draws of patients, the interval of the place and
    the share of draws by place.
    """

    team: str
    place: int
    value: float
    statistical_place: int
    statistical_value: float
    ranks: dict[str, dict[str, int]]
    place_ci95: tuple[int, int]
    places: dict[str, float]


@dataclass(frozen=True)
class Pair:
    """Test whether one team is better than another, within a cohort; p_holm: adjusted over all pairs of the measure."""

    cohort: str
    measure: str
    better: str
    than: str
    p: float
    p_holm: float
    significant: bool


@dataclass(frozen=True)
class Ranking:
    """Best first. tau: Kendall's tau-b with the ranking of all, None where one of both has all teams equal.

    tau_bootstrap: its mean over draws. tau_without: by the measure that was left out.
    """

    teams: list[Standing]
    significance: list[Pair]
    tau_bootstrap: float | None
    tau_without: dict[str, float | None]


def ranking(
    teams: dict[str, list[CaseResult]], cohorts: dict[str, str], settings: Settings, draws: int = DRAWS
) -> Ranking:
    """teams: results of each, of the same references in the same order; cohorts: of each case, or "".

    With fewer than two cohorts all cases are one.
    """
    names = [f"{measure} {structure}" for measure in MEASURES for structure in settings.structures]
    table = np.stack([_table(results, settings) for results in teams.values()])
    table[:, np.isnan(table).any(axis=0)] = np.nan  # nobody is ranked by what another was not scored on
    groups = _groups([cohorts.get(r.name, "") for r in next(iter(teams.values()))])
    by_cohort = {name: mean_ranks(table[:, cases]) for name, cases in groups.items()}
    tests = {name: _tests(table[:, cases]) for name, cases in groups.items()}
    values = overall(by_cohort)
    by_tests = {name: _significant_ranks(p) for name, (_, p) in tests.items()}
    # Where nobody was scored, equal ranks would only draw all teams together.
    statistical = overall(
        {name: np.where(np.isnan(by_cohort[name]), np.nan, r) for name, r in by_tests.items()}
    )
    drawn = _drawn_values(table, groups, draws)
    drawn_places = places(-drawn)
    standings = [
        Standing(
            one_line(team),
            int(places(-values)[k]),
            float(values[k]),
            int(places(-statistical)[k]),
            float(statistical[k]),
            {cohort: _by_name(names, ranks[:, k]) for cohort, ranks in by_cohort.items()},
            _interval(drawn_places[:, k]),
            {str(p): float(np.mean(drawn_places[:, k] == p)) for p in np.unique(drawn_places[:, k])},
        )
        for k, team in enumerate(teams)
    ]
    without = {
        name: tau(values, overall({cohort: np.delete(r, m, axis=0) for cohort, r in by_cohort.items()}))
        for m, name in enumerate(names)
        if len(names) > 1
    }
    taus = [t for one in drawn if (t := tau(values, one)) is not None]
    return Ranking(
        sorted(standings, key=lambda s: (s.place, s.statistical_place)),
        _pairs(tests, names, [one_line(team) for team in teams]),
        float(np.mean(taus)) if taus else None,
        without,
    )


def _table(results: list[CaseResult], settings: Settings) -> np.ndarray:
    """(cases, measures): DSC of all structures, then NSD at the first tolerance; nan for what was not scored."""
    return np.concatenate([columns(results, measure, settings) for measure in MEASURES], axis=1)


def _groups(cohorts: list[str]) -> dict[str, np.ndarray]:
    """Numbers of the cases of each cohort; beside two or more, those that lie in none are one more."""
    found = dict.fromkeys(cohorts)
    if sum(map(bool, found)) < 2:
        return {ALL: np.arange(len(cohorts))}
    return {name or "no cohort": np.flatnonzero(np.array(cohorts) == name) for name in found}


def places(values: np.ndarray) -> np.ndarray:
    """Places (..., teams) of values of which the largest is best; equal ones share the better, nan has place 1."""
    return 1 + (values[..., None, :] > values[..., :, None] + TIE).sum(axis=-1)


def mean_ranks(table: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Ranks (measures, teams) by the means over cases of scores (teams, cases, measures); nan without any score.

    weights (..., cases): how often each case counts, once if not given; then the ranks have its dimensions in front.
    """
    weights = np.ones(table.shape[1]) if weights is None else weights
    sums = np.einsum("...c,tcm->...mt", weights, np.nan_to_num(table))
    counts = np.einsum("...c,cm->...m", weights, ~np.isnan(table[0]))[..., None]
    return np.where(counts > 0, places(sums / np.maximum(counts, 1)), np.nan)


def overall(by_cohort: dict[str, np.ndarray]) -> np.ndarray:
    """Ranks (..., measures, teams) averaged over measures, then cohorts, by the number of teams; lower is better."""
    with np.errstate(invalid="ignore"):
        values = [
            np.nansum(ranks, axis=-2) / np.sum(~np.isnan(ranks), axis=-2) for ranks in by_cohort.values()
        ]
    scored = np.sum(~np.isnan(values), axis=0)
    return np.nansum(values, axis=0) / np.maximum(scored, 1) / np.shape(values)[-1]


def _tests(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """p values and adjusted ones, each (measures, teams, teams), of scores (teams, cases, measures)."""
    p = np.stack([p_values(scores) for scores in np.moveaxis(table, -1, 0)])
    return p, np.stack([holm_of_pairs(of) for of in p])


def _significant_ranks(adjusted: np.ndarray) -> np.ndarray:
    """Ranks (measures, teams): one more than there are teams that are significantly better."""
    return 1.0 + (adjusted <= ALPHA).sum(axis=1)


def _drawn_values(table: np.ndarray, groups: dict[str, np.ndarray], draws: int) -> np.ndarray:
    """Values (draws, teams) where as many patients as there are were drawn with replacement, in each cohort."""
    rng = np.random.default_rng(0)
    by_cohort = {}
    for name, cases in groups.items():
        chosen = rng.integers(len(cases), size=(draws, len(cases)))
        weights = np.stack([np.bincount(of, minlength=len(cases)) for of in chosen])
        by_cohort[name] = mean_ranks(table[:, cases], weights)
    return overall(by_cohort)


def tau(values: np.ndarray, others: np.ndarray) -> float | None:
    """Kendall's tau-b of two orders of the teams; None where either has all equal."""
    one, other = (np.sign(np.where(np.abs(d := v[:, None] - v) > TIE, d, 0)) for v in (values, others))
    scale = np.sqrt((one**2).sum() * (other**2).sum())
    return float((one * other).sum() / scale) if scale else None


def _interval(drawn: np.ndarray) -> tuple[int, int]:
    low, high = np.percentile(drawn, [2.5, 97.5], method="inverted_cdf")
    return int(low), int(high)


def _by_name(names: list[str], ranks: np.ndarray) -> dict[str, int]:
    return {name: int(rank) for name, rank in zip(names, ranks, strict=True) if not np.isnan(rank)}


def _pairs(tests: dict[str, tuple[np.ndarray, np.ndarray]], names: list[str], teams: list[str]) -> list[Pair]:
    return [
        Pair(cohort, name, teams[a], teams[b], float(p[m, a, b]), q := float(adjusted[m, a, b]), q <= ALPHA)
        for cohort, (p, adjusted) in tests.items()
        for m, name in enumerate(names)
        for a in range(len(teams))
        for b in range(len(teams))
        if a != b
    ]


def ranking_table(found: Ranking) -> str:
    """For a terminal: how stable the order is, then the teams, best first."""
    shown = {name: "–" if t is None else f"{t:.2f}" for name, t in found.tau_without.items()}
    drawn = "–" if found.tau_bootstrap is None else f"{found.tau_bootstrap:.2f}"
    lines = [f"Kendall's tau with this ranking: {drawn} over draws of patients"]
    lines += [f"  {value} without {name}" for name, value in shown.items()]
    lines.append(f"{'place':>5}  {'value':>6}  {'place by significance':>21}  {'95 % of places':>14}  team")
    for s in found.teams:
        interval = f"{s.place_ci95[0]} to {s.place_ci95[1]}"
        lines.append(f"{s.place:>5}  {s.value:.4f}  {s.statistical_place:>21}  {interval:>14}  {s.team}")
    return "\n".join(lines)
