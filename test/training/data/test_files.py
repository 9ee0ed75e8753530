"""Files below a folder, through links."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from model.errors import InputError
from training.data.files import allow_many_files, files_below


def make(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_all_but_hidden_ones_are_found_in_order(tmp_path):
    make(tmp_path / "b" / "2", tmp_path / "b" / "1", tmp_path / "a" / "c" / "3", tmp_path / "0")
    make(tmp_path / ".hidden" / "4", tmp_path / "a" / ".5")
    found = [str(path.relative_to(tmp_path)) for path in files_below(tmp_path)]
    assert found == ["0", os.path.join("a", "c", "3"), os.path.join("b", "1"), os.path.join("b", "2")]


def test_links_are_followed_once_and_not_in_circles(tmp_path):
    make(tmp_path / "store" / "case_1" / "image", tmp_path / "data" / "case_2" / "image")
    root = tmp_path / "data"
    (root / "case_1").symlink_to(tmp_path / "store" / "case_1")
    (root / "a_case_2").symlink_to(root / "case_2")  # also reached by its own name
    (root / "case_2" / "up").symlink_to(root)
    (root / "broken").symlink_to(tmp_path / "nowhere")
    (root / "case_3").symlink_to(tmp_path / "store" / "case_1" / "image")
    found = sorted(str(path.relative_to(root)) for path in files_below(root))
    assert found == ["broken", os.path.join("case_1", "image"), os.path.join("case_2", "image"), "case_3"]
    (tmp_path / "link").symlink_to(root)
    assert len(list(files_below(tmp_path / "link"))) == 4


def test_a_folder_that_cannot_be_listed_is_told(tmp_path, monkeypatch):
    make(tmp_path / "case_1" / "image")
    scandir = os.scandir

    def refused(place):
        if Path(place).name == "case_1":
            raise PermissionError(13, "Permission denied", str(place))
        return scandir(place)

    monkeypatch.setattr(os, "scandir", refused)
    with pytest.raises(
        InputError, match=r"case_1: cannot be looked into \(Permission denied\); let this user"
    ):
        list(files_below(tmp_path))


@pytest.mark.skipif(os.name == "nt", reason="no such limit")
def test_as_many_files_may_be_open_as_the_system_allows(root):
    code = """
import resource
from training.data.files import allow_many_files
most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
for hard in {most, 3000}:
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    allow_many_files()
    soft, now = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert soft == min(hard, 65536) if hard > 0 else 65536, (soft, hard)
    assert now == hard
    allow_many_files()
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (soft, hard)
"""
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True)


def test_a_system_without_such_a_limit_is_left_as_it_is(monkeypatch):
    monkeypatch.setitem(sys.modules, "resource", None)
    allow_many_files()
