"""Which cases a fold trains on: cut by the seed, or as a file says."""

import json
from argparse import ArgumentTypeError

import numpy as np
import pytest

from model.errors import InputError
from training.splits import Split, cut, fold_list, read_splits

NAMES = ["a", "b", "c", "d", "e"]


def test_folds_share_the_cases_out_and_a_seed_gives_the_same_again():
    splits = [cut(NAMES, 3, fold, seed=7) for fold in range(3)]
    assert sorted(name for split in splits for name in split.held_out) == NAMES
    assert sorted(len(split.held_out) for split in splits) == [1, 2, 2]
    assert all(sorted(split.training + split.held_out) == NAMES for split in splits)
    assert splits == [cut(NAMES[::-1], 3, fold, seed=7) for fold in range(3)]
    assert splits != [cut(NAMES, 3, fold, seed=8) for fold in range(3)]


def test_cases_of_one_patient_stay_together():
    names = [f"pt_{patient:02d}_{kind}" for patient in range(7) for kind in "abc"] + ["x", "y", "pt_00"]
    patient_of = {name: name[:5] for name in names if len(name) > 5}
    splits = [cut(names, 4, fold, 3, patient_of) for fold in range(4)]
    assert sorted(name for split in splits for name in split.held_out) == sorted(names)
    patients = [{patient_of.get(name, f"{name} alone") for name in split.held_out} for split in splits]
    assert sorted(map(len, patients)) == [2, 2, 3, 3] and len(set.union(*patients)) == 10
    assert all(sorted(split.training + split.held_out) == sorted(names) for split in splits)
    assert splits == [cut(names[::-1], 4, fold, 3, patient_of | {"of no case": "x"}) for fold in range(4)]


def test_without_patients_the_cut_is_what_it_always_was():
    names = [f"case_{k}" for k in range(11)]
    order = np.random.default_rng(5).permutation(sorted(names))
    for fold in range(4):
        assert cut(names, 4, fold, 5).held_out == tuple(sorted(order[fold::4]))
        assert cut(names, 4, fold, 5) == cut(names, 4, fold, 5, {name: f"of {name}" for name in names})


def test_a_file_says_which_cases_and_others_are_in_no_list(tmp_path):
    entries = [{"train": ["c", "a"], "val": ["b"]}, {"train": ["b"], "val": ["d", "c"]}]
    (tmp_path / "s.json").write_text(json.dumps(entries))
    splits = read_splits(tmp_path / "s.json", NAMES)
    assert splits == [Split(("a", "c"), ("b",)), Split(("b",), ("c", "d"))]
    assert splits[1].named == {"b", "c", "d"}


GOOD = {"train": ["a"], "val": ["b"]}


@pytest.mark.parametrize(
    ("content", "fact"),
    [
        (None, "no such file"),
        ("{", "cannot be read as JSON"),
        ("[" * 100_000, "cannot be read as JSON"),
        ([], "not a list of splits"),
        ({"train": ["a"], "val": ["b"]}, "not a list of splits"),
        ([GOOD] * 1001, "1001 splits"),
        ([GOOD, 3], "fold 1: is 3, not lists"),
        ([{"train": ["a"]}], "fold 0: is .*, not lists of names for train and val"),
        ([GOOD | {"test": ["c"]}], "not lists of names for train and val"),
        ([GOOD | {"val": "b"}], "val is 'b', not a list of names"),
        ([GOOD | {"val": [1]}], r"val is \[1\], not a list of names"),
        ([GOOD | {"val": []}], "val is empty"),
        ([GOOD | {"train": []}], "train is empty"),
        (
            [GOOD, {"train": ["a", "x", "y"], "val": ["b"]}],
            "fold 1: 2 names in train are of no case, such as 'x'",
        ),
        ([{"train": ["a", "c", "a"], "val": ["b"]}], "'a' stands in train twice"),
        ([{"train": ["a", "c"], "val": ["b", "c"]}], "1 cases are in train and in val, such as 'c'"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused(tmp_path, content, fact):
    path = tmp_path / "s.json"
    if content is not None:
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(InputError, match=fact) as refused:
        read_splits(path, NAMES)
    assert str(refused.value).startswith(f"{path}: ")


@pytest.mark.parametrize(
    ("text", "folds"),
    [
        ("all", "all"),
        ("0", "0"),
        ("12", "12"),
        ("0-2", "0 1 2"),
        ("3,0,1", "0 1 3"),
        ("4,0-2", "0 1 2 4"),
        ("2-2", "2"),
    ],
)
def test_folds_are_numbers_ranges_lists_or_all(text, folds):
    assert fold_list(text) == tuple(folds.split())


@pytest.mark.parametrize(
    "text",
    [
        "",
        ",",
        "0,",
        "-1",
        "x",
        "1.0",
        "3-1",
        "0-",
        "0-1-2",
        "0,0",
        "0-2,1",
        "1000",
        "0-9999",
        "all,1",
        "0 1",
        "²",
    ],
)
def test_others_make_no_sense(text):
    with pytest.raises(ArgumentTypeError, match="; give"):
        fold_list(text)
