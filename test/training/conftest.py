"""Weights and results of folds, as a training leaves them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import evaluation.summary
from evaluation.metrics import score
from evaluation.run import CaseResult
from model.network.bundle import Bundle, Normalisation, load_bundle, save_bundle
from model.network.plan import NetworkPlan
from model.network.unet import UNet
from training.results import FoldResult
from training.validate import LEAST_CM3, SETTINGS

PLAN = NetworkPlan(2, 3, (4, 8), ((3, 3, 3),) * 2, ((1, 1, 1), (2, 2, 2)), (1, 1), (1,))
SCHEME = Normalisation(-1000, 1000, 0, 500)


def fold_weights(path: Path, seed: int, **changed: object) -> Bundle:
    """Random weights of a fold in a file, as they are there."""
    torch.manual_seed(seed)
    bundle = Bundle(
        PLAN,
        (8, 16, 16),
        (4.0, 4.0, 4.0),
        (SCHEME, SCHEME),
        (0, 1, 2),
        {"data": "4 cases of segrap", "command": f"python train.py --fold {seed}"},
        (UNet(PLAN).state_dict(),),
    )
    save_bundle(replace(bundle, **changed), path)
    return load_bundle(path)


def fold_result(fold: str, weights: Path, names: str, seed: int = 0) -> FoldResult:
    """As if these cases had been scored: random boxes; the DSC gains by leaving pieces below 0.3 cm³ of a node out."""
    rng = np.random.default_rng(seed)
    cases, tables = [], []
    for name in names:
        masks = rng.random((2, 4, 6, 6)) < 0.5
        masks[0] |= masks[1] & (rng.random((4, 6, 6)) < 0.5)
        scores = {
            s: score(masks[0], masks[1] & (rng.random() < 0.8), (3.0, 1.0, 1.0), (1.0,))
            for s in SETTINGS.structures
        }
        cases.append(CaseResult(name, scores, ()))
        table = np.full((len(LEAST_CM3), 2), 0.5)
        table[4:, 1] = rng.uniform(0.6, 0.9)
        tables.append(table)
    tensors = load_bundle(weights).fingerprint_of_tensors
    return FoldResult(fold, weights, tensors, tuple(cases), tuple(tables))


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    """Intervals are tested with the evaluator."""
    monkeypatch.setattr(evaluation.summary, "RESAMPLES", 5)


@pytest.fixture
def save_fold_weights():
    return fold_weights


@pytest.fixture
def scored_fold():
    return fold_result
