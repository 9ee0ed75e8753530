"""Scoring of cases, each by itself."""

import numpy as np
import pytest

import evaluation.run
from evaluation.cases import CaseFiles, MatchedCase
from evaluation.metrics import dsc
from evaluation.run import Settings, evaluate_case

SETTINGS = Settings(("GTVp", "GTVnd"), (1.0,))


@pytest.fixture
def case(save, label_map, tmp_path) -> MatchedCase:
    reference = CaseFiles("a", save(label_map, tmp_path / "r.mha"), {})
    moved = np.roll(label_map, 1, axis=2)
    return MatchedCase("a", reference, CaseFiles("a", save(moved, tmp_path / "p.mha"), {}))


def test_a_case_is_scored_by_structure(case, label_map):
    result = evaluate_case(case, SETTINGS)
    assert result.problems == ()
    for value, structure in enumerate(SETTINGS.structures, 1):
        expected = dsc(np.roll(label_map, 1, axis=2) == value, label_map == value)
        assert result.scores[structure].dsc == expected


def test_what_is_missing_on_either_side_is_said(case, save, label_map, tmp_path):
    only = {"GTVp": save((label_map == 1).astype(np.uint8), tmp_path / "GTVp.mha")}
    structures = CaseFiles("a", None, only)
    result = evaluate_case(MatchedCase("a", case.reference, structures), SETTINGS)
    assert result.scores["GTVp"].dsc == 1 and result.scores["GTVnd"].dsc == 0
    assert result.problems == ("a: no predicted GTVnd, scored 0",)
    result = evaluate_case(MatchedCase("a", structures, case.prediction), SETTINGS)
    assert set(result.scores) == {"GTVp"} and result.problems == ("a: no reference GTVnd, not scored",)
    result = evaluate_case(MatchedCase("a", case.reference, None), SETTINGS)
    assert [s.dsc for s in result.scores.values()] == [0, 0] and "no prediction" in result.problems[0]


def test_a_reference_that_cannot_be_used_is_not_scored(case, tmp_path):
    (tmp_path / "r.mha").write_bytes(b"no image")
    result = evaluate_case(case, SETTINGS)
    assert result.scores == {} and "(not scored)" in result.problems[0]


@pytest.mark.parametrize(
    "error", [MemoryError(), OSError(5, "Input/output error"), PermissionError(13, "Permission denied")]
)
def test_a_failing_disk_or_too_little_memory_is_a_problem_of_the_case(case, monkeypatch, error):
    read = evaluation.run.read_masks

    def fail_for(files: CaseFiles):
        def read_or_fail(asked: CaseFiles, *given):
            if asked is files:
                raise error
            return read(asked, *given)

        return read_or_fail

    monkeypatch.setattr(evaluation.run, "read_masks", fail_for(case.reference))
    result = evaluate_case(case, SETTINGS)
    assert (
        result.scores == {} and result.problems[0].startswith("a: ") and "(not scored)" in result.problems[0]
    )
    monkeypatch.setattr(evaluation.run, "read_masks", fail_for(case.prediction))
    result = evaluate_case(case, SETTINGS)
    assert [s.dsc for s in result.scores.values()] == [0, 0] and "(scored 0)" in result.problems[0]
