"""Scores are kept case by case, for these weights alone."""

import json
from dataclasses import replace

import numpy as np
import pytest

from bench.scoring import hd95_lines, read_results, scored, write_results
from evaluation.metrics import score
from evaluation.run import CaseResult, Settings
from model.images.grid import Grid
from model.images.write import write_image
from model.inference.shortcuts import EXHAUSTIVE
from model.network.bundle import Bundle, Normalisation
from model.network.plan import NetworkPlan
from model.network.unet import UNet
from training.data.sources import find_training_cases

PLAN = NetworkPlan(2, 3, (2, 4), ((3, 3, 3),) * 2, ((1, 1, 1), (2, 2, 2)), (1, 1), (1,))
SETTINGS = Settings(("GTVp", "GTVnd"), (1.0, 2.0))


def result(name: str, shift: int, *, empty: bool = False) -> CaseResult:
    """A cube, and the same so many voxels of 1 mm further; or nothing drawn."""
    reference = np.zeros((20, 20, 20), bool)
    reference[5:10, 5:10, 5:10] = True
    drawn = np.zeros_like(reference) if empty else np.roll(reference, shift, axis=2)
    return CaseResult(name, {"GTVp": score(drawn, reference, (1.0, 1.0, 1.0), (1.0, 2.0))}, ())


def test_what_is_written_comes_back_and_only_for_the_same_weights(tmp_path):
    results = {"a": result("a", 2), "b": result("b", 0, empty=True)}
    write_results(tmp_path / "s.json", {"tensors": "x"}, results)
    again = read_results(tmp_path / "s.json", {"tensors": "x"})
    assert again["a"] == results["a"]
    assert np.isnan(again["b"].scores["GTVp"].hd95_mm) and again["b"].scores["GTVp"].dsc == 0
    assert read_results(tmp_path / "s.json", {"tensors": "y"}) == {}
    assert read_results(tmp_path / "none.json", {}) == {}


def test_cases_are_scored_once(tmp_path, monkeypatch):
    grid = Grid((16, 16, 8), (2.0,) * 3, (0.0,) * 3, tuple(np.eye(3).ravel()))
    for case in ("one", "two"):
        ct, label = np.full((8, 16, 16), -1000, np.int16), np.zeros((8, 16, 16), np.uint8)
        ct[:, 4:12, 4:12], label[2:4, 6:9, 6:9] = 40, 1
        for name in ("image", "image_contrast"):
            write_image(tmp_path / "data" / case / f"{name}.nii.gz", ct, grid)
        write_image(tmp_path / "data" / case / f"{case}.nii.gz", label, grid)
    scheme = Normalisation(-150.0, 250.0, 40.0, 60.0)
    bundle = Bundle(PLAN, (8, 8, 8), (2.0, 2.0, 2.0), (scheme, scheme), (2,), {}, (UNet(PLAN).state_dict(),))
    cases, kept = find_training_cases(tmp_path / "data"), tmp_path / "kept.json"
    first = scored(bundle, cases, SETTINGS, kept, EXHAUSTIVE, "cpu")
    assert [r.name for r in first] == ["one", "two"] and set(first[0].scores) == {"GTVp", "GTVnd"}
    content = json.loads(kept.read_text())
    content["cases"]["one"]["GTVp"]["dsc"] = 0.123
    kept.write_text(json.dumps(content))
    assert scored(bundle, cases, SETTINGS, kept, EXHAUSTIVE, "cpu")[0].scores["GTVp"].dsc == 0.123
    other = replace(bundle, states=(UNet(PLAN).state_dict(),))
    assert scored(other, cases[:1], SETTINGS, kept, EXHAUSTIVE, "cpu")[0].scores["GTVp"].dsc != 0.123


def test_hd95_is_of_cases_that_both_drew():
    """A shift by n voxels along an axis has n mm between most of both borders' far ends."""
    ours = [result(str(k), 1) for k in range(3)] + [result("x", 0, empty=True)]
    theirs = [result(str(k), 3) for k in range(3)] + [result("x", 1)]
    (line,) = hd95_lines(ours, theirs, ("GTVp",))
    assert "3 cases, median 1.0 and 3.0 mm" in line
    assert "no case" in hd95_lines(ours[3:], theirs[3:], ("GTVp",))[0]


@pytest.mark.parametrize("same", [True, False])
def test_p_is_one_where_nothing_differs(same):
    ours = [result(str(k), 1 if same else 2) for k in range(3)]
    (line,) = hd95_lines(ours, [result(str(k), 1) for k in range(3)], ("GTVp",))
    assert line.endswith("p = 1") == same
