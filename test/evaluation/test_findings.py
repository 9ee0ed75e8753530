"""All that is said of scored cases, once."""

import numpy as np
import pytest

from evaluation.findings import findings, further_tables
from evaluation.lesions import match_lesions
from evaluation.metrics import score
from evaluation.run import CaseResult, Settings

SETTINGS = Settings(("GTVp", "GTVnd"), (1.0,))
SPACING = (3.0, 1.0, 1.0)


def results(count: int) -> list[CaseResult]:
    cases = []
    for number in range(count):
        truth = np.zeros((8, 16, 20), bool)
        truth[2:6, 4:10, 4:10] = True
        moved = np.roll(truth, number, 2)
        matched = {"GTVp": match_lesions(moved, truth, SPACING)}
        cases.append(CaseResult(str(number), {"GTVp": score(moved, truth, SPACING)}, (), matched))
    return cases


def test_tables_and_records_of_a_mean_have_one_interval():
    found = findings(results(4), ["odd"], SETTINGS)
    for summary in found.summaries:
        (same,) = [s for s in found.statistics if (s.measure, s.structure) == (summary.measure, "GTVp")]
        assert (summary.mean, summary.ci95) == (pytest.approx(same.mean), pytest.approx(same.ci95))
    assert found.problems == ["odd"] and "4 cases" in found.notes[0]


def test_the_terminal_has_distances_volumes_lesions_and_notes():
    text = further_tables(findings(results(3), [], SETTINGS))
    for word in ("hd95_mm", "Bland-Altman", "3 in references", "too narrow"):
        assert word in text


def test_of_no_case_nothing_is_found():
    found = findings([], [], SETTINGS)
    assert found.summaries == found.statistics == found.volumes == found.lesions == found.notes == []
