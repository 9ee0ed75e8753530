"""nnU-Net's summary.json."""

import json
import math

import numpy as np
import pytest

from evaluation.cases import CaseFiles, MatchedCase
from evaluation.nnunet import summary_json_text
from evaluation.run import CaseResult, Settings, evaluate_case

SETTINGS = Settings(("GTVp", "GTVnd"), (1.0,))


@pytest.fixture
def cases(save, label_map, tmp_path) -> list[MatchedCase]:
    """Moved, without GTVnd on either side, and without a prediction."""
    without = np.where(label_map == 2, 0, label_map)
    arrays = {"a": (np.roll(label_map, 1, 2), label_map), "b": (without, without), "c": (None, label_map)}
    found = []
    for name, (prediction, reference) in arrays.items():
        truth = CaseFiles(name, save(reference, tmp_path / "r" / f"{name}.mha"), {})
        drawn = prediction is not None
        ours = CaseFiles(name, save(prediction, tmp_path / "p" / f"{name}.mha"), {}) if drawn else None
        found.append(MatchedCase(name, truth, ours))
    return found


def test_it_holds_what_nnunet_counts(cases, label_map):
    results = [evaluate_case(case, SETTINGS) for case in cases]
    content = json.loads(summary_json_text(cases, [*results, CaseResult("d", {}, ("d: not scored",))]))
    assert list(content) == ["foreground_mean", "mean", "metric_per_case"]
    first, second, third = content["metric_per_case"]
    assert (first["prediction_file"], first["reference_file"]) == (
        *(str(files.whole) for files in (cases[0].prediction, cases[0].reference)),
    )
    moved = np.roll(label_map, 1, 2)
    for label in (1, 2):
        ours, theirs = moved == label, label_map == label
        tp, fp, fn, tn = (
            np.sum(of) for of in (ours & theirs, ours & ~theirs, ~ours & theirs, ~ours & ~theirs)
        )
        expected = {
            "Dice": 2 * tp / (2 * tp + fp + fn),
            "IoU": tp / (tp + fp + fn),
            "FN": fn,
            "FP": fp,
            "TN": tn,
        }
        expected |= {"TP": tp, "n_pred": tp + fp, "n_ref": tp + fn}
        assert first["metrics"][str(label)] == pytest.approx(expected)
    assert math.isnan(second["metrics"]["2"]["Dice"]) and second["metrics"]["2"]["TN"] == label_map.size
    assert (
        third["prediction_file"] == ""
        and third["metrics"]["1"]["Dice"] == third["metrics"]["1"]["n_pred"] == 0
    )
    dice = [[case["metrics"][label]["Dice"] for case in (first, second, third)] for label in "12"]
    means = [np.nanmean(of) for of in dice]
    assert [content["mean"][label]["Dice"] for label in "12"] == pytest.approx(means)
    assert content["foreground_mean"]["Dice"] == pytest.approx(np.mean(means))
