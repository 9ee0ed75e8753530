"""Against scipy.stats, and Holm's procedure by hand."""

import numpy as np
import pytest
from scipy import stats

from evaluation.significance import holm, holm_of_pairs, p_values


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
