"""Which weights are taken, and what --version says of them."""

import hashlib
import subprocess
import sys

import pytest

from model import VERSION, installed
from model.installed import BUNDLED, remarks, sha256_of, usual_weights, version_lines


@pytest.fixture
def uploaded(tmp_path, monkeypatch):
    """The folder of an upload, empty so far."""
    monkeypatch.setattr(installed, "UPLOADED", tmp_path)
    return tmp_path


def test_a_hash_is_that_of_sha256sum(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256_of(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_without_an_upload_the_bundled_weights_are_taken_in_silence(uploaded, root):
    assert usual_weights() == BUNDLED == root / "weights/gtv.pt"
    assert remarks(BUNDLED) == []
    uploaded.rmdir()
    assert usual_weights() == BUNDLED and remarks(BUNDLED) == []


def test_an_upload_is_taken_and_named(uploaded):
    (uploaded / "gtv.pt").write_bytes(b"weights")
    assert usual_weights() == uploaded / "gtv.pt"
    assert remarks(usual_weights()) == [f"weights: {uploaded / 'gtv.pt'}, uploaded apart from the image"]
    hashed = hashlib.sha256(b"weights").hexdigest()
    assert version_lines() == f"gtvseg {VERSION}\nweights {uploaded / 'gtv.pt'}, sha256 {hashed}"


def test_an_upload_under_another_name_is_warned_of(uploaded):
    """Weights that were meant and not taken would be found out by the scores alone."""
    (uploaded / "mine.pt").touch()
    assert usual_weights() == BUNDLED
    assert remarks(BUNDLED) == [
        f"warning: {uploaded} holds mine.pt but no gtv.pt: the bundled weights are used"
    ]
    assert remarks(uploaded / "mine.pt") == []  # named with --weights


def test_weights_that_are_not_there_are_told_of(tmp_path):
    assert version_lines(tmp_path / "none.pt").endswith("none.pt, cannot be read (No such file or directory)")


PROGRAMS = ["process.py", "evaluate.py", "train.py"]
PROGRAMS += [f"-m {name}" for name in ("phantom", "model.importing", "training.join", "training.least")]
PROGRAMS += [f"-m training.{name}" for name in ("record_scores", "openkbp", "grafts")]


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_program_has_help_without_its_heavy_libraries(root, program):
    """It comes before torch, scipy.stats and matplotlib are loaded, which takes seconds."""
    command = [sys.executable, "-X", "importtime", *program.split(), "--help"]
    done = subprocess.run(command, cwd=root, capture_output=True, encoding="utf-8", timeout=60)
    assert done.returncode == 0
    lines = f"{done.stdout}\n{done.stderr}".splitlines()
    loaded = {line.rpartition("|")[2].strip() for line in lines if line.startswith("import time:")}
    assert loaded and not loaded & {"torch", "scipy.stats", "matplotlib"}
    shown = " ".join(line for line in lines if not line.startswith("import time:"))
    assert "--version" in shown and "examples:" in shown and "exit codes: 0 " in shown


def test_a_program_shows_its_version_whatever_else_is_missing(root):
    command = [sys.executable, "train.py", "--version"]
    done = subprocess.run(command, cwd=root, capture_output=True, encoding="utf-8", timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, version_lines() + "\n", "")
