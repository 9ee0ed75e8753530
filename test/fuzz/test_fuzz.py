"""Good files are no finds, what was found before is none any more, and a target that fails is noticed."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from fuzz.mutate import spoil
from fuzz.targets import TARGETS

FINDS = sorted((Path(__file__).parent / "finds").glob("*/*"))


@pytest.mark.parametrize("name", TARGETS)
def test_the_file_that_a_target_begins_from_is_read(name, tmp_path):
    TARGETS[name].feed(TARGETS[name].seeds[0], tmp_path)


def test_spoiling_is_repeatable_and_changes_every_kind_of_file():
    for target in TARGETS.values():
        first = target.seeds[0]
        spoilt = [spoil(first, random.Random(seed)) for seed in range(50)]
        assert spoilt == [spoil(first, random.Random(seed)) for seed in range(50)]
        assert len(set(spoilt)) > 25 and spoil(b"", random.Random(0)) is not None


def fuzz(root, *options: str) -> subprocess.CompletedProcess:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(root), str(root / "test")))}
    command = [sys.executable, "-m", "fuzz", *options]
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=root, timeout=500)


def test_what_was_found_is_refused_now(root):
    pytest.importorskip("atheris")
    done = fuzz(root, "--replay", *map(str, FINDS))
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


@pytest.mark.long
def test_nothing_is_found_in_five_minutes(root, tmp_path):
    pytest.importorskip("atheris")
    done = fuzz(root, "--minutes", "5", "--out", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
