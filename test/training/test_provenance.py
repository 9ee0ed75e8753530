"""Where weights come from."""

import argparse
from dataclasses import replace
from pathlib import Path

import torch

from model.network.bundle import Normalisation
from model.network.plain import plain
from training.data.augment import Augmentation
from training.data.patches import Sampling
from training.data.plans import DataPlan
from training.provenance import commit, provenance, weights_in_words
from training.run.plan import TrainPlan
from training.run.state import fresh_state

SCHEME = Normalisation(-200, 300, 30, 70)
DATA = DataPlan(
    (3.0, 2.0, 2.0), (8, 8, 8), 1, (4, 8), ((3, 3, 3),) * 2, ((1, 1, 1), (2, 2, 2)), (SCHEME,) * 2
)


def test_no_git_no_commit(root, monkeypatch):
    assert len(commit()) == 40 or not (root / ".git").exists()
    monkeypatch.setenv("PATH", "")
    assert commit() == "unknown"


def test_all_is_told_in_plain_values():
    plan = TrainPlan(DATA, 3, names=("a", "b"))
    state = fresh_state(plan, torch.device("cpu"))
    state.iteration, state.seconds = 3, 90.0
    args = argparse.Namespace(data=Path("raw/segrap"), phantoms=None, seed=0)
    state.start = {"weights": "0123", "lineage": {"file": "first.pt", "data": "y"}}
    told = provenance(args, plan, state, "abc", ["train.py", "raw/segrap"])
    assert told["data"] == "2 cases of segrap" and told["command"] == "python train.py raw/segrap"
    here = argparse.Namespace(data=Path(), phantoms=None, seed=0)
    assert provenance(here, plan, state, "abc", [])["data"] == f"2 cases of {Path.cwd().name}"
    assert (told["commit"], told["iterations"], told["minutes"]) == ("abc", 3, 1.5)
    assert told["start"] == {"file": "first.pt", "data": "y"} and "recipe" not in told
    assert told["weights"] == "last"
    state.averaged_wins, state.iteration = True, 350
    assert weights_in_words(state) == "averaged, exponentially, over about 40 iterations"
    other = replace(plan, sampling=Sampling(0.33), augmentation=Augmentation(scales=(0.8, 1.25)))
    told = provenance(args, other, state, "abc", [])
    values = {"augmentation": {"scales": [0.8, 1.25]}, "sampling": {"foreground_share": 0.33}}
    assert told["recipe"] == plain(told["recipe"]) == values
    phantoms = argparse.Namespace(data=None, phantoms=2, seed=7)
    told = provenance(phantoms, plan, fresh_state(plan, torch.device("cpu")), "abc", [])
    words = told["data"]
    assert "start" not in told
    assert "synthetic phantoms, seed 7; no patient data" in words and "not clinical" in words
