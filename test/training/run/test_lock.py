"""One run at a time in a work folder."""

import json
import os
import socket
import subprocess
import sys

import pytest

from model.errors import InputError
from training.run import lock
from training.run.lock import LOCK, give_back, take


def lock_of(folder, **other) -> None:
    """A lock as another process would leave it."""
    path = take(folder)
    path.write_text(json.dumps(json.loads(path.read_text()) | other))


@pytest.fixture
def other_process():
    """One that lives as long as the test."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process


def test_it_is_there_while_it_is_taken(tmp_path):
    path = take(tmp_path / "work")
    assert path == tmp_path / "work" / LOCK
    content = json.loads(path.read_text())
    assert (content["process"], content["host"]) == (os.getpid(), socket.gethostname())
    give_back(path)
    assert not list((tmp_path / "work").iterdir())


def test_a_second_run_is_refused(root, tmp_path):
    take(tmp_path)
    code = "import pathlib, sys; from training.run.lock import take; take(pathlib.Path(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=root, capture_output=True, check=False
    )
    assert f"in use by process {os.getpid()} on {socket.gethostname()}; wait" in done.stderr.decode()
    assert [path.name for path in tmp_path.iterdir()] == [LOCK]


def test_one_of_a_process_that_has_ended_is_taken_over(tmp_path, capsys):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    lock_of(tmp_path, process=ended.pid)
    take(tmp_path)
    assert json.loads((tmp_path / LOCK).read_text())["process"] == os.getpid()
    assert f"of process {ended.pid}" in capsys.readouterr().out


def test_of_two_that_take_over_one_lock_the_second_leaves_the_firsts(tmp_path, monkeypatch):
    """Both have seen that its process is gone before either removes it."""
    lock_of(tmp_path, began="1")
    refuse_if_held = lock._refuse_if_held
    first = json.dumps({"process": 1, "host": "another", "began": "2"})

    def and_the_other_is_faster(path):
        stale = refuse_if_held(path)
        monkeypatch.setattr(lock, "_refuse_if_held", refuse_if_held)
        path.write_text(first)
        return stale

    monkeypatch.setattr(lock, "_refuse_if_held", and_the_other_is_faster)
    with pytest.raises(InputError, match="in use by process 1 on another"):
        take(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [LOCK] and (tmp_path / LOCK).read_text() == first


def test_one_whose_number_another_process_has_now_is_taken_over(tmp_path, other_process):
    """In a container the first process always has number 1."""
    lock_of(tmp_path, process=other_process.pid, began="1")
    take(tmp_path)
    lock_of(tmp_path, began="1")
    take(tmp_path)


def test_one_of_another_computer_is_refused_and_how_to_remove_it_is_said(tmp_path):
    lock_of(tmp_path, host="another", process=1)
    with pytest.raises(
        InputError, match=f"process 1 on another; if that has ended, delete {tmp_path / LOCK}"
    ):
        take(tmp_path)


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "3", '{"process": 1}', '{"process": 1e999, "host": "a", "began": 1}']
)
def test_one_that_cannot_be_read_is_refused(tmp_path, content):
    (tmp_path / LOCK).write_text(content)
    with pytest.raises(InputError, match="not a readable lock; delete it"):
        take(tmp_path)


def test_another_runs_lock_is_not_removed(tmp_path):
    lock_of(tmp_path, process=1)
    give_back(tmp_path / LOCK)
    assert (tmp_path / LOCK).exists()
    (tmp_path / LOCK).unlink()
    give_back(tmp_path / LOCK)


def test_where_processes_cannot_be_looked_up_none_is_taken_over(tmp_path, other_process, monkeypatch):
    monkeypatch.setattr(lock, "_began", lambda process: None)
    lock_of(tmp_path, process=other_process.pid)
    with pytest.raises(
        InputError, match=f"in use by process {other_process.pid} .*if that has ended, delete"
    ):
        take(tmp_path)
