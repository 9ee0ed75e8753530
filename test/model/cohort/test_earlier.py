"""What an earlier run left under a case's name is removed, and nothing else."""

from pathlib import Path

import pytest

from model.cases import Case
from model.cohort.earlier import remove_earlier
from model.cohort.extras import Extras
from model.cohort.manifest import Manifest
from model.errors import InputError


def case_in(folder: Path, name: str = "a", suffix: str = ".nii.gz", kind="label_map") -> Case:
    return Case(name, folder / "in/ct", folder / "in/ce", folder / f"{name}{suffix}", kind)


def test_a_mask_its_extras_and_a_link_that_leads_nowhere_are_removed(tmp_path, capsys):
    (tmp_path / "preview").mkdir()
    for name in ("a.nii.gz", "b.nii.gz", "c.nii.gz", "preview/a.png", "preview/c.png"):
        (tmp_path / name).write_text("mask")
    (tmp_path / "b.nii.gz").unlink()
    (tmp_path / "b.nii.gz").symlink_to("nowhere")
    remove_earlier([case_in(tmp_path), case_in(tmp_path, "b")], Extras(tmp_path, tmp_path), None)
    left = sorted(p.name for p in tmp_path.rglob("*") if not p.is_dir())
    assert left == ["c.nii.gz", "c.png"]
    assert "removed 2 results" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("listed", "gone"),
    [("a.mha", True), ("deep/a.mha", True), ("b.mha", False), ("../x/a", False), (None, False), (7, False)],
)
def test_a_mask_of_another_suffix_is_removed_where_the_manifest_lists_it(tmp_path, monkeypatch, listed, gone):
    for name in ("a.mha", "b.mha", "a", "None"):
        (tmp_path / name).write_text("mask")
    manifest = Manifest(tmp_path)
    monkeypatch.setattr(manifest, "read", lambda: {"a": {"result": listed}})
    remove_earlier([case_in(tmp_path)], Extras(tmp_path, tmp_path), manifest)
    left = {p.name for p in tmp_path.iterdir()}
    assert left == {"a.mha", "b.mha", "a", "None"} - ({"a.mha"} if gone else set())


def test_another_patients_mask_in_the_platforms_folder_stays_and_is_told(tmp_path, capsys):
    (tmp_path / "b.mha").write_text("mask")
    remove_earlier([case_in(tmp_path, kind="channels", suffix=".mha")], Extras(tmp_path, tmp_path), None)
    assert (tmp_path / "b.mha").exists()
    assert f"warning: {tmp_path} also holds b.mha" in capsys.readouterr().out


def test_what_cannot_be_removed_is_told(tmp_path):
    (tmp_path / "a.nii.gz").mkdir()
    with pytest.raises(InputError, match=r"a\.nii\.gz: cannot be removed"):
        remove_earlier([case_in(tmp_path)], Extras(tmp_path, tmp_path), None)
