"""Which prediction belongs to which reference."""

import unicodedata

import pytest
from empty_files import touch_below

from evaluation.cases import Found, find_cases
from evaluation.matching import across_cohorts, match_cases


@pytest.fixture
def match(tmp_path):
    """Pairs of files that belong together, names of predictions without a reference, and what is said of cohorts."""

    def matched(predictions: tuple[str, ...], references: tuple[str, ...], below=("p", "r")):
        found = []
        for folder, names in zip(below, (predictions, references), strict=True):
            touch_below(tmp_path / folder, *(f"{name}.mha" for name in names))
            found.append(find_cases(tmp_path / folder))
        cases, extra = match_cases(*found)
        pairs = {
            str(case.reference.whole.relative_to(tmp_path / below[1]).with_suffix("")): case.prediction
            and str(case.prediction.whole.relative_to(tmp_path / below[0]).with_suffix(""))
            for case in cases
        }
        return pairs, extra, list(across_cohorts(cases))

    return matched


def test_cases_are_matched_by_name_or_by_being_alone(tmp_path):
    touch_below(tmp_path, "p/a.mha", "p/x.mha", "r/a.mha", "r/b.mha")
    predictions, references = find_cases(tmp_path / "p"), find_cases(tmp_path / "r")
    matched, extra = match_cases(predictions, references)
    assert [(case.name, case.prediction is not None) for case in matched] == [("a", True), ("b", False)]
    assert extra == ["x"]
    x, b = predictions.cases["x"], references.cases["b"]
    ((only,), none) = match_cases(Found({"x": x}), Found({"b": b}))
    assert only.name == "b" and only.prediction == x and none == []


def test_where_something_is_unclear_one_case_on_each_side_is_not_enough(tmp_path):
    touch_below(tmp_path, "p/x.mha", "p/GTV1_y.mha", "r/y.mha")
    ((only,), extra) = match_cases(find_cases(tmp_path / "p"), find_cases(tmp_path / "r"))
    assert only.prediction is None and extra == ["x"]


ALL = ("Cohort1/P1", "Cohort2/P1", "Cohort1/P2")


@pytest.mark.parametrize(
    ("predictions", "references", "expected"),
    [
        (ALL[::2], ALL, (ALL[0], None, ALL[2])),
        (ALL, ALL[::2], ALL[::2]),
        (("a/P1", "a/P2"), ("a/P1", "b/P1", "a/P2"), ("a/P1", None, "a/P2")),
        (("labels/a/P1", "a/P2"), ("a/P1", "b/P1", "a/masks/P2"), ("labels/a/P1", None, "a/P2")),
        (("run/cohort_01/P1", "run/P2"), ALL, ("run/cohort_01/P1", None, "run/P2")),
    ],
)
def test_a_name_that_repeats_on_one_side_alone_is_found_by_its_path(match, predictions, references, expected):
    pairs, extra, said = match(predictions, references)
    assert [pairs[reference] for reference in references] == list(expected)
    assert extra == ["Cohort2/P1"] * (len(predictions) - 2) and not said


def test_the_folder_that_is_given_may_be_the_cohort(match):
    pairs, extra, said = match(("P1", "P2"), ALL, ("p/Cohort 1", "r"))
    assert pairs == {"Cohort1/P1": "P1", "Cohort2/P1": None, "Cohort1/P2": "P2"} and not extra and not said


def test_where_the_path_does_not_tell_either_nothing_is_guessed(match):
    pairs, extra, _ = match(("P1", "P2"), ALL)
    assert pairs == {"Cohort1/P1": None, "Cohort2/P1": None, "Cohort1/P2": "P2"} and extra == ["P1"]


@pytest.mark.parametrize("below", [("p", "r"), ("p/Cohort1", "r/Cohort2")])
def test_predictions_for_references_of_another_cohort_are_told(match, below):
    sides = [[f"{'' if '/' in of else f'Cohort{k}/'}P{n}" for n in "12"] for k, of in enumerate(below, 1)]
    pairs, extra, said = match(*sides, below)
    assert list(pairs.values()) == sides[0] and not extra
    assert said == [
        "P1 and 1 more: the prediction lies in Cohort1, the reference in Cohort2; give both of one cohort"
    ]


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC")])
def test_names_are_one_in_any_unicode_form(match, forms):
    ours, theirs = (unicodedata.normalize(form, "Müller") for form in forms)
    assert match((ours, "Muller", "b"), (theirs, "Muller", "c")) == (
        {theirs: ours, "Muller": "Muller", "c": None},
        ["b"],
        [],
    )
