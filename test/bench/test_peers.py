"""What the evaluator's bench says of a peer: what it took, what it found, and what ended it."""

import subprocess
import sys

import numpy as np
import pytest

from bench import evaluator
from bench.runs import ROOT

pytest.importorskip("surface_distance")


@pytest.fixture
def masks():
    """Two structures of two sides, 1 mm apart."""
    made = []
    for shift in (0, 1):
        sides = {}
        for at, name in enumerate(evaluator.BLOBS):
            sides[name] = np.zeros((12, 24, 24), bool)
            sides[name][3:8, 4 + at : 14, 5 + shift : 15] = True
        made.append(sides)
    return made


def test_a_peer_is_timed_and_its_values_are_beside_ours(masks, capsys, monkeypatch):
    monkeypatch.setattr(evaluator, "PEERS", ["surface-distance"])
    evaluator.beside_peers(sys.executable, 60, *masks, ours_s=0.001)
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("surface-distance: 0.") and "times ours" in first
    values = dict(part.split() for part in second.split(", "))
    assert float(values["dsc"]) < 1e-12 and float(values["nsd"]) < 1e-12 and "hd95_mm" in values


def test_a_peer_that_fails_or_takes_too_long_is_a_line(masks, capsys, monkeypatch):
    monkeypatch.setattr(evaluator, "PEERS", ["seg-metrics"])
    monkeypatch.setattr(
        evaluator.subprocess, "run", answers := Answers((1, "a\nno such module\n"), (-24, ""))
    )
    for _ in range(2):
        evaluator.beside_peers(sys.executable, 5, *masks, ours_s=0.001)
    assert capsys.readouterr().out.splitlines() == [
        "seg-metrics: failed: no such module", "seg-metrics: ended after 5 s of processor time",
    ]  # fmt: skip
    assert answers.commands[0][1] == str(ROOT / "bench" / "peers.py") and answers.commands[0][-1] == "5"


class Answers:
    """In the place of subprocess.run."""

    def __init__(self, *answers: tuple[int, str]) -> None:
        self.left, self.commands = list(answers), []

    def __call__(self, command, **_):
        self.commands.append(command)
        code, stderr = self.left.pop(0)
        return subprocess.CompletedProcess(command, code, "", stderr)
