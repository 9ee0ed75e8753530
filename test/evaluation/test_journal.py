"""Results that are kept as cases finish, and when they count."""

import json
import os
from dataclasses import asdict, replace

import numpy as np
import pytest
import SimpleITK as sitk

from evaluation.cases import CaseFiles, MatchedCase
from evaluation.journal import Journal
from evaluation.output import csv_text
from evaluation.run import Settings, evaluate_case
from model.errors import InputError

SETTINGS = Settings(("GTVp", "GTVnd"), (1.0, 2.0))


@pytest.fixture
def case(save, label_map, tmp_path) -> MatchedCase:
    label_map[2:5, 9:12, 10:14] = 0  # the reference has no GTVnd, so that distances are nan
    reference = CaseFiles("a", save(label_map, tmp_path / "r.mha"), {})
    moved = np.roll(label_map, 1, axis=2)
    return MatchedCase("a", reference, CaseFiles("a", save(moved, tmp_path / "p.mha"), {}))


@pytest.fixture
def kept(case, tmp_path):
    """A journal that knows the case, and its result."""
    result = evaluate_case(case, SETTINGS)
    Journal(tmp_path / "s.csv", SETTINGS, resume=False).append("team", case, result)
    return result


def known(case, tmp_path, settings=SETTINGS, team="team"):
    return Journal(tmp_path / "s.csv", settings, resume=True).known(team, [case])


def test_a_result_comes_back_as_it_was(case, kept, tmp_path):
    (found,) = known(case, tmp_path).values()
    assert json.dumps(asdict(found)) == json.dumps(asdict(kept))  # nan is not equal to itself
    assert csv_text([found], SETTINGS) == csv_text([kept], SETTINGS) and found.lesions == kept.lesions


def test_of_changed_files_other_settings_or_another_team_nothing_is_known(case, kept, tmp_path):
    assert not known(case, tmp_path, Settings(("GTVp", "GTVnd"), (1.0,)))
    assert not known(case, tmp_path, team="other")
    assert not known(replace(case, prediction=None), tmp_path)
    os.utime(tmp_path / "r.mha", (1, 1))
    assert not known(case, tmp_path)


@pytest.mark.parametrize("side", ["prediction", "reference"])
def test_what_has_a_fault_by_now_is_not_known(case, kept, tmp_path, side):
    """As where a second file came that could be the same case: the first one is as it was."""
    fault = InputError(tmp_path, "p.mha, p.nii could all be a", "leave one")
    assert known(case, tmp_path)
    assert not known(replace(case, **{side: replace(getattr(case, side), fault=fault)}), tmp_path)


def test_voxels_beside_a_header_count_too(case, label_map, tmp_path):
    sitk.WriteImage(sitk.GetImageFromArray(label_map), str(tmp_path / "h.mhd"))
    case = replace(case, reference=CaseFiles("a", tmp_path / "h.mhd", {}))
    result = replace(evaluate_case(case, SETTINGS), problems=())
    Journal(tmp_path / "s.csv", SETTINGS, resume=False).append("team", case, result)
    assert known(case, tmp_path)
    os.utime(tmp_path / "h.raw", (1, 1))
    assert not known(case, tmp_path)


@pytest.mark.parametrize("folder", [False, True])
def test_the_ct_that_gives_the_grid_counts_too(case, kept, save, label_map, tmp_path, folder):
    """Contours are drawn on it: another CT, or one that changed, makes other masks."""
    (tmp_path / "one").mkdir()
    paths = [save(label_map, tmp_path / "one" / name) for name in ("1.mha", "2.mha")]
    drawn = replace(case, ct=tmp_path / "one" if folder else paths[0])
    Journal(tmp_path / "s.csv", SETTINGS, resume=False).append("team", drawn, kept)
    assert known(drawn, tmp_path) and not known(case, tmp_path)
    assert not known(replace(case, ct=paths[1]), tmp_path)
    os.utime(paths[0], (1, 1))
    assert not known(drawn, tmp_path)


def test_lines_that_are_none_are_passed_over(case, kept, tmp_path):
    path = tmp_path / "s.csv.partial"
    good = path.read_text()
    path.write_text(good + good[:50] + "\n[]\n" + '{"case": 3}\n')
    assert known(case, tmp_path)
    path.write_text(good.replace('"scores"', '"stores"'))
    assert not known(case, tmp_path)


def test_what_had_a_problem_is_scored_again(case, tmp_path):
    journal = Journal(tmp_path / "s.csv", SETTINGS, resume=False)
    journal.append("team", case, replace(evaluate_case(case, SETTINGS), problems=("a: odd",)))
    assert not known(case, tmp_path)


def test_a_run_without_resume_starts_anew(kept, tmp_path):
    Journal(tmp_path / "s.csv", SETTINGS, resume=False)
    assert not (tmp_path / "s.csv.partial").exists()


def test_where_no_line_can_be_kept_it_is_said(case, kept, tmp_path):
    (tmp_path / "no folder").touch()
    journal = Journal(tmp_path / "t.csv", SETTINGS, resume=True)
    journal.path = tmp_path / "no folder" / "t.csv.partial"
    with pytest.raises(InputError, match="t.csv: cannot be written"):
        journal.append("team", case, kept)


def test_where_lines_of_before_cannot_be_read_it_is_said(tmp_path):
    (tmp_path / "s.csv.partial").mkdir()
    with pytest.raises(InputError, match="s.csv.partial: cannot be read .*; remove it"):
        Journal(tmp_path / "s.csv", SETTINGS, resume=True)
