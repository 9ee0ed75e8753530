"""The plots of a report: which there are, and that each case is in them."""

import re
from dataclasses import replace

import numpy as np
import pytest

from evaluation.charts import charts, comparison_charts, largest_changes, ranking_charts
from evaluation.findings import Findings, findings
from evaluation.lesions import match_lesions
from evaluation.metrics import score
from evaluation.ranking import ranking
from evaluation.run import CaseResult, Settings

SETTINGS = Settings(("GTVp", "GTVnd"), (1.0, 2.0))
SPACING = (3.0, 1.0, 1.0)
NUMBERS = {str(k): k for k in range(4)}


def results(shift: int) -> list[CaseResult]:
    """Four cases; the last has no nodes on either side."""
    cases = []
    for k in range(4):
        truth = np.zeros((8, 24, 30), bool)
        truth[2:6, 4:12, 4:12] = True
        masks = {
            "GTVp": (truth, np.roll(truth, (k + shift) % 5, 2)),
            "GTVnd": (truth & (k < 3), truth & (k < 3)),
        }
        scores = {s: score(b, a, SPACING, SETTINGS.tolerances_mm) for s, (a, b) in masks.items()}
        cases.append(
            CaseResult(str(k), scores, (), {s: match_lesions(b, a, SPACING) for s, (a, b) in masks.items()})
        )
    return cases


@pytest.fixture(scope="module")
def found() -> Findings:
    return findings(results(0), [], SETTINGS)


def cases_in(svg: str) -> set[int]:
    return {int(number) for number in re.findall(r'href="#case-(\d+)"', svg)}


def test_every_case_is_in_every_plot_where_it_has_a_value(found):
    drawn = dict(charts(found, NUMBERS))
    assert len(drawn) == 3 + 1 + 1 + 2 + 2  # measures, HD95, both structures, sizes, volumes
    for caption, svg in drawn.items():
        assert cases_in(svg) == ({0, 1, 2} if caption.startswith("GTVnd") else {0, 1, 2, 3}), caption
    assert list(comparison_charts(found, NUMBERS)) == list(ranking_charts(found, NUMBERS)) == []


def test_a_comparison_has_pairs_and_names_what_differs_most(found):
    compared = replace(found, other=results(2))
    assert len(list(comparison_charts(compared, NUMBERS))) == 3
    assert all(cases_in(svg) == {0, 1, 2, 3} for _, svg in comparison_charts(compared, NUMBERS))
    changes = largest_changes(compared)
    both = [[r.scores["GTVp"].dsc for r in of] for of in (found.results, compared.other)]
    change = np.subtract(*both)
    largest = int(np.abs(change).argmax())
    assert changes[0] == (str(largest), f"GTVp DSC {100 * change[largest]:+.1f} points")
    assert largest_changes(found) == []


def test_a_ranking_has_places_and_each_measure_of_all_teams(found):
    given = {"a\n<b>": found.results, "other": results(2)}
    ranked = replace(found, order=ranking(given, {}, SETTINGS, draws=20), teams=given)
    drawn = list(ranking_charts(ranked, NUMBERS))
    assert len(drawn) == 1 + 4 and all(cases_in(svg) == {0, 1, 2, 3} for _, svg in drawn[1:])
    assert all("a\\n&lt;b&gt;" in svg for _, svg in drawn)
