"""The folds of one command: which there are, where their weights go, that one follows the other."""

import argparse
import json
from pathlib import Path

import pytest
import torch

import training.folds
from model.errors import InputError
from training.data.groups import add_groups
from training.data.sources import TrainingCase
from training.folds import check_weights, divided, show_table, train_folds, weights_of
from training.results import write_result
from training.run.processes import Processes
from training.splits import cut, fold_list

CASES = [TrainingCase(name, Path(), Path(), {}) for name in "abcdefg"]


def options(fold: str, splits: Path | None = None, folds: int | None = None) -> argparse.Namespace:
    return argparse.Namespace(fold=fold_list(fold), splits=splits, folds=folds, seed=3, data=Path("data"))


def named(fold) -> tuple[str, str, str]:
    return fold.name, "".join(fold.training), "".join(fold.held_out)


def test_several_folds_of_one_seed():
    cases, folds = divided(CASES, options("0,3-4"))
    assert cases == CASES
    expected = [cut(list("abcdefg"), 5, number, 3) for number in (0, 3, 4)]
    assert [named(fold)[1:] for fold in folds] == [
        ("".join(split.training), "".join(split.held_out)) for split in expected
    ]
    assert [fold.name for fold in folds] == ["0", "3", "4"]
    assert named(divided(CASES, options("all"))[1][0]) == ("all", "abcdefg", "")
    assert named(divided(CASES[:1], options("all"))[1][0]) == ("all", "a", "")


@pytest.fixture
def splits(tmp_path):
    """Two of five cases."""
    entries = [{"train": ["b", "c"], "val": ["a"]}, {"train": ["a", "c"], "val": ["d", "g"]}]
    (tmp_path / "s.json").write_text(json.dumps(entries))
    return tmp_path / "s.json"


def test_splits_of_ones_own_leave_out_what_they_do_not_name(splits, capsys):
    cases, folds = divided(CASES, options("0-1", splits))
    assert "".join(case.name for case in cases) == "abcdg"
    assert [named(fold) for fold in folds] == [("0", "bc", "a"), ("1", "ac", "dg")]
    assert capsys.readouterr().out == f"2 of 7 cases are in no list of {splits} and are left out\n"
    assert named(divided(CASES, options("all", splits))[1][0]) == ("all", "abcdg", "")


@pytest.mark.parametrize(
    ("cases", "given", "words"),
    [
        (CASES, options("2", folds=9), "--folds: 9 of 7 cases; "),
        (CASES[:3], options("1-4"), "--fold: 3 of 3, as there are cases; "),
        (CASES[:1], options("0"), "data: no case is left to train on besides"),
    ],
)
def test_folds_that_there_are_not(cases, given, words):
    with pytest.raises(InputError) as refused:
        divided(cases, given)
    assert str(refused.value).startswith(words)


def test_folds_that_a_file_has_not(splits):
    with pytest.raises(InputError, match=r"--fold: 2 of 2, in .*s\.json; give a lower one, or all"):
        divided(CASES, options("0,2", splits))


@pytest.fixture
def grouped(tmp_path):
    """Options for a folder with a groups.json: a and b are of one patient, c and d of another."""
    add_groups(tmp_path / "data", {"a": "pt_1", "b": "pt_1", "c": "pt_2", "d": "pt_2"})

    def with_data(*given, **also) -> argparse.Namespace:
        return argparse.Namespace(**(vars(options(*given, **also)) | {"data": tmp_path / "data"}))

    return with_data


def test_cases_of_one_patient_are_held_out_together(grouped, capsys):
    _, folds = divided(CASES[:4], grouped("0-1"))
    assert sorted(named(fold)[1:] for fold in folds) == [("ab", "cd"), ("cd", "ab")]
    assert capsys.readouterr().out == ""
    _, folds = divided(CASES, grouped("0-4"))
    assert sorted(named(fold)[2] for fold in folds) == ["ab", "cd", "e", "f", "g"]
    line = "warning: 3 cases are not in groups.json, such as e: each counts as a patient\n"
    assert capsys.readouterr().out == line
    for cases, given, words in (
        (CASES[:4], grouped("0", folds=3), "--folds: 3 of 2 patients; give at most 2"),
        (CASES[:4], grouped("4"), "--fold: 4 of 2, as there are patients; "),
        (
            CASES[:2],
            grouped("0"),
            "data: no patient is left to train on besides the held-out one; give more pat",
        ),
    ):
        with pytest.raises(InputError, match=words):
            divided(cases, given)


