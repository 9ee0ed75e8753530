"""Means over patients."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from evaluation.metrics import score
from evaluation.run import CaseResult, Settings
from evaluation.summary import average_score, bootstrap_ci95, columns, compare, measures, summarise

SETTINGS = Settings(("GTVp", "GTVnd"), (1.0, 2.0))


def results() -> list[CaseResult]:
    """Three cases; the last has no GTVnd."""
    rng = np.random.default_rng(0)
    masks = rng.random((3, 2, 2, 6, 8, 8)) > 0.5
    cases = []
    for number, (one, other) in enumerate(masks):
        scores = {
            name: score(a, b, (3.0, 1.0, 1.0), SETTINGS.tolerances_mm)
            for name, a, b in zip(SETTINGS.structures, one, other, strict=True)
        }
        if number == 2:
            del scores["GTVnd"]
        cases.append(CaseResult(str(number), scores, ()))
    return cases


def test_columns_are_cases_by_structures_with_nan_for_what_was_not_scored():
    table = columns(results(), "dsc", SETTINGS)
    assert table.shape == (3, 2) and np.isnan(table[2, 1]) and np.isnan(table).sum() == 1
    assert measures(SETTINGS) == ("dsc", "nsd", "nsd_2mm")


def test_a_summary_is_mean_and_population_deviation_over_those_scored():
    cases = results()
    summaries = {(s.measure, s.structure): s for s in summarise(cases, SETTINGS)}
    values = [case.scores["GTVnd"].dsc for case in cases[:2]]
    nodes = summaries["dsc", "GTVnd"]
    assert (nodes.count, nodes.mean, nodes.sd) == (
        2,
        pytest.approx(np.mean(values)),
        pytest.approx(np.std(values)),
    )
    every = [s.dsc for case in cases for s in case.scores.values()]
    assert summaries["dsc", "average"].count == 5
    assert summaries["dsc", "average"].mean == pytest.approx(np.mean(every))
    four = [summaries[m, s].mean for m in ("dsc", "nsd") for s in SETTINGS.structures]
    assert average_score(list(summaries.values())) == pytest.approx(np.mean(four))


def test_the_interval_of_equal_values_is_that_value():
    assert bootstrap_ci95(np.full((5, 1), 0.7)) == pytest.approx((0.7, 0.7))
    assert bootstrap_ci95(np.array([0.5])) == (0.5, 0.5)


def test_the_interval_is_scipys():
    values = np.random.default_rng(1).gamma(2, 3, 40)
    expected = stats.bootstrap(
        (values,), np.mean, n_resamples=5000, method="percentile", random_state=np.random.default_rng(2)
    ).confidence_interval
    assert bootstrap_ci95(values) == pytest.approx((expected.low, expected.high), rel=0.02)


def test_of_several_structures_patients_are_drawn_and_not_values():
    """Both structures of a patient are alike, so that drawing values would make the interval narrower."""
    values = np.random.default_rng(3).random(30)
    both = np.stack([values, values], axis=1)
    assert bootstrap_ci95(both) == pytest.approx(bootstrap_ci95(values))
    both[:10, 1] = np.nan
    low, high = bootstrap_ci95(both)
    assert low < np.nanmean(both) < high


def test_a_comparison_is_exact_where_few_cases_differ():
    """Of 25 cases 5 are better: all five signs of one kind, on either side."""
    few = Settings(("GTVp",), (1.0,))
    empty = score(*np.zeros((2, 2, 2, 2), bool), (1.0, 1.0, 1.0))
    gains = np.r_[np.arange(1, 6) / 100, np.zeros(20)]
    ours, theirs = (
        [CaseResult(str(k), {"GTVp": replace(empty, dsc=0.9 + g)}, ()) for k, g in enumerate(by)]
        for by in (gains, 0 * gains)
    )
    dsc, nsd = compare(ours, theirs, few)
    assert dsc.p == pytest.approx(2 * 2.0**-5) and dsc.mean == pytest.approx(0.15 / 25)
    assert (nsd.count, nsd.p) == (25, 1)
