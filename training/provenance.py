"""Where weights come from, in plain values that go into their file."""

import argparse
import datetime
import json
import subprocess
from dataclasses import asdict
from pathlib import Path

import torch

from evaluation.summary import Summary
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
    command: list[str],
) -> dict[str, object]:
    """args: train.py's. Data, command, the code's commit, date, duration and library, as plain values."""
    recipe = Recipe(plan.augmentation, plan.sampling, plan.loss).changed
    phantoms = f"synthetic phantoms, seed {args.seed}; no patient data. Research use, not clinical."
    return {
        "data": f"{len(plan.names)} {phantoms if args.phantoms else f'cases of {args.data.resolve().name}'}",
        "command": " ".join(["python", *command]),
        "commit": code,
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "iterations": state.iteration,
        "weights": weights_in_words(state),
        "minutes": round(state.seconds / 60, 1),
        "torch": str(torch.__version__),
        **({"start": state.start["lineage"]} if state.start else {}),
        "loss": f"Dice (Tversky {plan.loss.alpha}, {plan.loss.beta}) + focal (gamma {plan.loss.gamma:g})",
        **({"recipe": recipe} if recipe else {}),
        "optimiser": f"{plan.optimiser}, learning rate {plan.learning_rate:g}",
    }


def weights_in_words(state: State) -> str:
    """Which of the run's weights they are, and over how many iterations the averaged ones were."""
    if not state.averaged_wins:
        return "last"
    return f"averaged, exponentially, over about {state.averaged_over:.0f} iterations"


def metrics(data: str, summaries: list[Summary]) -> dict[str, object]:
    """As training.record_scores writes them."""
    return {"data": data, "summary": json.loads(json.dumps([asdict(s) for s in summaries]))}
