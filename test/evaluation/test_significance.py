"""Against scipy.stats, and Holm's procedure by hand."""

import numpy as np
import pytest
from scipy import stats

from evaluation.significance import MOST_EXACT, holm, holm_of_pairs, p_values, signed_rank_p


def test_p_values_are_scipys_of_each_pair():
    scores = np.random.default_rng(0).random((3, 12))
    scores[1] += 0.3
    scores[:, 4] = np.nan  # not scored
    p = p_values(scores)
    kept = np.delete(scores, 4, axis=1)
    for one, other in ((0, 1), (1, 0), (2, 1)):
        expected = stats.wilcoxon(kept[one], kept[other], alternative="greater").pvalue
        assert p[one, other] == pytest.approx(expected)
    assert np.diag(p).tolist() == [1, 1, 1]


def test_what_differs_by_rounding_alone_does_not_differ():
    scores = np.full((2, 9), 0.3)
    scores[1] = 0.1 + 0.2
    assert (scores[0] != scores[1]).all() and p_values(scores).tolist() == [[1, 1], [1, 1]]


@pytest.mark.parametrize("better", [3, 5, 10])
@pytest.mark.parametrize("equal", [0, 1, 20, 60])
def test_of_n_cases_that_all_favour_one_p_is_two_to_the_minus_n_however_many_are_equal(better, equal):
    scores = np.full((2, better + equal + 2), 0.3)
    scores[0, :better] += np.arange(1, better + 1) / 100
    scores[1, better:] = 0.1 + 0.2  # equal but for rounding
    scores[1, -2:] = np.nan
    assert p_values(scores)[0, 1] == pytest.approx(2.0**-better)
    assert signed_rank_p(scores[0] - scores[1]) == pytest.approx(2 * 2.0**-better)


@pytest.mark.parametrize("count", [12, 50, 60])
def test_of_both_sides_and_on_either_side_of_the_most_it_is_scipys(count):
    change = np.random.default_rng(count).normal(0.1, 0.3, count)
    assert signed_rank_p(change) == pytest.approx(stats.wilcoxon(change).pvalue)
    one_sided = stats.wilcoxon(change, alternative="greater").pvalue
    assert signed_rank_p(change, "greater") == pytest.approx(one_sided)


def test_differences_of_one_size_are_tested_as_signs_are():
    """All ranks are then alike: the binomial distribution."""
    change = np.array([0.25] * 8 + [-0.25] * 2 + [0] * 20)
    expected = stats.binomtest(8, 10, alternative="greater").pvalue
    assert signed_rank_p(change, "greater") == pytest.approx(expected)


@pytest.mark.parametrize("count", [6, 13, 30, 60, 90])
def test_differences_that_rounding_alone_parts_share_a_rank(count):
    """Steps of 0.1, computed in ways that round otherwise; the oracle is scipy's test of rounded values."""
    rng = np.random.default_rng(count)
    steps = rng.choice([-3, -2, -1, 1, 2, 3, 4], count)
    change = (steps + rng.integers(1, 9, count)) / 10 - rng.integers(1, 9, count) / 10
    change += rng.uniform(-1e-12, 1e-12, count)
    rounded = np.round(change, 6)
    kept = rounded[rounded != 0]
    assert len(set(np.abs(change))) > len(set(np.abs(kept)))
    exact = stats.PermutationMethod(n_resamples=np.inf) if len(kept) <= 13 else "approx"
    for alternative in ("two-sided", "greater"):
        found = signed_rank_p(change, alternative)
        assert found == pytest.approx(signed_rank_p(rounded, alternative))
        if len(kept) <= 13 or len(kept) > MOST_EXACT:
            expected = stats.wilcoxon(kept, alternative=alternative, method=exact, correction=False)
            assert found == pytest.approx(expected.pvalue)


def test_equal_differences_by_hand():
    """Six of one size: five of them up are as likely as five heads of six coins, 7 of 64, on either side."""
    change = np.array([0.3 - 0.2] * 5 + [0.1 - 0.2])
    assert len(set(np.abs(change))) == 2
    assert signed_rank_p(change) == pytest.approx(2 * 7 / 64)
    assert signed_rank_p(change, "greater") == pytest.approx(7 / 64)


def test_holm_by_hand():
    """0.005 x 4, 0.01 x 3, 0.03 x 2, and 0.04 x 1, which may not be below the one before."""
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm(np.array([0.6, 0.9])) == pytest.approx([1, 1])
    assert holm(np.array([])).shape == (0,)


def test_only_pairs_of_two_teams_count_as_tests():
    p = np.array([[1, 0.01, 0.04], [0.99, 1, 0.5], [0.96, 0.5, 1]])
    adjusted = holm_of_pairs(p)
    assert adjusted[0, 1] == pytest.approx(0.06) and adjusted[0, 2] == pytest.approx(0.2)
    assert np.diag(adjusted).tolist() == [1, 1, 1]
