"""A tiny plan, cases that are learnt in seconds, and what the processes of a test run.

Tests that start several processes import this file by its path.
"""

import weakref
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import distributed

import training.run.history
import training.run.loop
import training.run.reporter
import training.run.scores
from model.network.bundle import Normalisation
from training.data.cache import CachedCase
from training.data.plans import DataPlan
from training.data.sources import IGNORED
from training.run.checkpoint import TrainingError
from training.run.loop import train
from training.run.plan import TrainPlan
from training.run.processes import FailedElsewhere, Processes, processes

SCHEME = Normalisation(-200, 300, 30, 70)
DATA = DataPlan(
    spacing_zyx=(3.0, 1.0, 1.0),
    patch_zyx=(8, 16, 16),
    batch=1,
    features=(4, 8, 16),
    kernels=((1, 3, 3), (3, 3, 3), (3, 3, 3)),
    strides=((1, 1, 1), (1, 2, 2), (2, 2, 2)),
    normalisation=(SCHEME, SCHEME),
)
PLAN = TrainPlan(DATA, iterations=12, optimiser="adamw", learning_rate=1e-3)
ALONE = Processes(0, 1, torch.device("cpu"))


def bright_box_case(seed: int) -> CachedCase:
    rng = np.random.default_rng(seed)
    label = np.zeros((8, 24, 24), np.uint8)
    label[2:6, 4:14, 4:14] = 1
    label[2:6, 16:22, 16:22] = 2
    image = rng.normal(0, 0.1, (2, *label.shape)) + np.stack([label == 1, label == 2]) * 2.0
    return CachedCase(image.astype(np.float16), label, tuple([np.argwhere(label == v)] for v in (1, 2)))


CASES = [bright_box_case(0), bright_box_case(1)]


@pytest.fixture
def tiny_plan() -> TrainPlan:
    return PLAN


@pytest.fixture
def tiny_cases() -> list[CachedCase]:
    return CASES


@pytest.fixture
def alone() -> Processes:
    """One process on the CPU."""
    return ALONE


@pytest.fixture(autouse=True)
def a_line_for_each_iteration(monkeypatch):
    monkeypatch.setattr(training.run.history, "EPOCH", 1)
    monkeypatch.setattr(training.run.scores, "VALIDATION_PATCHES", 2)


@pytest.fixture
def weights_of():
    """All parameters of a state in one tensor."""
    return weights


def weights(state) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in state.network.parameters()])


def train_here(folder: Path, batch: int) -> None:
    """What each process of the next test runs; AdamW would blow rounding up where gradients are zero.

    Of one case half is ignored, so that the processes count different numbers of voxels.
    """
    torch.set_num_threads(1)
    label = CASES[1].label.copy()
    label[:, :, 12:] = IGNORED
    cases = [CASES[0], replace(CASES[1], label=label)]
    plan = replace(PLAN, iterations=4, optimiser="sgd", learning_rate=1e-2, data=replace(DATA, batch=batch))
    with processes(torch.device("cpu")) as team:
        group = weakref.ref(distributed.group.WORLD) if team.count > 1 else None
        state = train(plan, cases, [], folder / f"rank{team.rank}", team, resume=False)
        torch.save(weights(state), folder / f"weights{team.rank}.pt")
    assert group is None or group() is None  # its threads must not live on while Python exits


def fail_here(folder: Path) -> None:
    """What each process of the next test runs: the first cannot write its checkpoint."""
    torch.set_num_threads(1)
    with processes(torch.device("cpu")) as team:
        group = weakref.ref(distributed.group.WORLD)
        if team.first:
            training.run.reporter.save = raise_training_error
        with pytest.raises(TrainingError if team.first else FailedElsewhere):
            train(replace(PLAN, iterations=1), CASES, [], folder, team, resume=False)
    assert group() is None


def raise_training_error(*_: object) -> None:
    raise TrainingError("checkpoint.pt", "the disk is full", "free space")
