"""Image files below a folder, and what only looks like one."""

import os
import subprocess

import pytest
from empty_files import touch

import evaluation.folders as folders
from evaluation.folders import image_files, stem


def found(root, left_out=()) -> tuple[list[str], list[str]]:
    files, problems = image_files(root, left_out)
    return [p.relative_to(root).as_posix() for p in files], [str(p) for p in problems]


def test_a_stem_is_the_name_of_an_image_without_its_suffix(tmp_path):
    assert stem(tmp_path / "a.b.nii.gz") == "a.b" and stem(tmp_path / "a.mha") == "a"
    assert stem(tmp_path / "A.NII.GZ") == "A" and stem(tmp_path / "a.Mha") == "a"
    assert stem(tmp_path / "a.txt") is None and stem(tmp_path / ".a.mha") is None


def test_folders_left_out_and_hidden_ones_are_not_looked_into(tmp_path):
    touch(
        tmp_path / "a" / "b.mha",
        tmp_path / "imagesTr" / "c.mha",
        tmp_path / ".git" / "d.mha",
        tmp_path / "e.txt",
    )
    assert found(tmp_path, ("imagestr",)) == (["a/b.mha"], [])


@pytest.mark.parametrize("target", [".", "..", "../a", "../../root"])
def test_links_in_a_circle_hold_nothing_new(tmp_path, target):
    root = tmp_path / "root"
    touch(root / "a" / "m.mha")
    (root / "a" / "loop").symlink_to(target)
    assert found(root) == (["a/m.mha"], [])


def test_folders_that_link_to_each_other_end(tmp_path):
    touch(tmp_path / "a" / "m.mha", tmp_path / "b" / "n.mha")
    (tmp_path / "a" / "to_b").symlink_to(tmp_path / "b")
    (tmp_path / "b" / "to_a").symlink_to(tmp_path / "a")
    assert found(tmp_path) == (["a/m.mha", "a/to_b/n.mha", "b/n.mha", "b/to_a/m.mha"], [])


@pytest.mark.parametrize(
    "make", ["broken link", "link to itself", "pipe", "empty folder", "folder in a folder"]
)
def test_what_has_an_images_name_but_is_no_file_is_named(tmp_path, make):
    touch(tmp_path / "good.mha")
    bad = tmp_path / "bad.nii"
    if "link" in make:
        bad.symlink_to("bad.nii" if "itself" in make else "nowhere")
    elif make == "pipe":
        os.mkfifo(bad)
    else:
        (bad / "x").mkdir(parents=True) if "in a" in make else bad.mkdir()
    files, (problem,) = found(tmp_path)
    assert files == ["good.mha"] and problem.startswith(f"{bad}: ") and "; " in problem


def test_a_folder_with_an_images_name_may_hold_one(tmp_path):
    touch(tmp_path / "a.nii" / "a.nii")
    assert found(tmp_path) == (["a.nii/a.nii"], [])


@pytest.mark.parametrize("name", ["a.hdr", "a.img", "b.NHDR", "c.nii.zip"])
def test_images_of_other_formats_are_named(tmp_path, name):
    touch(tmp_path / name)
    assert found(tmp_path)[1][0].startswith(f"{tmp_path / name}: not a format read here")


def test_a_folder_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    touch(tmp_path / "good.mha", tmp_path / "closed" / "x.mha")
    scandir = os.scandir

    def refuse(path):
        if path == tmp_path / "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert found(tmp_path) == (
        ["good.mha"],
        [f"{tmp_path / 'closed'}: cannot be looked into (Permission denied); mend or remove it"],
    )


def test_a_thousand_folders_deep(tmp_path):
    folder = os.open(tmp_path, os.O_RDONLY)
    for _ in range(1100):  # deeper than Python may recurse
        os.mkdir("d", dir_fd=folder)
        inner = os.open("d", os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = inner
    os.close(folder)
    touch(tmp_path / "good.mha")
    assert found(tmp_path) == (["good.mha"], [])
    subprocess.run(["rm", "-rf", str(tmp_path / "d")], check=True)  # which pytest cannot


@pytest.mark.parametrize(
    ("uid", "command"), [("481.3", "from-rtstruct"), ("66.4", "from-seg"), ("2", None), ("481.2", None)]
)
def test_dicom_contours_are_found_or_named_and_slices_passed_over(
    tmp_path, save_head, monkeypatch, uid, command
):
    save_head(tmp_path / "a.DCM", uid)
    (tmp_path / "b.dcm").write_bytes(b"cut")
    touch(tmp_path / "a.mha")
    monkeypatch.setattr(folders, "readable", lambda: False)
    files, problems = found(tmp_path)
    assert files == ["a.mha"] and [f"python -m dicom {command}" in p for p in problems] == [True] * bool(
        command
    )
    monkeypatch.setattr(folders, "readable", lambda: True)
    files, problems = image_files(tmp_path, with_contours=True)
    assert [path.name for path in files] == ["a.DCM"] * bool(command) + ["a.mha"] and not problems
    assert found(tmp_path) == (["a.mha"], [])