def test_a_file_of_ones_own_that_parts_a_patient_gets_a_warning(grouped, tmp_path, capsys):
    entries = [{"train": ["a", "b"], "val": ["c"]}, {"train": ["a", "c"], "val": ["b", "d"]}]
    (tmp_path / "s.json").write_text(json.dumps(entries))
    divided(CASES[:4], grouped("0-1", tmp_path / "s.json"))
    (line,) = capsys.readouterr().out.splitlines()
    what = "2 patients, such as pt_1, are trained on and held out"
    assert line == f"warning: fold 1: {what} (groups.json): its scores are too good"


def test_each_of_several_folds_has_a_file_of_its_own():
    out = Path("weights/mine.pt")
    assert weights_of(out, ("3",)) == {"3": out} and weights_of(out, ("all",)) == {"all": out}
    assert weights_of(out, ("0", "12")) == {
        "0": Path("weights/mine-fold0.pt"),
        "12": Path("weights/mine-fold12.pt"),
    }


def test_the_weights_of_another_fold_are_not_written_over(tmp_path, save_fold_weights, scored_fold):
    save_fold_weights(tmp_path / "w.pt", 0)
    write_result(scored_fold("0", tmp_path / "w.pt", "ab"), tmp_path / "work" / "fold_0")
    check_weights({"0": tmp_path / "w.pt", "1": tmp_path / "v.pt"}, tmp_path / "work")
    with pytest.raises(InputError, match=r"--out: .*w\.pt holds the weights of fold 0; "):
        check_weights({"1": tmp_path / "w.pt"}, tmp_path / "work")
    (tmp_path / "w.pt").unlink()
    check_weights({"1": tmp_path / "w.pt"}, tmp_path / "work")


def test_one_follows_the_other_until_asked_to_end(
    tmp_path, monkeypatch, capsys, save_fold_weights, scored_fold
):
    begun = []

    def train_fold(job, fold, out, team):
        begun.append((fold.name, out.name))
        if fold.name == "stop":
            return False
        save_fold_weights(out, int(fold.name))
        write_result(scored_fold(fold.name, out, fold.held_out), fold.folder(job.args.work))
        return True

    monkeypatch.setattr(training.folds, "train_fold", train_fold)
    job = argparse.Namespace(args=argparse.Namespace(work=tmp_path / "work"))
    team = Processes(0, 1, torch.device("cpu"))
    _, folds = divided(CASES, options("0-2", folds=3))
    outs = weights_of(tmp_path / "w.pt", ("0", "1", "2"))
    assert train_folds(job, folds[:2], outs, team)
    assert begun == [("0", "w-fold0.pt"), ("1", "w-fold1.pt")]
    *_, first, second, every = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in (first, second, every)] == [["0", "3"], ["1", "2"], ["all", "5"]]
    stopping = [training.folds.Fold("stop", ("a",), ("b",)), folds[2]]
    assert not train_folds(job, stopping, {"stop": tmp_path / "x.pt"} | outs, team)
    assert begun[2:] == [("stop", "x.pt")]
    show_table(tmp_path / "none", ["0"])
    assert capsys.readouterr().out.splitlines() == ["fold stop: 1 cases to train on, 1 held out"]


def test_folds_of_another_division_are_in_no_table(tmp_path, save_fold_weights, scored_fold, capsys):
    """As after --folds 4 a run with --folds 2 --overwrite leaves them."""
    for number, names in enumerate(("ab", "cd", "bc", "e")):
        save_fold_weights(tmp_path / f"{number}.pt", number)
        write_result(
            scored_fold(str(number), tmp_path / f"{number}.pt", names), tmp_path / "work" / f"fold_{number}"
        )
    show_table(tmp_path / "work", ["0", "1"])
    warning, _, *rows = capsys.readouterr().out.splitlines()
    assert "work: fold 2 held out cases that this command's folds did: not in the table" in warning
    assert [row.split()[:2] for row in rows] == [["0", "2"], ["1", "2"], ["3", "1"], ["all", "5"]]
    show_table(tmp_path / "work", ["0", "1", "2"])  # a file of one's own may hold out a case twice
    assert capsys.readouterr().out.splitlines()[-1] == "2 of them held out by another fold before"
