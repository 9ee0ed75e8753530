"""Work shared out over processes: in order, and nothing is left behind."""

import os
import signal
import subprocess
import sys
import time
from multiprocessing import active_children
from pathlib import Path

import pytest

from model.errors import InputError
from model.terminal import stoppable
from training.data.workers import on_workers


def add(a: int, b: int) -> int:
    return a + b


def fail_at_two(number: int, folder: Path) -> None:
    """The others take long, and remove what they began."""
    if number == 2:
        raise InputError(folder, "the second", "none")
    begun = folder / f"begun-{number}"
    begun.touch()
    try:
        time.sleep(20)
    finally:
        begun.unlink()


def be_killed(number: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_results_come_in_order():
    assert on_workers(add, [(1, 2), (3, 4), (5, 6)], 2, "add") == [3, 7, 11]
    assert on_workers(add, [], 2, "add") == []


def test_where_one_fails_all_end_and_take_back_what_they_began(tmp_path):
    began = time.monotonic()
    with pytest.raises(InputError, match="the second"):
        on_workers(fail_at_two, [(2, tmp_path), (1, tmp_path), (3, tmp_path)], 2, "fail")
    assert time.monotonic() - began < 10 and not list(tmp_path.iterdir()) and not active_children()


def test_a_killed_one_is_told_in_one_line():
    with pytest.raises(InputError, match="--jobs: a process that prepares cases was killed"):
        on_workers(be_killed, [(1,), (2,)], 2, "kill")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_asked_to_end_all_end(tmp_path, number):
    def ask(*_: object) -> None:
        os.kill(os.getpid(), number)

    before = signal.signal(signal.SIGALRM, ask)
    signal.setitimer(signal.ITIMER_REAL, 0.7)
    try:
        with pytest.raises(KeyboardInterrupt), stoppable():
            on_workers(fail_at_two, [(1, tmp_path), (3, tmp_path), (4, tmp_path)], 2, "wait")
    finally:
        signal.signal(signal.SIGALRM, before)
    assert not list(tmp_path.iterdir()) and not active_children()


def test_they_end_with_a_killed_parent(root, tmp_path):
    script = (
        "import sys, pathlib; sys.path[:0] = [sys.argv[1], sys.argv[1] + '/test/training/data'];"
        "import test_workers as t; folder = pathlib.Path(sys.argv[2]);"
        "t.on_workers(t.note_and_wait, [(1, folder), (3, folder)], 2, 'wait')"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(root), str(tmp_path)]) as parent:
        while len(pids := [int(path.name) for path in tmp_path.iterdir()]) < 2:
            time.sleep(0.05)
        parent.kill()
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def note_and_wait(number: int, folder: Path) -> None:
    (folder / str(os.getpid())).touch()
    time.sleep(60)
