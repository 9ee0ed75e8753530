"""Results in the shape of nnU-Net's summary.json, for tools that read those: voxels, Dice and IoU, by label."""

import json
from collections.abc import Sequence
from math import nan
from typing import Any

import numpy as np

from evaluation.cases import CaseFiles, MatchedCase
from evaluation.metrics import Score
from evaluation.run import CaseResult
from model.structures import LABELS


def summary_json_text(cases: Sequence[MatchedCase], results: Sequence[CaseResult]) -> str:
    """As nnU-Net v2 writes it, Dice and IoU NaN where both masks are empty. A missing prediction has no voxels."""
    by_name = {case.name: case for case in cases}
    per_case: list[dict[str, Any]] = [
        {
            "metrics": {str(LABELS[s]): _metrics(score, result) for s, score in result.scores.items()},
            "prediction_file": _file(by_name[result.name].prediction),
            "reference_file": _file(by_name[result.name].reference),
        }
        for result in results
        if result.scores
    ]
    labels = sorted({label for case in per_case for label in case["metrics"]})
    mean = {
        label: _means([c["metrics"][label] for c in per_case if label in c["metrics"]]) for label in labels
    }
    overall = {name: float(np.mean([of[name] for of in mean.values()])) for name in next(iter(mean.values()))}
    content = {"foreground_mean": overall, "mean": mean, "metric_per_case": per_case}
    return json.dumps(content, indent=4, sort_keys=True) + "\n"


def _metrics(score: Score, result: CaseResult) -> dict[str, float]:
    tp, fp, fn = (round(cm3 / result.voxel_cm3) for cm3 in (score.tp_cm3, score.fp_cm3, score.fn_cm3))
    either = tp + fp + fn
    return {
        "Dice": 2 * tp / (either + tp) if either else nan,
        "IoU": tp / either if either else nan,
        **{"FN": fn, "FP": fp, "TN": result.voxels - either, "TP": tp},
        **{"n_pred": tp + fp, "n_ref": tp + fn},
    }


def _means(metrics: list[dict[str, float]]) -> dict[str, float]:
    """Over the cases where they are defined."""
    means = {}
    for name in metrics[0]:
        values = np.array([of[name] for of in metrics], float)
        means[name] = float(np.nanmean(values)) if not np.isnan(values).all() else nan
    return means


def _file(files: CaseFiles | None) -> str:
    """The one file, or the first of those of each structure; empty where there is none."""
    return str(files.paths[0]) if files and files.paths else ""
