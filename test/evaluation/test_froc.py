"""FROC over cases, by hand."""

import pytest

from evaluation.froc import froc, froc_table
from evaluation.probabilities import LesionCounts
from evaluation.run import CaseResult, Settings

SETTINGS = Settings(("GTVp", "GTVnd"), (1.0,))


def case(name: str, *counts: tuple[float, int, int, int]) -> CaseResult:
    """Of GTVnd: probability, lesions of the reference and predicted, pairs."""
    of = tuple(LesionCounts(p, r, n, {"any": m, "iou10": m, "iou50": 0}) for p, r, n, m in counts)
    return CaseResult(name, {}, (), probable={"GTVnd": of})


@pytest.fixture
def found():
    """Two cases with maps, 4 lesions; one case without."""
    cases = [
        case("a", (0.2, 3, 6, 3), (0.5, 3, 2, 2), (0.8, 3, 1, 1)),
        case("b", (0.2, 1, 4, 1), (0.5, 1, 2, 1), (0.8, 1, 0, 0)),
        CaseResult("c", {}, ()),
    ]
    (of,) = froc(cases, SETTINGS)
    return of


def test_sensitivity_is_over_all_lesions_and_false_ones_are_per_case_with_maps(found):
    assert (found.structure, found.cases, found.reference) == ("GTVnd", 2, 4)
    assert [p.sensitivity["any"] for p in found.points] == [1, 0.75, 0.25]
    assert [p.false_per_case["any"] for p in found.points] == [3, 0.5, 0]
    assert [p.false_per_case["iou50"] for p in found.points] == [5, 2, 0.5]


def test_at_a_rate_the_best_point_that_costs_no_more_counts(found):
    rates = {"0.125": 0.25, "0.25": 0.25, "0.5": 0.75, "1": 0.75, "2": 0.75, "4": 1.0}
    assert found.at_rates["iou10"] == rates and found.at_rates["iou50"]["0.25"] is None


def test_the_table_has_them(found):
    first, second = froc_table([found]).splitlines()
    assert "4 lesions in 2 cases" in first and first.split()[-6:] == ["0.125", "0.25", "0.5", "1", "2", "4"]
    assert second.split()[-6:] == ["25.0", "25.0", "75.0", "75.0", "75.0", "100.0"]
    assert len(first) == len(second)


def test_without_lesions_in_the_references_there_is_none():
    assert froc([case("a", (0.5, 0, 3, 0))], SETTINGS) == []
