"""Against numpy and scipy.stats, and by hand where a mask is empty."""

from dataclasses import replace

import numpy as np
import pytest

from evaluation.metrics import score
from evaluation.rows import DISTANCES
from evaluation.run import CaseResult, Settings
from evaluation.statistics import caveats, statistics, statistics_table, without_voxels

SETTINGS = Settings(("GTVp",), (1.0,))
SPACING = (2.0, 1.0, 1.0)


def results(count: int) -> list[CaseResult]:
    """Boxes beside each other; of the last case nothing is predicted."""
    cases = []
    for number in range(count):
        reference = np.zeros((6, 12, 16), bool)
        reference[1:4, 2:8, 2:8] = True
        prediction = np.roll(reference, number, 2) if number < count - 1 else np.zeros_like(reference)
        cases.append(CaseResult(str(number), {"GTVp": score(prediction, reference, SPACING)}, ()))
    return cases


def test_statistics_are_those_of_the_defined_values():
    cases = results(6)
    found = {s.measure: s for s in statistics(cases, SETTINGS)}
    values = np.array([case.scores["GTVp"].hd95_mm for case in cases[:5]])
    hd95 = found["hd95_mm"]
    assert (hd95.count, hd95.undefined, hd95.unit) == (5, 1, "mm")
    assert (hd95.mean, hd95.sd) == pytest.approx((values.mean(), values.std()))
    assert (hd95.median, *hd95.quartiles) == pytest.approx(np.percentile(values, [50, 25, 75]))
    assert hd95.penalised_mean == pytest.approx((values.sum() + np.sqrt(12**2 + 12**2 + 16**2)) / 6)
    assert found["dsc"].count == 6 and found["dsc"].undefined == 0 and found["dsc"].penalised_mean is None
    assert found["difference_cm3"].mean == pytest.approx(-3 * 6 * 6 * 2 / 1000 / 6)
    assert not any(name.startswith("lesions_") for name in found)


def test_distances_that_no_case_has_are_there_with_what_they_would_count():
    """Of two cases nothing is predicted; of a third both masks are empty, which counts 0 mm."""
    cases = [results(1)[0], replace(results(1)[0], name="1")]
    empty = score(*np.zeros((2, 6, 12, 16), bool), SPACING)
    diagonal = np.sqrt(12**2 + 12**2 + 16**2)
    for more, mean in (([], diagonal), ([CaseResult("2", {"GTVp": empty}, ())], diagonal * 2 / 3)):
        found = {s.measure: s for s in statistics(cases + more, SETTINGS)}
        for name in DISTANCES:
            of = found[name]
            assert (of.count, of.undefined, of.mean, of.quartiles) == (0, 2 + len(more), None, None)
            assert of.penalised_mean == pytest.approx(mean)
        assert "lesion_precision" not in found
        lines = statistics_table(found.values(), SETTINGS).splitlines()
        (line,) = [line for line in lines if " hd95_mm " in line]
        assert line.split()[2:] == ["0", "–", "–", "–", "–", str(2 + len(more)), f"{mean:.2f}"]
        assert len({len(line) for line in lines}) == 1


def test_a_structure_that_nobody_has_a_voxel_of_is_named():
    empty = score(*np.zeros((2, 6, 12, 16), bool), SPACING)
    scored = [CaseResult(str(number), {"GTVp": empty}, ()) for number in range(12)]
    (line,) = without_voxels(scored, SETTINGS)
    assert line.startswith("GTVp: no reference and no prediction has a voxel of it")
    assert "label maps (1 GTVp, 2 GTVnd)" in line and caveats(scored, SETTINGS) == [line]
    assert without_voxels([*scored, results(1)[0]], SETTINGS) == [] == without_voxels([], SETTINGS)


def test_few_cases_get_a_caveat():
    (line,) = caveats(results(3), SETTINGS)
    assert "3 cases with 10 different draws" in line  # of three: 3 + 6 + 1
    (line,) = caveats(results(1), SETTINGS)
    assert "1 case with 1 different draw;" in line
    assert caveats(results(10), SETTINGS) == [] == caveats([], SETTINGS)


def test_the_table_says_how_many_are_undefined_and_what_they_would_count():
    cases = results(6)
    text = statistics_table(statistics(cases, SETTINGS), SETTINGS)
    (line,) = [line for line in text.splitlines() if " hd95_mm " in line]
    (hd95,) = [s for s in statistics(cases, SETTINGS) if s.measure == "hd95_mm"]
    assert line.split()[-2:] == ["1", f"{hd95.penalised_mean:.2f}"]
    assert " dsc " not in text and len({len(line) for line in text.splitlines()}) == 1


def test_large_figures_stay_in_their_columns():
    (case,) = results(1)
    long = CaseResult("0", {"GTVp": replace(case.scores["GTVp"], added_path_mm=123456.7)}, ())
    text = statistics_table(statistics([long], SETTINGS), SETTINGS)
    (line,) = [line for line in text.splitlines() if " added_path_mm " in line]
    assert " ".join(line.split()).endswith(" 1 123457 ± 0.00 123457 123457 to 123457 123457 to 123457 0")
