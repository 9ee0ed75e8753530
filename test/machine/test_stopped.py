"""Runs that are stopped or killed at any moment: what is there is whole, and a rerun over it gives the same bytes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from faults.materials import process, save_pair

CASES = [f"p{number}" for number in range(6)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("cohort")
    for name in CASES:
        save_pair(path / "in" / name)
    return path


def start(folder: Path, out: Path, root: Path, *options: str) -> subprocess.Popen:
    program, *arguments = process(folder, *options)
    arguments[arguments.index("--output") + 1] = str(out)
    return subprocess.Popen(
        [sys.executable, str(root / f"{program}.py"), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )


def masks(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.glob("*.nii.gz")}


@pytest.fixture(scope="module")
def whole(folder, root) -> tuple[dict[str, bytes], float]:
    """All masks of an undisturbed run, and its seconds."""
    begin = time.monotonic()
    child = start(folder, folder / "whole", root)
    _, stderr = child.communicate(timeout=120)
    assert (child.returncode, stderr) == (0, "")
    found = masks(folder / "whole")
    assert sorted(found) == [f"{name}.nii.gz" for name in CASES] and len(set(found.values())) == 1
    return found, time.monotonic() - begin


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize(
    "moment",
    [
        pytest.param(m, marks=[] if m in (0.5, 0.9) else [pytest.mark.long])
        for m in [k / 10 for k in range(1, 11)]
    ],
)
def test_a_rerun_over_what_is_left_gives_the_same_bytes(folder, whole, root, tmp_path, number, moment):
    expected, seconds = whole
    out = tmp_path / "out"
    child = start(folder, out, root)
    time.sleep(seconds * moment)
    child.send_signal(number)
    _, stderr = child.communicate(timeout=60)
    assert "Traceback" not in stderr and len(stderr.splitlines()) <= 1
    if child.returncode not in (0, -number):
        assert child.returncode == 130 and "stopped" in stderr
    left = masks(out)
    assert left.items() <= expected.items()  # whole or not there
    if number != signal.SIGKILL:
        assert not list(out.glob(".writing-*"))
    child = start(folder, out, root, "--resume")
    stdout, stderr = child.communicate(timeout=120)
    assert (child.returncode, stderr) == (0, ""), stdout
    assert masks(out) == expected
    lines = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines() if line]
    assert {line["case"] for line in lines if line["status"] == "done"} == set(CASES)
    assert not list(out.glob(".writing-*"))
