"""All cases of a folder, and what is said where names do not match."""

import numpy as np
import pytest

from evaluation.run import Settings
from evaluation.scoring import score_all
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
