"""Whole cases through the container's own code, scored by the evaluator."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from evaluation.metrics import Score, dsc, score
from evaluation.run import CaseResult, Settings
from model.inference.lesions import drop_small
from model.inference.predictor import Predictor
from model.network.bundle import Bundle
from model.structures import LABELS
from training.data.sources import IGNORED, TrainingCase, read_training_case

SETTINGS = Settings(tuple(LABELS), (1.0,))
# What may be chosen as least volume of a lesion.
LEAST_CM3 = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5)
# In mean DSC: below, leaving out small pieces is not worth what it may hide.
LEAST_GAIN = 0.005


def validate(
    bundle: Bundle, cases: Iterable[TrainingCase], device: str
) -> Iterable[tuple[CaseResult, np.ndarray]]:
    """Per case DSC, NSD (1 mm) and the rest, on its own grid, with mirrors and search as process.py has them.

    Voxels that are not counted are background in both; pieces of any size count. The array (len(LEAST_CM3), labels)
    holds the DSC without those below each least volume.
    """
    bundle = replace(bundle, least_cm3=(0.0,) * len(LABELS))
    predictor = Predictor(bundle, device, log=lambda line: None)
    for case in cases:
        pair, label = read_training_case(case)
        labels = predictor.segment(pair).labels
        scores = scores_of_counted(labels, label, pair.spacing_zyx, SETTINGS)
        yield CaseResult(case.name, scores, ()), dsc_by_least(labels, label, pair.spacing_zyx)


def scores_of_counted(
    labels: np.ndarray, label: np.ndarray, spacing_zyx: tuple[float, float, float], settings: Settings
) -> dict[str, Score]:
    """Of a label map against the true one (z, y, x), by structure. Voxels that are not counted become 0 in both."""
    unknown = label == IGNORED
    labels[unknown] = label[unknown] = 0
    return {
        name: score(labels == LABELS[name], label == LABELS[name], spacing_zyx, settings.tolerances_mm)
        for name in settings.structures
    }


def dsc_by_least(
    labels: np.ndarray, truth: np.ndarray, spacing_zyx: tuple[float, float, float]
) -> np.ndarray:
    """DSC of two label maps (z, y, x), labels without its small pieces: (len(LEAST_CM3), labels). Changes labels."""
    table = np.empty((len(LEAST_CM3), len(LABELS)))
    for row, least in zip(table, LEAST_CM3, strict=True):  # ascending: what is too small stays out
        drop_small(labels, float(np.prod(spacing_zyx)) / 1000, (least,) * len(LABELS))
        row[:] = [dsc(labels == value, truth == value) for value in LABELS.values()]
    return table


def choose_least(tables: list[np.ndarray]) -> tuple[float, ...]:
    """For each label the least volume [cm³] with the best mean DSC over cases, 0 unless it gains LEAST_GAIN."""
    means = np.mean(tables, axis=0)
    gains = means.max(0) - means[0]
    best = means.argmax(0)
    return tuple(LEAST_CM3[k] if gain >= LEAST_GAIN else 0.0 for k, gain in zip(best, gains, strict=True))


def least_in_words(least_cm3: tuple[float, ...]) -> str:
    """Such as "GTVp 0, GTVnd 0.5"."""
    return ", ".join(f"{name} {cm3:g}" for name, cm3 in zip(LABELS, least_cm3, strict=True))
