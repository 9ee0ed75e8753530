"""What a run tells of itself: a row of figures after each epoch, which becomes a line of the log."""

from math import isfinite

import numpy as np
import torch

from model.structures import LABELS
from training.data.cache import CachedCase
from training.run.plan import EPOCH, LINES, TrainPlan
from training.run.scores import AVERAGED, mean_dsc, validation_scores
from training.run.state import State

# Of the smoothed score, as in nnU-Net.
SMOOTHING = 0.9
# A run by minutes spends about that share of them on validation.
VALIDATION_SHARE = 0.1


def due(plan: TrainPlan, state: State, done: float) -> bool:
    """Whether a row is to be added: after each epoch, after each tenth of a shorter run, and at the end."""
    last = state.history[-1] if state.history else {"iteration": 0, "seconds": 0.0}
    if state.iteration <= last["iteration"]:
        return False
    told = plan.share_done(int(last["iteration"]), last["seconds"])
    return state.iteration - last["iteration"] >= EPOCH or done >= 1 or done - told >= 1 / LINES - 1e-9


def add_row(
    plan: TrainPlan, state: State, cases: list[CachedCase], device: torch.device, done: float
) -> dict[str, float]:
    """Add a row to the history and return it, with the scores of patches of these cases unless they take too long.

    loss is the mean, over the iterations since the last row, of this process; smoothed the exponential mean of the last
    weights' mean DSC.
    """
    losses = [loss for loss, _ in state.recent if isfinite(loss)]
    row: dict[str, float] = {
        "iteration": state.iteration,
        "seconds": round(state.seconds, 1),
        "lr": state.optimiser.param_groups[0]["lr"],
        "loss": round(float(np.mean(losses)), 5) if losses else float("nan"),
        "seconds_per_iteration": round(float(np.mean([s for _, s in state.recent])), 4),
    }
    if plan.iterations or done >= 1 or not _validated_lately(state):
        row |= validation_scores(plan, state, cases, device)
    dsc = mean_dsc(row)
    if dsc is not None:
        before = _smoothed(state.history)
        row["smoothed"] = dsc if before is None else round(SMOOTHING * before + (1 - SMOOTHING) * dsc, 4)
    state.history.append(row)
    state.recent.clear()
    return row


def is_best(history: list[dict[str, float]]) -> bool:
    """Whether the last row's smoothed score is the best so far."""
    scores = [row["smoothed"] for row in history if "smoothed" in row]
    return "smoothed" in history[-1] and scores[-1] > max(scores[:-1], default=-1.0)


def averaged_wins(history: list[dict[str, float]]) -> bool:
    """Whether, at the end, the averaged weights had the higher mean DSC on the patches; the lower loss where equal."""
    row = history[-1] if history else {}
    last, averaged = mean_dsc(row), mean_dsc(row, AVERAGED)
    if last is None or averaged is None or last == averaged:
        loss = row.get("validation_loss", 0.0)
        return bool(row.get(f"{AVERAGED}validation_loss", loss) < loss)
    return averaged > last


def line_of(plan: TrainPlan, row: dict[str, float], skipped: int, words: str) -> str:
    """A row in words. words: on which cases the patches lie; skipped: iterations left out so far."""
    parts = [
        f"iteration {row['iteration']}{f' of {plan.iterations}' if plan.iterations else ''}",
        f"{row['seconds'] / 60:.1f} min",
        f"learning rate {row['lr']:.3g}",
        f"loss {row['loss']:.4f}",
    ]
    if "validation_loss" in row:
        parts.append(f"{words}: loss {row['validation_loss']:.4f}, DSC {_dsc(row)}")
        parts.append(f"averaged weights: {_dsc(row, AVERAGED)}")
    if "smoothed" in row:
        parts.append(f"smoothed {row['smoothed']:.3f}")
    if skipped:
        parts.append(f"{skipped} iterations left out")
    parts.append(f"{row['seconds_per_iteration']:.3g} s per iteration")
    parts.append(f"{_time(_seconds_left(plan, row))} left")
    return "; ".join(parts)


def _seconds_left(plan: TrainPlan, row: dict[str, float]) -> float:
    """By the mean speed so far, validation included."""
    if plan.iterations:
        return (plan.iterations - row["iteration"]) * row["seconds"] / row["iteration"]
    return max(0.0, 60 * (plan.minutes or 0) - row["seconds"])


def _dsc(row: dict[str, float], whose: str = "") -> str:
    """Such as "GTVp 0.512, GTVnd 0.334"."""
    cells = [f"{name} {row[key]:.3f}" for name in LABELS if (key := f"{whose}dsc_{name}") in row]
    return ", ".join(cells) or "none: no tumour in these patches"


def _time(seconds: float) -> str:
    """Such as "42 s", "3.5 min", "7.2 h"."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _smoothed(history: list[dict[str, float]]) -> float | None:
    return next((row["smoothed"] for row in reversed(history) if "smoothed" in row), None)


def _validated_lately(state: State) -> bool:
    """So that another validation now would take more than its share of the time."""
    for row in reversed(state.history):
        if "validation_seconds" in row:
            return row["validation_seconds"] > VALIDATION_SHARE * (state.seconds - row["seconds"])
    return False
