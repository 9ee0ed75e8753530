"""Whole cases through the container's own code, scored by the evaluator."""

from collections.abc import Iterable

import numpy as np

from evaluation.metrics import score
from evaluation.run import CaseResult, Settings
from model.bundle import LABELS, Bundle
from model.predict import Predictor
from training.sources import TrainingCase, read_training_case

SETTINGS = Settings(tuple(LABELS), (1.0,))


def validate(bundle: Bundle, cases: Iterable[TrainingCase], device: str) -> Iterable[CaseResult]:
    """DSC, NSD (1 mm) and the rest per case, on the case's own grid, with mirrors and search as process.py has them."""
    predictor = Predictor(bundle, device, "auto", True, True, log=lambda line: None)
    for case in cases:
        pair, label = read_training_case(case)
        found = predictor.segment(pair).labels
        scores = {
            name: score(found == value, label == value, pair.spacing_zyx, SETTINGS.tolerances_mm)
            for name, value in LABELS.items()
        }
        yield CaseResult(case.name, scores, ())


def split(names: list[str], folds: int, fold: int, seed: int) -> tuple[list[str], list[str]]:
    """Training and validation names: a seeded permutation cut into folds of nearly equal size."""
    order = np.random.default_rng(seed).permutation(sorted(names))
    held_out = {str(name) for name in order[fold::folds]}
    return [n for n in sorted(names) if n not in held_out], sorted(held_out)
