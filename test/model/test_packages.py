"""With the four packages of requirements.txt alone, other programs say what they need."""

import subprocess
import sys

import pytest

from model.errors import InputError
from model.packages import require

PROGRAM = """
import runpy, sys
sys.modules["tqdm"] = None  # as if it were not installed
program, *sys.argv = sys.argv[1:]
(runpy.run_path if program.endswith(".py") else runpy.run_module)(program, run_name="__main__")
"""


@pytest.mark.parametrize(
    "program",
    [("evaluate.py", "P", "R"), ("phantom", "OUT", "--cases", "1"), ("train.py", "DATA", "--out", "w.pt")],
)
def test_what_is_missing_is_one_line(root, program):
    command = [sys.executable, "-c", PROGRAM, program[0], *program]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=120)
    expected = "error: package tqdm: not installed; python -m pip install -r requirements-dev.txt\n"
    assert (done.returncode, done.stderr) == (2, expected)


def test_what_is_there_is_enough():
    require("numpy", "scipy")
    with pytest.raises(InputError, match="package no_such_thing: not installed"):
        require("numpy", "no_such_thing")
