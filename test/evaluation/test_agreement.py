"""Bland and Altman's figures against scipy.stats and by hand."""

import numpy as np
import pytest
from scipy import stats

from evaluation.agreement import agreement, agreement_table
from evaluation.metrics import score
from evaluation.run import CaseResult, Settings

SETTINGS = Settings(("GTVp", "GTVnd"), (1.0,))


def case(predicted: int, true: int) -> CaseResult:
    """So many voxels of 1 cm³."""
    masks = [np.arange(40).reshape(2, 4, 5) < count for count in (predicted, true)]
    return CaseResult("a", {"GTVp": score(*masks, (10.0, 10.0, 10.0))}, ())


def test_bias_and_limits():
    volumes = [(10, 12), (20, 25), (31, 28), (8, 8), (0, 4)]
    (found,) = agreement([*(case(*pair) for pair in volumes), case(0, 0)], SETTINGS)
    differences = np.array([p - r for p, r in volumes], float)
    assert (found.structure, found.count) == ("GTVp", 5)  # both empty tells nothing of volume
    assert found.bias_cm3 == pytest.approx(-8 / 5)
    expected = stats.ttest_1samp(differences, 0).confidence_interval()
    assert found.bias_ci95_cm3 == pytest.approx((expected.low, expected.high))
    half = 1.96 * stats.tstd(differences)
    assert found.limits_cm3 == pytest.approx((-1.6 - half, -1.6 + half))
    percent = [-200 / 11, -500 / 22.5, 300 / 29.5, 0, -200]
    assert found.bias_percent == pytest.approx(np.mean(percent))
    assert found.limits_percent == pytest.approx(
        (np.mean(percent) - 1.96 * stats.tstd(percent), np.mean(percent) + 1.96 * stats.tstd(percent))
    )
    assert "-1.60 cm³" in agreement_table([found])


def test_one_case_has_no_limits_and_none_no_bias():
    (found,) = agreement([case(3, 2)], SETTINGS)
    assert found.bias_cm3 == pytest.approx(1) and found.limits_cm3 is None and found.bias_ci95_cm3 is None
    assert agreement_table([found]).splitlines()[-1].endswith("+1.00 cm³")
    assert agreement([case(0, 0)], SETTINGS) == [] == agreement([], SETTINGS)
