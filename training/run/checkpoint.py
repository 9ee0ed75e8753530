"""Checkpoints: a run saved whole, and gone on with."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from model.errors import InputError, one_line, reason
from model.terminal import log
from model.writing import whole_file
from training.run.board import BOARD
from training.run.curves import LOG, write_curves, write_log
from training.run.plan import TrainPlan
from training.run.processes import Processes
from training.run.start import Start, check_start
from training.run.state import State, fresh_state

CHECKPOINT = "checkpoint.pt"
# As it was when the smoothed score was best.
BEST = "best.pt"
CHECKPOINT_SECONDS = 180.0
# What a checkpoint holds.
CONTENT = {
    "network": dict,
    "averaged": dict,
    "optimiser": dict,
    "scaler": dict,
    "iteration": int,
    "seconds": float,
    "history": list,
    "recent": list,
    "skipped": list,
    "finished": bool,
    "start": dict,
    "run": dict,
}
# What a run leaves in its folder.
LEFT = (CHECKPOINT, BEST, LOG, "log.csv", "curves.png", "validation.csv", "result.json")


class TrainingError(InputError):
    """Training cannot go on: where, what happened, what to do."""


def admit(folder: Path, *, resume: bool, overwrite: bool, start: Start | None) -> None:
    """Raises TrainingError where a run may not begin in the folder: its checkpoint cannot be used, or is another's.

    A run that is there is gone on with or, if that is said, overwritten. One that goes on may be given the weights it
    began with, no others.
    """
    path = folder / CHECKPOINT
    if overwrite or not path.exists():
        return
    # Of the weights nothing is needed here: they are not read, which would take seconds.
    _admit(path, read(path, torch.device("cpu"), mapped=True), resume=resume, start=start)


def clear(folder: Path) -> None:
    """Remove what a run has left, that another may begin as if there had been none."""
    for name in LEFT:
        (folder / name).unlink(missing_ok=True)
    shutil.rmtree(folder / BOARD, ignore_errors=True)


def _admit(path: Path, content: dict[str, Any], *, resume: bool, start: Start | None) -> None:
    if not resume:
        state, goes_on = "not finished", "--resume goes on with it"
        if content["finished"]:
            state, goes_on = "finished", "--resume trains on if it is given longer"
        fact = f"of a run that is {state} ({content['iteration']} iterations)"
        raise TrainingError(path, fact, f"{goes_on}, --overwrite or another --work starts anew")
    if start and start.origin["weights"] != content["start"].get("weights"):
        began = content["start"].get("lineage", {}).get("file")
        fact = f"the run began with {f'other weights ({began})' if began else 'none'}"
        raise TrainingError("--start", fact, "leave it out, or choose another --work")


def begin(
    plan: TrainPlan,
    folder: Path,
    team: Processes,
    *,
    resume: bool,
    start: Start | None,
) -> State:
    """A fresh state, with the weights of `start` if given; or, to resume, the checkpoint's if there is one.

    Raises InputError where a run may not begin (see admit), where the checkpoint to resume is of a run that differs,
    and where the weights to start from do not fit the plan.
    """
    path = folder / CHECKPOINT
    content = read(path, team.device) if path.exists() else None
    if content:
        _admit(path, content, resume=resume, start=start)
    state = fresh_state(plan, team.device)
    if content:
        restore(state, content, plan, path)
        return state
    if resume and team.first:
        log(f"{path}: not there; starting anew")
    if start is not None:
        check_start(start, plan.data)
        for network in (state.network, state.averaged):
            network.load_state_dict(start.bundle.states[0])
        state.start = start.origin
    return state


class Checkpoints:
    """Saves a run now and then. A failure is kept, until all processes know of it."""

    def __init__(self, plan: TrainPlan, folder: Path, team: Processes, seconds: float) -> None:
        self.plan = plan
        self.folder = folder
        self.team = team
        self.saved_at = seconds
        self.failure: TrainingError | None = None

    def save_if_due(self, state: State) -> None:
        if not self.team.first or state.seconds - self.saved_at <= CHECKPOINT_SECONDS:
            return
        with self.failures_kept():
            save(state, self.plan, self.folder)
        self.saved_at = state.seconds

    @contextmanager
    def failures_kept(self) -> Iterator[None]:
        """Around what writes to the folder and may raise TrainingError."""
        try:
            yield
        except TrainingError as error:
            self.failure = error


def save(state: State, plan: TrainPlan, folder: Path) -> None:
    """Checkpoint, log and curves; the old checkpoint stays until the new one is whole. Raises TrainingError."""
    with _writing(state, folder):
        _write(state, plan, folder / CHECKPOINT)
        state.kept = True
        write_log(state.history, folder / "log.csv")
        write_curves(state.history, folder / "curves.png")


def save_best(state: State, plan: TrainPlan, folder: Path) -> None:
    """The same content under another name, to go on from or to look at. Raises TrainingError."""
    with _writing(state, folder):
        _write(state, plan, folder / BEST)


def tell(line: str, state: State, folder: Path) -> None:
    """A line to the terminal and to the log file. Raises TrainingError."""
    with _writing(state, folder), (folder / LOG).open("a", encoding="utf-8") as file:
        with tqdm.external_write_mode():  # beside the bar
            log(line)
        file.write(f"{one_line(line)}\n")


def _write(state: State, plan: TrainPlan, path: Path) -> None:
    content = {
        "network": state.network.state_dict(),
        "averaged": state.averaged.state_dict(),
        "optimiser": state.optimiser.state_dict(),
        "scaler": state.scaler.state_dict(),
        "iteration": state.iteration,
        "seconds": state.seconds,
        "history": state.history,
        "recent": state.recent,
        "skipped": state.skipped,
        "finished": state.finished,
        "start": state.start,
        "run": plan.identity,
    }
    with whole_file(path) as temporary:
        torch.save(content, temporary)


@contextmanager
def _writing(state: State, folder: Path) -> Iterator[None]:
    """Raises TrainingError where what is written in it cannot be."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        fact = f"cannot write the checkpoint or the log ({reason(error)})"
        remedy = "free space"
        if state.kept:
            remedy = f"the last one is still good: {remedy}, then --resume"
        raise TrainingError(folder, fact, remedy) from None


