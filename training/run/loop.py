"""The training loop: by iterations or by minutes, checkpointed, resumable, on one process or several."""

import time
from contextlib import closing
from pathlib import Path

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from tqdm import tqdm

from model.network.memory import kept_memory
from model.network.placement import memory_format
from training.data.cache import CachedCase
from training.run.batches import batches, names_in_batch
from training.run.checkpoint import CHECKPOINT, TrainingError, begin
from training.run.history import averaged_wins
from training.run.plan import TrainPlan
from training.run.precision import settle_precision
from training.run.processes import FailedElsewhere, Processes
from training.run.reporter import Reporter
from training.run.signals import asked_to_end
from training.run.skips import is_usual, skip, too_many
from training.run.start import Start
from training.run.state import State
from training.run.step import step


def train(
    plan: TrainPlan,
    cases: list[CachedCase],
    validation: list[CachedCase],
    folder: Path,
    team: Processes,
    *,
    resume: bool,
    start: Start | None = None,
) -> State:
    """Train to the end or to a signal; checkpoint.pt, best.pt, log.txt, log.csv and curves.png lie in the folder.

    Without validation cases, patches of the training cases are scored, and the lines say so. Of the last and the
    averaged weights the state's result are those that scored better. start gives the first of a run that is not
    resumed. SIGTERM and Ctrl-C leave a checkpoint and end the run early. With a number of iterations, a resumed run
    gives what an uninterrupted one gives. Raises TrainingError where a run cannot begin (see checkpoint.begin), on too
    many losses or gradients that are no numbers, and where a checkpoint cannot be written; FailedElsewhere where
    another process failed, KeyboardInterrupt where all is done and saved, but the end was asked for meanwhile.
    """
    folder.mkdir(parents=True, exist_ok=True)
    state = begin(plan, folder, team, resume=resume, start=start)
    settle_precision(state, plan, team)
    network = _over_processes(state, team)
    reporter = Reporter(plan, validation, cases, folder, team, state)
    stream = batches(plan, cases, team, state.iteration)
    with kept_memory(), asked_to_end() as stop_requests, _progress(plan, team) as bar, closing(reporter):
        while True:
            share, failing = plan.share_done(state.iteration, state.seconds), reporter.failure is not None
            done, stop, failed = team.largest(share, bool(stop_requests), failing)
            if failed:
                raise reporter.failure or FailedElsewhere
            reporter.report_if_due(state, done)
            if done >= 1 or stop:
                state.finished = done >= 1
                break
            _change_patches(plan, state, reporter)
            began = time.perf_counter()
            loss, norm = step(plan, state, network, next(stream), done)
            if what := skip(state, loss, norm):
                _left_out(what, names_in_batch(plan, cases, team, state.iteration), state, reporter)
            state.iteration += 1
            seconds = time.perf_counter() - began
            state.seconds += seconds
            state.recent.append((loss, seconds))
            bar.update((state.iteration if plan.iterations else min(round(state.seconds), bar.total)) - bar.n)
            reporter.save_if_due(state)
        team.once(lambda: reporter.finish(state))
        state.averaged_wins = team.once(lambda: averaged_wins(state.history))
    if state.finished and team.largest(bool(stop_requests))[0]:
        raise KeyboardInterrupt  # asked in the last step or since: what would follow can take long
    return state


def _expect_equal_sizes(device: torch.device) -> None:
    """On a GPU, cuDNN tries once for each size of its input which way is the fastest."""
    if device.type == "cuda":
        torch.backends.cudnn.benchmark = True


def _over_processes(state: State, team: Processes) -> nn.Module:
    """The network, its gradients averaged over all processes."""
    _expect_equal_sizes(team.device)
    network: nn.Module = state.network
    for weights in (network, state.averaged):
        weights.to(memory_format=memory_format(team.device, exact=False))  # type: ignore[call-overload]
    if team.count == 1:
        return network
    return DistributedDataParallel(network, [team.device] if team.device.type == "cuda" else None)


def _progress(plan: TrainPlan, team: Processes) -> tqdm:
    """A bar that counts iterations or seconds."""
    total = plan.iterations or round(60 * (plan.minutes or 0))
    return tqdm(total=total, unit="" if plan.iterations else "s", disable=None if team.first else True)


def _change_patches(plan: TrainPlan, state: State, reporter: Reporter) -> None:
    """Where they become larger: tell of it, and give back the GPU's memory that was kept for the smaller ones."""
    data = plan.data_at(state.iteration)
    if data == plan.data_at(state.iteration - 1):
        return
    if reporter.team.first:
        size = " x ".join(map(str, data.patch_zyx))
        reporter.say(
            f"iteration {state.iteration}: from now on patches of {size}, {data.batch} in a batch", state
        )
    if reporter.team.device.type == "cuda":
        torch.cuda.empty_cache()


def _left_out(what: str, names: list[str], state: State, reporter: Reporter) -> None:
    """Tell of it, or raise where it is one too many: TrainingError in the first process, FailedElsewhere in others."""
    where, fact = f"iteration {state.iteration}", f"{what} is NaN or infinite, with {' and '.join(names)}"
    if many := too_many(state):
        if not reporter.team.first:
            raise FailedElsewhere
        remedy = "look at these or lower the learning rate"
        if state.kept:
            remedy = f"{reporter.folder / CHECKPOINT} is still good: {remedy}, then --resume"
        raise TrainingError(where, f"{fact}: {many}", remedy)
    if not is_usual(state, what) and (reporter.team.first or what == "loss"):
        reporter.say(f"{where}: {fact}; left out", state)
