"""Cases are checked, planned for once, and preprocessed once."""

from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk

from model.errors import InputError
from training.data.planning import fingerprint, plan_for, read_plan
from training.data.plans import DataPlan
from training.data.sources import find_training_cases
from training.prepare import PLAN, checked, prepare


@pytest.fixture
def cases(tmp_path):
    """Two bodies with a primary and a node."""
    for number in range(2):
        z, y, x = np.mgrid[:10, :32, :32]
        ct = np.where((y - 16) ** 2 + (x - 16) ** 2 < 150, 40 + number, -1000)
        masks = {
            "GTVp": (abs(y - 12) < 4) & (abs(x - 14) < 4),
            "GTVnd": (abs(y - 20) < 2) & (abs(x - 20) < 2),
        }
        folder = tmp_path / "raw" / f"case_{number}"
        folder.mkdir(parents=True)
        for name, array in ({"image": ct, "image_contrast": ct} | masks).items():
            image = sitk.GetImageFromArray(array.astype(np.int16))
            image.SetSpacing((2.0, 2.0, 3.0))
            sitk.WriteImage(image, folder / f"{name}.nii.gz")
    return find_training_cases(tmp_path / "raw")


def decide(surveys) -> DataPlan:
    return plan_for(fingerprint(surveys), 2.0, 4)


def ready(
    cases, work, folder, *, decide=decide, check=lambda plan: None, resume=False, overwrite=False
) -> DataPlan:
    how = {"resume": resume, "overwrite": overwrite, "jobs": 1, "mine": [work / "fold_0", work / "fold_2"]}
    return prepare(cases, work, decide, check, lambda plan: folder, **how)


def test_what_is_overwritten_goes_in_all_folds_at_once_and_not_where_it_is_refused(cases, tmp_path):
    """A fold that has not begun anew when the command is stopped must not count as finished afterwards."""
    work = tmp_path / "work"
    left = [work / f"fold_{fold}" / name for fold in (0, 1, 2) for name in ("best.pt", "result.json")]
    for path in left:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()

    def refuse(plan):
        raise InputError("plan", "of no use", "give another")

    for how in ({"check": refuse, "overwrite": True}, {}):
        with suppress(InputError):
            ready(cases, work, tmp_path / "cache", **how)
        assert all(path.exists() for path in left)
    ready(cases, work, tmp_path / "cache", overwrite=True)
    assert [path for path in left if path.exists()] == left[2:4]


def test_a_plan_is_decided_once_and_kept_by_a_run_that_goes_on(cases, tmp_path, capsys):
    work, folder = tmp_path / "work", tmp_path / "cache"
    ready(cases, work, folder)
    plan = read_plan(work / PLAN)
    assert plan == decide(checked(cases, 1)) and '\n  "patch_zyx"' in capsys.readouterr().out
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.npy")}
    assert len(before) == 4

    def never(surveys):
        pytest.fail("a run that goes on keeps its plan")

    ready(cases, work, folder, decide=never, resume=True)
    assert "going on with" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.npy")} == before


def test_all_wrong_cases_are_named_before_anything_is_decided(cases, tmp_path, capsys):
    for case in cases:
        case.ce.write_bytes(b"no image")
    with pytest.raises(InputError, match="2 of 2 cases cannot be used"):
        ready(cases, tmp_path / "work", tmp_path)
    table = capsys.readouterr().out
    assert all(str(case.ce) in table for case in cases)
    assert not (tmp_path / "work" / PLAN).exists()


def test_a_run_that_goes_on_checks_what_it_prepares_again(cases, tmp_path, capsys):
    """A contour or a CT that was changed meanwhile may be wrong."""
    work, folder = tmp_path / "work", tmp_path / "cache"
    ready(cases, work, folder)
    image = sitk.ReadImage(str(cases[1].ct))
    sitk.WriteImage(image * 0 - 1000, str(cases[1].ct))
    with pytest.raises(InputError, match="1 of 1 cases cannot be used"):
        ready(cases, work, folder, resume=True)
    assert "nothing denser than air" in capsys.readouterr().out


def test_a_kept_case_that_was_damaged_is_made_again(cases, tmp_path):
    work, folder = tmp_path / "work", tmp_path / "cache"
    plan = ready(cases, work, folder)
    whole = (folder / "case_0" / "image.npy").read_bytes()
    (folder / "case_0" / "image.npy").write_bytes(whole[:-7])
    (folder / "case_1" / "label.npy").unlink()
    assert ready(cases, work, folder, resume=True) == plan
    assert (folder / "case_0" / "image.npy").read_bytes() == whole
    assert (folder / "case_1" / "label.npy").exists()


def test_a_plan_that_was_damaged_is_one_line(cases, tmp_path):
    work, folder = tmp_path / "work", tmp_path / "cache"
    work.mkdir()
    for content in ("", "[" * 100_000, '{"batch": 1}'):
        (work / PLAN).write_text(content)
        with pytest.raises(InputError, match=r"plan\.json: "):
            ready(cases, work, folder, resume=True)


def test_the_plan_of_other_runs_in_the_folder_is_not_replaced(cases, tmp_path):
    work, folder = tmp_path / "work", tmp_path / "cache"
    plan = ready(cases, work, folder)
    before = (work / PLAN).read_bytes()

    def other(surveys) -> DataPlan:
        return replace(decide(surveys), batch=5)

    (work / "fold_1").mkdir()
    (work / "fold_1" / "checkpoint.pt").touch()
    with pytest.raises(InputError, match=r"plan\.json: fold_1 was planned otherwise"):
        ready(cases, work, folder, decide=other)
    assert (work / PLAN).read_bytes() == before
    assert ready(cases, work, folder) == plan  # the same serves both
    (work / "fold_1").rename(work / "fold_0")
    assert ready(cases, work, folder, decide=other).batch == 5  # its own old run does not count


def test_a_plan_of_no_use_is_not_written(cases, tmp_path):
    def check(plan: DataPlan) -> None:
        raise InputError("--start", "it does not fit", "give another")

    with pytest.raises(InputError, match="does not fit"):
        ready(cases, tmp_path / "work", tmp_path / "cache", check=check)
    assert not (tmp_path / "work" / PLAN).exists() and not (tmp_path / "cache").exists()
    ready(cases, tmp_path / "work", tmp_path / "cache")
    with pytest.raises(InputError, match="does not fit"):
        ready(cases, tmp_path / "work", tmp_path / "cache", check=check, resume=True)
