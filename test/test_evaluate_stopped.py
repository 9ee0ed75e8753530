"""evaluate.py that is stopped: by Ctrl-C, by SIGTERM, by the loss of a process or of itself."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

CASES = 400


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Many cases, all of them the same file: together they take many seconds."""
    folder = tmp_path_factory.mktemp("many")
    array = np.zeros((30, 90, 90), np.uint8)
    array[3:20, 10:60, 10:60] = 1
    array[8:25, 65:85, 10:60] = 2
    sitk.WriteImage(sitk.GetImageFromArray(array), str(folder / "one.mha"))
    (folder / "cases").mkdir()
    for number in range(CASES):
        (folder / "cases" / f"{number:03}.mha").symlink_to(folder / "one.mha")
    return folder


@pytest.fixture
def start(folder, root, tmp_path) -> Iterator[Callable[..., subprocess.Popen]]:
    """Start with so many jobs and return when all processes are at work and the first rows are there."""
    started = []

    def begin(jobs: int) -> subprocess.Popen:
        command = [
            sys.executable,
            "evaluate.py",
            str(folder / "cases"),
            str(folder / "cases"),
            "--jobs",
            str(jobs),
        ]
        command += ["--csv", str(tmp_path / "s.csv"), "--json", str(tmp_path / "s.json")]
        process = subprocess.Popen(
            command,
            cwd=root,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        wait_until(lambda: (tmp_path / "s.csv").exists() and jobs in (1, len(children(process.pid))))
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def wait_until(condition: Callable[[], bool]) -> None:
    for _ in range(1200):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("waited 60 s")


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"
    except OSError:
        return True


def kept(folder: Path) -> int:
    """How many cases have scores in both files."""
    with (folder / "s.csv").open() as file:
        rows = list(csv.DictReader(file))
    content = json.loads((folder / "s.json").read_text())
    assert "stopped after" in content["problems"][-1]
    assert len(rows) == 2 * len(content["cases"]) and {row["dsc"] for row in rows} == {"1.0"}
    return len(content["cases"])


@pytest.mark.parametrize(
    ("number", "whole_group", "jobs"),
    [
        (signal.SIGINT, True, 2),
        (signal.SIGTERM, False, 2),
        (signal.SIGTERM, True, 2),
        (signal.SIGINT, True, 1),
        (signal.SIGHUP, True, 2),
    ],
)
def test_asked_to_end_it_keeps_what_it_has_and_leaves_no_process(start, tmp_path, number, whole_group, jobs):
    process = start(jobs)
    workers = children(process.pid)
    (os.killpg if whole_group else os.kill)(process.pid, number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and out == ""
    (line,) = err.splitlines()
    assert line.startswith("error: evaluate.py: stopped") and "; " in line
    assert 0 < kept(tmp_path) < CASES and all(map(is_gone, workers))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_killed_worker_is_one_line_and_what_is_scored_is_kept(start, tmp_path, number):
    process = start(2)
    workers = children(process.pid)
    os.kill(workers[0], number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 2 and out == ""
    (line,) = err.splitlines()
    assert line.startswith("error: --jobs: a process was killed")
    assert 0 < kept(tmp_path) < CASES and all(map(is_gone, workers))


def test_killed_it_leaves_rows_and_no_process(start, tmp_path):
    process = start(2)
    workers = children(process.pid)
    process.kill()
    process.wait()
    wait_until(lambda: all(map(is_gone, workers)))
    with (tmp_path / "s.csv").open() as file:
        rows = list(csv.DictReader(file))
    scored = {row["case"] for row in rows}
    assert 0 < len(scored) < CASES and len(rows) == 2 * len(scored)
