"""With the four packages of requirements.txt alone, other programs say what they need."""

import subprocess
import sys

import numpy as np
import pytest
import SimpleITK as sitk

from model.errors import InputError
from model.packages import require

PROGRAM = """
import runpy, sys
sys.modules["tqdm"] = None  # as if it were not installed
program, *sys.argv = sys.argv[1:]
(runpy.run_path if program.endswith(".py") else runpy.run_module)(program, run_name="__main__")
"""


def without_tqdm(root, *program):
    command = [sys.executable, "-c", PROGRAM, program[0], *program]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=120)


def test_what_is_missing_is_one_line(root):
    done = without_tqdm(root, "train.py", "DATA", "--out", "w.pt")
    expected = "error: package tqdm: not installed; python -m pip install -r requirements-dev.txt\n"
    assert (done.returncode, done.stderr) == (2, expected)


def test_masks_are_scored_without_it(root, tmp_path):
    for folder in ("ours", "theirs"):
        labels = np.zeros((4, 5, 6), np.uint8)
        labels[1:3, 1:4, 2:5], labels[3, 4, 5] = 1, 2
        (tmp_path / folder).mkdir()
        sitk.WriteImage(sitk.GetImageFromArray(labels), str(tmp_path / folder / "a.nii.gz"))
    done = without_tqdm(root, "evaluate.py", str(tmp_path / "ours"), str(tmp_path / "theirs"))
    assert (done.returncode, done.stderr) == (0, "") and "AVG score 100.00" in done.stdout


def test_what_is_there_is_enough():
    require("numpy", "scipy")
    with pytest.raises(InputError, match="package no_such_thing: not installed"):
        require("numpy", "no_such_thing")
