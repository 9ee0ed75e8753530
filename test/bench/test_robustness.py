"""The sheet: each point is done once, and the table says what was lost."""

import json

import numpy as np
import pytest
from matplotlib.figure import Figure

from bench import robustness
from bench.robustness import UNDISTURBED, degraded, main, means, picture, points_of, table
from model.structures import LABELS


def test_what_is_judged_is_among_all_points():
    every, few = points_of(quick=False), points_of(quick=True)
    assert every[0] == few[0] == (UNDISTURBED, 0)
    assert set(few) < set(every) and len(every) == len(set(every))
    for wanted in (
        ("pair shift [mm]", 3),
        ("slices [mm]", 5),
        ("noise [HU]", 20),
        ("contrast left [share]", 0),
    ):
        assert wanted in few


def test_the_table_has_means_and_changes_and_marks_what_falls(capsys):
    points = [(UNDISTURBED, 0), ("noise [HU]", 20)]
    scores = {
        (0, UNDISTURBED, 0): {"GTVp": 0.9, "GTVnd": 0.8},
        (1, UNDISTURBED, 0): {"GTVp": 0.7, "GTVnd": 0.8},
        (0, "noise [HU]", 20): {"GTVp": 0.75, "GTVnd": 0.6},
        (1, "noise [HU]", 20): {"GTVp": 0.75, "GTVnd": 0.6},
    }
    assert means(scores, points[0]) == pytest.approx({"GTVp": 0.8, "GTVnd": 0.8})
    assert "| noise [HU] | 20 | 75.0 | -5.0 | 60.0 | -20.0 ! |" in table(scores, points)
    assert len(picture(scores, points).axes) == 5


def test_points_that_are_done_are_not_done_again(tmp_path, monkeypatch, capsys):
    """And of other weights they are refused."""
    scored = []

    def score(predictor: object, scan: object) -> dict[str, float]:
        scored.append(scan)
        return dict.fromkeys(LABELS, 0.5)

    weights = tmp_path / "w.pt"
    weights.write_bytes(b"one")
    monkeypatch.setattr(robustness, "scored", score)
    monkeypatch.setattr(robustness, "load_bundle", lambda path: None)
    monkeypatch.setattr(robustness, "Predictor", lambda *a, **k: object())
    monkeypatch.setattr(robustness, "scan_of", lambda phantom: phantom)
    monkeypatch.setattr(robustness, "make_phantom", lambda *a: a)
    monkeypatch.setattr(robustness, "degraded", lambda scan, *a: scan)
    monkeypatch.setattr(robustness, "picture", lambda *a: Figure(figsize=(1, 1)))
    command = ["--quick", "--weights", str(weights), "--work", str(tmp_path / "work"), "--cases"]
    assert main([*command, "1"]) == 0
    once = len(scored)
    assert once == len(points_of(quick=True)) and main([*command, "1"]) == 0 and len(scored) == once
    assert main([*command, "2"]) == 0 and len(scored) == 2 * once
    assert len(json.loads((tmp_path / "work" / "robustness.json").read_text())["rows"]) == 2 * once
    assert (tmp_path / "work" / "robustness.png").stat().st_size > 0
    weights.write_bytes(b"another")
    assert main([*command, "1"]) == 2 and "other weights" in capsys.readouterr().err


def test_a_case_is_moved_in_the_same_direction_by_any_amount(monkeypatch):
    drawn = []

    def effect(scan: object, value: float, rng: np.random.Generator) -> object:
        drawn.append(rng.normal())
        return scan

    monkeypatch.setitem(robustness.EFFECTS, "some", (effect, (1, 2), (1,)))
    for value, case in ((1, 0), (2, 0), (1, 1)):
        degraded(None, "some", value, case)  # type: ignore[arg-type]
    assert drawn[0] == drawn[1] != drawn[2]