def read(path: Path, device: torch.device, *, mapped: bool = False) -> dict[str, Any]:
    """A checkpoint's content, read as data. Raises TrainingError where it cannot be used.

    mapped: tensors are read from the file when they are looked at, not before.
    """
    try:
        content = torch.load(path, map_location=device, weights_only=True, mmap=mapped)
        if not isinstance(content, dict) or not CONTENT.keys() <= content.keys():
            raise ValueError("written by an older version, or by another program")
        for name, kind in CONTENT.items():
            if not isinstance(content[name], kind):
                raise ValueError(f"{name} is {type(content[name]).__name__}")
    except Exception as error:  # a damaged pickle raises whatever its bytes happen to ask for
        raise _unusable(path, error) from None
    return content


def restore(state: State, content: dict[str, Any], plan: TrainPlan, path: Path) -> None:
    """Bring a state to where the checkpoint was. Raises TrainingError where it is another run's or inconsistent."""
    if what := plan.differs_in(content["run"]):
        raise TrainingError(
            path, f"of a run that differs in {what}", "choose another --work or leave --resume"
        )
    try:
        state.network.load_state_dict(content["network"])
        state.averaged.load_state_dict(content["averaged"])
        state.optimiser.load_state_dict(content["optimiser"])
        if content["scaler"] and state.scaler.is_enabled():  # empty where the run began in another precision
            state.scaler.load_state_dict(content["scaler"])
        parameters = (*state.network.parameters(), *state.averaged.parameters())
        if not all(parameter.isfinite().all() for parameter in parameters):
            raise ValueError("weights that are NaN or infinite")
    except (RuntimeError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise _unusable(path, error) from None
    state.iteration, state.seconds = content["iteration"], content["seconds"]
    state.history, state.recent = content["history"], content["recent"]
    state.skipped = content["skipped"]
    state.start = content["start"]
    state.kept = True


def _unusable(path: Path, error: Exception) -> TrainingError:
    return TrainingError(path, f"cannot be used ({reason(error)})", "delete it or choose another --work")
