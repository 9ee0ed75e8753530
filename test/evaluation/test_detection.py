"""Counts over cases by hand."""

import pytest

from evaluation.detection import detection, detection_table
from evaluation.lesions import Lesion, Matching
from evaluation.run import CaseResult, Settings

SETTINGS = Settings(("GTVp", "GTVnd"), (1.0,))
ALL = ("any", "iou10", "iou50")


def case(*lesions: Lesion, false: int = 0) -> CaseResult:
    predicted = sum(bool(lesion.found) for lesion in lesions) + false
    return CaseResult("a", {}, (), {"GTVnd": Matching(lesions, predicted, (0.1,) * false)})


def test_lesions_of_all_cases_count_together():
    cases = [
        case(Lesion(0.5, 0, 0, 0, ()), Lesion(0.9, 0.8, 0.6, 0.75, ALL), false=2),
        case(Lesion(1.0, 1.0, 0.05, 0.1, ("any",)), Lesion(12, 9, 0.2, 0.33, ("any", "iou10"))),
        CaseResult("b", {}, ()),
    ]
    (found,) = detection(cases, SETTINGS)
    assert (found.structure, found.reference, found.predicted) == ("GTVnd", 4, 5)
    assert found.mean_dsc == pytest.approx((0.75 + 0.1 + 0.33) / 3)
    shares = [(at.matched, at.sensitivity, at.precision, at.f1) for at in found.thresholds]
    assert shares == [(3, 3 / 4, 3 / 5, 6 / 9), (2, 2 / 4, 2 / 5, 4 / 9), (1, 1 / 4, 1 / 5, 2 / 9)]
    sizes = [(s.from_cm3, s.below_cm3, s.count, s.sensitivity["any"], s.mean_dsc) for s in found.sizes]
    assert sizes == [(0, 1, 2, 0.5, 0.375), (1, 3, 1, 1, 0.1), (10, None, 1, 1, 0.33)]
    text = detection_table([found])
    assert (
        "4 in references, 5 predicted" in text and "sensitivity  75.00" in text and "10 and more cm³" in text
    )


def test_what_there_is_nothing_to_share_of_is_none():
    (found,) = detection([case(false=1)], SETTINGS)
    assert (found.thresholds[0].sensitivity, found.thresholds[0].precision, found.mean_dsc) == (None, 0, None)
    assert "sensitivity      –" in detection_table([found])
    (found,) = detection([case(Lesion(0.5, 0, 0, 0, ()))], SETTINGS)
    assert (found.thresholds[0].sensitivity, found.thresholds[0].precision) == (0, None)
    assert detection([case()], SETTINGS) == []
