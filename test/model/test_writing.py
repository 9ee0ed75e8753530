"""Files are there whole or not at all."""

import fcntl
import os
import resource
from pathlib import Path

import pytest

from model.errors import InputError
from model.writing import append_bytes, save, whole_file, write_bytes


def test_a_file_takes_its_name_when_it_is_whole(tmp_path):
    with whole_file(tmp_path / "a.nii.gz") as temporary:
        assert temporary.name.endswith(".nii.gz") and temporary.name.startswith(".")
        temporary.write_bytes(b"new")
        assert not (tmp_path / "a.nii.gz").exists()
    assert (tmp_path / "a.nii.gz").read_bytes() == b"new" and len(list(tmp_path.iterdir())) == 1


def test_what_is_flushed_may_be_written(tmp_path, monkeypatch):
    """Windows refuses to flush what was opened for reading alone."""
    modes = []
    monkeypatch.setattr(
        os, "fsync", lambda file: modes.append(fcntl.fcntl(file, fcntl.F_GETFL) & os.O_ACCMODE)
    )
    write_bytes(tmp_path / "a.csv", b"new")
    assert modes == [os.O_RDWR]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_after_a_failure_the_old_file_is_there_and_nothing_else(tmp_path, error):
    (tmp_path / "a.csv").write_text("old")
    with pytest.raises(error), whole_file(tmp_path / "a.csv") as temporary:
        temporary.write_text("half")
        raise error
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]
    assert (tmp_path / "a.csv").read_text() == "old"


def test_a_rename_that_fails_leaves_nothing(tmp_path, monkeypatch):
    def interrupted(path, target):
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_bytes(tmp_path / "a.csv", b"new")
    assert list(tmp_path.iterdir()) == []


def test_a_name_as_long_as_the_system_allows(tmp_path):
    path = tmp_path / ("x" * 251 + ".csv")
    write_bytes(path, b"a")
    assert path.read_bytes() == b"a"


def test_folders_are_made_and_permissions_are_the_usual_ones(tmp_path):
    write_bytes(tmp_path / "deep" / "a.csv", b"a")
    (tmp_path / "usual").touch()
    assert os.stat(tmp_path / "deep" / "a.csv").st_mode == os.stat(tmp_path / "usual").st_mode


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(OSError), whole_file(tmp_path / "none" / "a") as temporary:
        temporary.write_bytes(b"a")


def test_what_is_no_ordinary_file_is_never_replaced(tmp_path):
    reader, writer = os.pipe()
    pipe = tmp_path / "pipe"
    pipe.symlink_to(f"/proc/self/fd/{writer}")
    write_bytes(pipe, b"x")
    assert os.read(reader, 9) == b"x" and pipe.is_symlink()
    with pytest.raises(IsADirectoryError):
        write_bytes(tmp_path, b"x")
    assert list(tmp_path.iterdir()) == [pipe]


def test_processes_of_one_number_in_several_containers_may_share_a_folder(tmp_path):
    with whole_file(tmp_path / "a.nii.gz") as a, whole_file(tmp_path / "b.nii.gz") as b:
        a.write_bytes(b"a")
        b.write_bytes(b"b")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        "a.nii.gz": b"a",
        "b.nii.gz": b"b",
    }


@pytest.mark.parametrize("before", [b"", b"a row\n"])
def test_a_line_that_has_no_room_is_taken_back_whole(tmp_path, before):
    path = tmp_path / "deep" / "a.csv"
    if before:
        append_bytes(path, before)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 4, limits[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            append_bytes(path, b"another row\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (path.read_bytes() if path.exists() else b"") == before
    append_bytes(path, b"another row\n")
    assert path.read_bytes() == before + b"another row\n"


def test_what_cannot_be_written_is_one_line_with_its_remedy(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"file/a: cannot be written \(.+\); choose another"):
        save(tmp_path / "file" / "a", b"a", "choose another")
