"""The training loop: by iterations or by minutes, checkpointed, resumable, on one process or several."""

import time
from pathlib import Path

import numpy as np
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from tqdm import tqdm

from model.network.memory import kept_memory
from model.network.placement import memory_format
from training.data.cache import CachedCase
from training.run.batches import batches, names_in_batch
from training.run.checkpoint import CHECKPOINT, Checkpoints, TrainingError, begin, save
from training.run.plan import EPOCH, TrainPlan
from training.run.processes import FailedElsewhere, Processes
from training.run.scores import patch_scores
from training.run.signals import asked_to_end
from training.run.start import Start
from training.run.state import State
from training.run.step import step

# Iterations.
LOG_EVERY = 25
# Steps in a row whose loss or gradient may be NaN or infinite, with float16 alone, where the scaler then scales less.
MOST_OVERFLOWS = 5


def train(
    plan: TrainPlan,
    cases: list[CachedCase],
    validation: list[CachedCase],
    folder: Path,
    team: Processes,
    *,
    resume: bool,
    overwrite: bool = False,
    start: Start | None = None,
) -> State:
    """Train to the end or to a signal; checkpoint.pt, log.csv and curves.png lie in the folder.

    start gives the first weights of a run that is not resumed. SIGTERM and Ctrl-C leave a checkpoint and end the run
    early. With a number of iterations, a resumed run gives what an uninterrupted one gives. Raises TrainingError where
    a run cannot begin (see checkpoint.begin), on losses that are no numbers, and when a checkpoint cannot be written:
    the last one is then still good. Raises FailedElsewhere where another process failed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    state = begin(plan, folder, team, resume=resume, overwrite=overwrite, start=start)
    network = _over_processes(state, team)
    checkpoints = Checkpoints(plan, folder, team, state.seconds)
    stream = batches(plan, cases, team, state.iteration)
    overflows = 0
    with kept_memory(), asked_to_end() as stop_requests, _progress(plan, team) as bar:
        while True:
            done, stop, failed = team.largest(
                plan.share_done(state.iteration, state.seconds),
                bool(stop_requests),
                checkpoints.failure is not None,
            )
            if failed:
                raise checkpoints.failure or FailedElsewhere
            if done >= 1 or stop:
                state.finished = done >= 1
                break
            began = time.perf_counter()
            loss = step(plan, state, network, next(stream), done)
            overflows = 0 if np.isfinite(loss) else overflows + 1
            if overflows > (MOST_OVERFLOWS if state.scaler.is_enabled() else 0):
                raise _not_finite(loss, state, names_in_batch(plan, cases, team, state.iteration), folder)
            if not overflows:
                state.recent.append(loss)
            state.iteration += 1
            if state.iteration % LOG_EVERY == 0:
                bar.set_postfix(_log(plan, state, validation, team, done))
            state.seconds += time.perf_counter() - began
            bar.update((state.iteration if plan.iterations else min(round(state.seconds), bar.total)) - bar.n)
            checkpoints.save_if_due(state)
        team.once(lambda: save(state, plan, folder))
    return state


def _over_processes(state: State, team: Processes) -> nn.Module:
    """The network, its gradients averaged over all processes."""
    network: nn.Module = state.network
    network.to(memory_format=memory_format(team.device, exact=False))  # type: ignore[call-overload]
    if team.count == 1:
        return network
    return DistributedDataParallel(network, [team.device] if team.device.type == "cuda" else None)


def _progress(plan: TrainPlan, team: Processes) -> tqdm:
    """A bar that counts iterations or seconds."""
    total = plan.iterations or round(60 * (plan.minutes or 0))
    return tqdm(total=total, unit="" if plan.iterations else "s", disable=None if team.first else True)


def _log(
    plan: TrainPlan, state: State, validation: list[CachedCase], team: Processes, done: float
) -> dict[str, str]:
    """Add a row to the history, with the scores of patches at the end of an epoch; returns what the bar shows of it."""
    row: dict[str, float] = {
        "iteration": state.iteration,
        "seconds": round(state.seconds, 1),
        "lr": plan.learning_rate_at(state.iteration, done),
        "loss": round(float(np.mean(state.recent)), 5) if state.recent else float("nan"),
    }
    if state.iteration % EPOCH == 0 and validation:
        row |= patch_scores(plan, state.network, validation, team.device)
    state.history.append(row)
    state.recent.clear()
    return {key: f"{value:.3g}" for key, value in row.items() if key not in ("lr", "seconds")}


def _not_finite(loss: float, state: State, names: list[str], folder: Path) -> TrainingError:
    remedy = "look at these or lower the learning rate"
    if state.kept:
        remedy = f"{folder / CHECKPOINT} is still good: {remedy}, then --resume"
    return TrainingError(
        f"iteration {state.iteration}",
        f"loss or gradient is NaN or infinite (loss {loss:g}), with {' and '.join(names)}",
        remedy,
    )
