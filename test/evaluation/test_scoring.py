"""All cases of a folder, and what is said where names do not match."""

import unicodedata

import numpy as np
import pytest

from evaluation.probabilities import find_maps
from evaluation.run import Settings
from evaluation.scoring import Way, score_all
from model.errors import InputError

SETTINGS = Settings(("GTVp", "GTVnd"), (1.0,))


@pytest.fixture
def fill(save, label_map, tmp_path):
    """Write the label map under these names and return their folder."""

    def write(folder: str, *names: str):
        for name in names:
            path = tmp_path / folder / f"{name}.mha"
            path.parent.mkdir(parents=True, exist_ok=True)
            save(label_map, path)
        return tmp_path / folder

    return write


def test_where_no_name_matches_nothing_is_scored_and_what_is_meant_is_told(fill, capsys):
    references = fill("r", "SegRap_0001", "SegRap_0002")
    for number, names in enumerate(
        (("SegRap_0001_pred", "SegRap_0002_pred"), ("segrap_0001", "segrap_0002"))
    ):
        with pytest.raises(InputError, match=f"no name matches.*did you mean SegRap_0001 by {names[0]}"):
            score_all(fill(f"near{number}", *names), references, SETTINGS)
    with pytest.raises(InputError, match="no name matches: u .*; name each prediction as its reference"):
        score_all(fill("far", "u", "v"), references, SETTINGS)
    assert capsys.readouterr() == ("", "")


def test_a_near_miss_beside_others_gets_a_hint(fill, capsys):
    references = fill("r", "a", "b")
    scored = score_all(fill("p", "a", "B_pred", "c"), references, SETTINGS)
    assert scored.problems == [
        "b: no prediction, scored 0",
        "B_pred: no reference, not scored; if b is meant, name it so",
        "c: no reference, not scored",
    ]
    assert [np.mean([s.dsc for s in r.scores.values()]) for r in scored.results] == [1, 0]
    assert capsys.readouterr().err.splitlines() == scored.problems


def test_problems_name_the_predictions_where_there_are_several(fill):
    references, team = fill("r", "a", "b"), fill("team", "a")
    (problem,) = score_all(team, references, SETTINGS, named=True).problems
    assert problem == f"{team}: b: no prediction, scored 0"


def means(scored) -> list[float]:
    return [float(np.mean([s.dsc for s in of.scores.values()])) for of in scored.results]


@pytest.mark.parametrize(("ours", "theirs"), [("r/out", "r"), ("p", "p/truth")])
def test_where_one_side_lies_below_the_other_it_is_none_of_its_cases(fill, capsys, ours, theirs):
    sides = fill(ours, "a", "b"), fill(theirs, "a", "b")
    scored = score_all(*sides, SETTINGS)
    assert means(scored) == [1, 1] and not scored.problems
    below, above = sides if ours == "r/out" else sides[::-1]
    out, err = capsys.readouterr()
    assert f"{below}: left out of {above}, as it is given for something else\n" in out and not err
    fill(f"{ours}/others", "a")
    given = (sides[0] / "others",)
    assert means(score_all(*sides, SETTINGS, Way(given=given))) == [1, 1]


def test_references_are_looked_for_once(fill):
    references = fill("r", "a", "b")
    found = score_all(fill("p", "a", "b"), references, SETTINGS).references
    fill("r", "c")
    assert len(score_all(fill("q", "a", "b"), references, SETTINGS, Way(references=found)).cases) == 2


def test_a_missing_prediction_takes_nothing_from_a_namesake(fill):
    references = fill("r", "Cohort1/P1", "Cohort2/P1", "Cohort1/P2")
    scored = score_all(fill("p", "Cohort1/P1", "Cohort1/P2"), references, SETTINGS)
    assert [r.name for r in scored.results] == ["Cohort1/P1", "P2", "Cohort2/P1"]
    assert means(scored) == [1, 1, 0] and scored.problems == ["Cohort2/P1: no prediction, scored 0"]


def test_another_cohort_and_another_unicode_form(fill):
    nfc, nfd = (unicodedata.normalize(form, "Müller") for form in ("NFC", "NFD"))
    references = fill("r", f"Cohort2/{nfd}", "b")
    scored = score_all(fill("p", f"Cohort1/{nfc}", "b"), references, SETTINGS)
    assert means(scored) == [1, 1] and [r.name for r in scored.results] == [nfd, "b"]
    (problem,) = scored.problems
    assert problem.startswith(f"{nfd}: the prediction lies in Cohort1, the reference in Cohort2; ")


def test_maps_find_their_cases_as_predictions_do(fill):
    nfc, nfd = (unicodedata.normalize(form, "Müller") for form in ("NFC", "NFD"))
    cases = ("Cohort1/a", "Cohort2/a", f"Cohort1/{nfc}")
    fill("m/probability_GTVp", *cases[::2])
    fill("m/probability_GTVnd", "Cohort1/a", f"Cohort1/{nfd}")
    sides = fill("p", *cases), fill("r", *cases)
    scored = score_all(*sides, SETTINGS, Way(maps=find_maps(sides[0].parent / "m")))
    found = {case.name: {s: path.name for s, path in case.maps.items()} for case in scored.cases}
    assert found["Cohort1/a"] == {"GTVp": "a.mha", "GTVnd": "a.mha"} and found["Cohort2/a"] == {}
    assert found[nfc] == {"GTVp": f"{nfc}.mha", "GTVnd": f"{nfd}.mha"}
