"""Where weights come from, in plain values that go into their file."""

import argparse
import datetime
import json
import subprocess
from dataclasses import asdict
from pathlib import Path

import torch

from evaluation.summary import Summary
from model.network.bundle import Bundle
from training.run.plan import TrainPlan
from training.run.recipe import Recipe
from training.run.state import State


def commit() -> str:
    """Of this code, where it lies in a repository and git is there."""
    try:
        here = Path(__file__).parent
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False, cwd=here
        )
    except OSError:
        return "unknown"
    return done.stdout.strip() or "unknown"


def provenance(
    args: argparse.Namespace,
    plan: TrainPlan,
    state: State,
    code: str,
    start: Bundle | None,
    command: list[str],
) -> dict[str, object]:
    """args: train.py's. Data, command, the code's commit, date, duration and library, as plain values."""
    recipe = Recipe(plan.augmentation, plan.sampling).changed
    phantoms = f"synthetic phantoms, seed {args.seed}; no patient data. Research use, not clinical."
    return {
        "data": f"{len(plan.names)} {phantoms if args.phantoms else f'cases of {args.data.name}'}",
        "command": " ".join(["python", *command]),
        "commit": code,
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "iterations": state.iteration,
        "minutes": round(state.seconds / 60, 1),
        "torch": str(torch.__version__),
        **({"start": lineage(args.start, start)} if start else {}),
        "loss": f"Dice (Tversky {plan.loss.alpha}, {plan.loss.beta}) + focal (gamma {plan.loss.gamma:g})",
        **({"recipe": recipe} if recipe else {}),
        "optimiser": f"{plan.optimiser}, learning rate {plan.learning_rate:g}",
    }


def lineage(weights: Path, bundle: Bundle) -> dict[str, object]:
    """The name and the provenance of the weights that a run began with; without scores, which are theirs alone."""
    kept = {key: value for key, value in bundle.provenance.items() if key != "metrics"}
    return {"file": weights.name} | kept


def metrics(data: str, summaries: list[Summary]) -> dict[str, object]:
    """As training.record_scores writes them."""
    return {"data": data, "summary": json.loads(json.dumps([asdict(s) for s in summaries]))}
