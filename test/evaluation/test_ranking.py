"""Ranks by hand and by scipy.stats; ties; cohorts; what is not stable is seen."""

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from scipy import stats

from evaluation.metrics import score
from evaluation.ranking import mean_ranks, overall, places, ranking, ranking_table, tau
from evaluation.run import CaseResult, Settings
from evaluation.significance import holm_of_pairs, p_values

SETTINGS = Settings(("GTVp", "GTVnd"), (1.0,))
EMPTY = score(*np.zeros((2, 2, 2, 2), bool), (1.0, 1.0, 1.0))


def team(dsc_p, dsc_n, nsd_p, nsd_n) -> list[CaseResult]:
    """Cases with these scores; a single one for a number."""
    rows = np.broadcast_arrays(*(np.atleast_1d(values) for values in (dsc_p, dsc_n, nsd_p, nsd_n)))
    return [
        CaseResult(
            str(k),
            {
                "GTVp": replace(EMPTY, dsc=float(dp), nsd=(float(sp),)),
                "GTVnd": replace(EMPTY, dsc=float(dn), nsd=(float(sn),)),
            },
            (),
        )
        for k, (dp, dn, sp, sn) in enumerate(zip(*rows, strict=True))
    ]


def test_values_by_hand():
    # DSC GTVp, DSC GTVnd, NSD GTVp, NSD GTVnd; ranks A 1 1 2 1, B 2 3 1 1, C 3 2 3 3
    teams = {"C": team(0.5, 0.6, 0.1, 0.1), "A": team(0.8, 0.7, 0.5, 0.6), "B": team(0.7, 0.5, 0.6, 0.6)}
    found = ranking(teams, {}, SETTINGS, 20)
    assert [(s.team, s.place, s.value) for s in found.teams] == [
        ("A", 1, pytest.approx(5 / 12)), ("B", 2, pytest.approx(7 / 12)), ("C", 3, pytest.approx(11 / 12)),
    ]  # fmt: skip
    assert found.teams[1].ranks == {"all": {"dsc GTVp": 2, "dsc GTVnd": 3, "nsd GTVp": 1, "nsd GTVnd": 1}}
    assert {s.statistical_place for s in found.teams} == {1}  # one case tells nothing
    lines = ranking_table(found).splitlines()
    assert lines[-3].split()[0] == "1" and lines[-1].endswith("C")


def test_places_are_scipys_and_rounding_parts_nobody():
    rng = np.random.default_rng(0)
    for _ in range(100):
        values = rng.integers(0, 5, rng.integers(1, 8)) / 10
        expected = stats.rankdata(-values, method="min")
        assert places(values + rng.uniform(-1e-12, 1e-12, len(values))).tolist() == expected.tolist()


def test_the_same_scores_in_another_order_are_equal():
    rng = np.random.default_rng(1)
    scores = rng.random(60)
    teams = {str(k): team(*(rng.permutation(scores) for _ in range(4))) for k in range(5)}
    found = ranking(teams, {}, SETTINGS, 20)
    assert {(s.place, s.value) for s in found.teams} == {(1, 1 / 5)}
    assert found.tau_bootstrap is None and set(found.tau_without.values()) == {None}


def test_each_cohort_is_ranked_by_itself_and_then_averaged():
    """A is better in the cohort of one case, B in that of three: equal; over all cases B would be better."""
    a, b = team([0.9, 0.1, 0.1, 0.1], *[[0.9, 0.1, 0.1, 0.1]] * 3), team(0.5, 0.5, 0.5, 0.5) * 4
    b = [replace(result, name=str(k)) for k, result in enumerate(b)]
    cohorts = {"0": "Cohort1", "1": "Cohort2", "2": "Cohort2", "3": "Cohort2"}
    assert [s.place for s in ranking({"A": a, "B": b}, cohorts, SETTINGS, 20).teams] == [1, 1]
    alone = ranking({"A": a, "B": b}, dict.fromkeys(cohorts, "Cohort1"), SETTINGS, 20)
    assert [(s.team, s.place) for s in alone.teams] == [("B", 1), ("A", 2)]


