"""What folds come to is kept, read as it was, and shown in one table."""

import json
from dataclasses import replace

import numpy as np
import pytest

from evaluation.metrics import score
from evaluation.output import csv_text
from evaluation.summary import summarise
from model.errors import InputError
from training.results import RESULT, folds_table, read_result, read_results, write_result
from training.validate import SETTINGS


@pytest.fixture
def results(tmp_path, save_fold_weights, scored_fold):
    """Two folds of three and two cases."""
    for fold in range(2):
        save_fold_weights(tmp_path / f"{fold}.pt", fold)
    return [scored_fold("0", tmp_path / "0.pt", "abc", 0), scored_fold("1", tmp_path / "1.pt", "de", 1)]


def test_what_is_written_is_read_as_it_was(results, tmp_path):
    empty = np.zeros((4, 4, 4), bool)
    nothing = score(empty, empty, (1.0, 1.0, 1.0), (1.0,))  # HD95 is nan
    cases = (
        replace(results[0].cases[0], scores=dict.fromkeys(SETTINGS.structures, nothing)),
        *results[0].cases[1:],
    )
    write_result(replace(results[0], cases=cases), tmp_path / "fold-0")
    write_result(results[1], tmp_path / "fold-1")
    first, second = read_results(tmp_path)
    assert csv_text(list(first.cases), SETTINGS) == csv_text(list(cases), SETTINGS)
    assert np.isnan(first.cases[0].scores["GTVp"].hd95_mm)
    assert second.cases == results[1].cases
    assert (second.fold, second.weights, second.fingerprint) == (
        "1", tmp_path / "1.pt", results[1].fingerprint,
    )  # fmt: skip
    for before, after in zip(results[1].by_least, second.by_least, strict=True):
        np.testing.assert_array_equal(before, after)


def test_a_fold_without_held_out_cases_is_kept_too(results, tmp_path):
    write_result(replace(results[0], fold="all", cases=(), by_least=()), tmp_path / "fold-all")
    (only,) = read_results(tmp_path)
    assert only.fold == "all" and only.cases == ()


def test_a_result_from_before_some_measures_is_read(results, tmp_path):
    write_result(results[0], tmp_path)
    content = json.loads((tmp_path / RESULT).read_text())
    del content["cases"]["a"]["scores"]["GTVp"]["masd_mm"]
    (tmp_path / RESULT).write_text(json.dumps(content))
    (case, *_) = read_result(tmp_path / RESULT).cases
    assert np.isnan(case.scores["GTVp"].masd_mm)
    assert case.scores["GTVp"].dsc == results[0].cases[0].scores["GTVp"].dsc


def test_folds_come_by_number(results, tmp_path):
    for fold in ("10", "2", "all"):
        write_result(replace(results[0], fold=fold), tmp_path / f"fold-{fold}")
    assert [result.fold for result in read_results(tmp_path)] == ["2", "10", "all"]


def spoil(change):
    def spoilt(content):
        change(content)
        return content

    return spoilt


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: 3,
        lambda content: {},
        spoil(lambda c: c.pop("fold")),
        spoil(lambda c: c.update(fold=3)),
        spoil(lambda c: c.update(least_cm3=[0, 1])),
        spoil(lambda c: c.update(cases=[])),
        spoil(lambda c: c["cases"].update(a={})),
        spoil(lambda c: c["cases"]["a"]["scores"].pop("GTVp")),
        spoil(lambda c: c["cases"]["a"]["scores"]["GTVp"].pop("dsc")),
        spoil(lambda c: c["cases"]["a"]["scores"]["GTVp"].update(dsc="1")),
        spoil(lambda c: c["cases"]["a"]["scores"]["GTVp"].update(nsd=[0.1, 0.2])),
        spoil(lambda c: c["cases"]["a"]["scores"]["GTVp"]["lesions"].update(other=1)),
        spoil(lambda c: c["cases"]["a"]["scores"]["GTVp"]["lesions"].update(found=None)),
        spoil(lambda c: c["cases"]["a"]["dsc_by_least_cm3"].pop()),
        spoil(lambda c: c["cases"]["a"]["dsc_by_least_cm3"][0].append(1)),
        spoil(lambda c: c["cases"]["a"].update(dsc_by_least_cm3=[[2.0, 2.0]] * 9)),
    ],
)
def test_a_result_that_is_none_is_refused(results, tmp_path, damage):
    write_result(results[0], tmp_path)
    content = damage(json.loads((tmp_path / RESULT).read_text()))
    (tmp_path / RESULT).write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"result\.json: .*; delete it"):
        read_result(tmp_path / RESULT)


def test_the_table_has_the_evaluators_means_of_every_fold_and_of_all(results):
    lines = folds_table(results).splitlines()
    assert [line.split()[:2] for line in lines[1:]] == [["0", "3"], ["1", "2"], ["all", "5"]]
    every = [case for result in results for case in result.cases]
    for line, cases in zip(lines[1:], [*(list(r.cases) for r in results), every], strict=True):
        summaries = {(s.structure, s.measure): s for s in summarise(cases, SETTINGS)}
        expected = [
            f"{100 * summaries[structure, measure].mean:.2f} ± {100 * summaries[structure, measure].sd:.2f}"
            for structure in SETTINGS.structures
            for measure in ("dsc", "nsd")
        ]
        assert " ".join(line.split()[2:]) == " ".join(expected)


def test_one_fold_is_one_row(results):
    assert len(folds_table(results[:1]).splitlines()) == 2


def test_cases_that_two_folds_hold_out_are_told(results, scored_fold):
    assert "before" not in folds_table(results)
    again = scored_fold("2", results[0].weights, "bcx")
    assert folds_table([*results, again]).splitlines()[-1] == "2 of them held out by another fold before"