def test_one_cohort_beside_cases_outside_is_no_second_one():
    """As with all cases in one; beside two cohorts those outside are ranked as one more."""
    a, b = team([0.9, 0.1, 0.1, 0.1], *[[0.9, 0.1, 0.1, 0.1]] * 3), team(*[[0.5] * 4] * 4)
    cohorts = {"0": "Cohort1", "1": "", "2": "", "3": ""}
    found = ranking({"A": a, "B": b}, cohorts, SETTINGS, 20)
    assert [(s.team, s.place, set(s.ranks)) for s in found.teams] == [("B", 1, {"all"}), ("A", 2, {"all"})]
    (first, _) = ranking({"A": a, "B": b}, cohorts | {"1": "Cohort2"}, SETTINGS, 20).teams
    assert set(first.ranks) == {"Cohort1", "Cohort2", "no cohort"}


def test_teams_that_do_not_differ_significantly_are_equal_and_stability_is_seen():
    rng = np.random.default_rng(2)
    base = rng.uniform(0.5, 0.8, 40)
    better = [base + 0.1 + rng.normal(0, 0.01, 40) for _ in range(4)]
    noise = rng.normal(0, 0.002, (2, 40))
    teams = {"much": team(*better), "a": team(*[base + noise[0]] * 4), "b": team(*[base + noise[1]] * 4)}
    found = ranking(teams, {}, SETTINGS, 300)
    by_name = {s.team: s for s in found.teams}
    assert [by_name[n].statistical_place for n in ("much", "a", "b")] == [1, 2, 2]
    assert by_name["much"].place_ci95 == (1, 1) and by_name["much"].places == {"1": 1.0}
    assert {by_name["a"].place, by_name["b"].place} == {2, 3}
    assert sum(by_name["a"].places.values()) == pytest.approx(1)
    pairs = {(p.better, p.than, p.measure): p.significant for p in found.significance}
    assert pairs["much", "a", "dsc GTVp"] and not pairs["a", "much", "dsc GTVp"]
    assert not pairs["a", "b", "nsd GTVnd"] and len(pairs) == 3 * 2 * 4
    assert set(found.tau_without.values()) == {1.0} and 0.3 < found.tau_bootstrap <= 1


def test_tau_is_scipys():
    rng = np.random.default_rng(3)
    for _ in range(100):
        one, other = rng.integers(0, 4, (2, 6)) / 3
        expected = stats.kendalltau(one, other).statistic
        found = tau(one, other)
        assert found == (None if np.isnan(expected) else pytest.approx(expected))


def test_weights_count_cases_as_often():
    rng = np.random.default_rng(4)
    table = rng.random((4, 7, 3))
    table[:, 2, 1] = np.nan
    drawn = rng.integers(7, size=7)
    weights = np.bincount(drawn, minlength=7)[None]
    expected = stats.rankdata(-np.nanmean(table[:, drawn], axis=1), method="min", axis=0)
    np.testing.assert_array_equal(mean_ranks(table, weights)[0], expected.T)
    table[:, :, 1] = np.nan  # nobody was scored: that measure counts for nothing
    ranks = mean_ranks(table)
    assert np.isnan(ranks[1]).all()
    np.testing.assert_allclose(overall({"all": ranks}), ranks[[0, 2]].mean(axis=0) / 4)


def test_designs_of_challenger_are_ranked_as_they_were_made():
    """Wiesenfarth et al., Sci Rep 2021: an ideal order, and one where all teams share all ranks alike."""
    rng = np.random.default_rng(4)
    ideal = np.array([rng.uniform(low, low + 0.09, 50) for low in (0.9, 0.8, 0.7, 0.6, 0.5)])
    assert mean_ranks(ideal[:, :, None]).tolist() == [[1, 2, 3, 4, 5]]
    significant = holm_of_pairs(p_values(ideal)) <= 0.05
    np.testing.assert_array_equal(significant, np.triu(np.ones((5, 5), bool), 1))
    worst = np.array(list(permutations(np.linspace(0.8, 1, 5)))).T
    assert mean_ranks(worst[:, :, None]).tolist() == [[1] * 5]
    assert not (holm_of_pairs(p_values(worst)) <= 0.05).any()


def test_by_a_structure_that_nobody_was_scored_on_no_team_is_ranked():
    """Of both rules the values are then those without that structure: (1, 2) of two teams are 1/2 and 1."""
    many = np.arange(12) / 100
    teams = {"A": team(0.8 + many, np.nan, 0.8 + many, np.nan), "B": team(many, np.nan, many, np.nan)}
    for standing, value in zip(ranking(teams, {}, SETTINGS, 20).teams, (0.5, 1.0), strict=True):
        assert standing.value == standing.statistical_value == value
