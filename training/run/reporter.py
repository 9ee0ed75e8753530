"""What a run says and writes while it goes on: lines, curves, checkpoints. By the first process alone."""

import time
from pathlib import Path

from model.terminal import log
from training.data.cache import CachedCase
from training.run.board import Board
from training.run.checkpoint import Checkpoints, TrainingError, save, save_best, tell
from training.run.history import add_row, due, is_best, line_of
from training.run.plan import TrainPlan
from training.run.processes import Processes
from training.run.state import State


class Reporter:
    """Validates on fixed patches: of the held-out cases, or of those trained on where there are none."""

    def __init__(
        self,
        plan: TrainPlan,
        validation: list[CachedCase],
        training: list[CachedCase],
        folder: Path,
        team: Processes,
        state: State,
    ) -> None:
        self.plan, self.folder, self.team = plan, folder, team
        self.cases = validation or training
        self.words = "validation" if validation else "on training cases"
        self.checkpoints = Checkpoints(plan, folder, team, state.seconds)
        self.board = Board(folder, state.iteration) if team.first else None

    @property
    def failure(self) -> TrainingError | None:
        """Why something could not be written, until all processes know of it."""
        return self.checkpoints.failure

    def report_if_due(self, state: State, done: float) -> None:
        """A row and a line after an epoch, see history.due; the best checkpoint where it is that. Its time counts."""
        if not self.board:
            state.recent.clear()
        elif due(self.plan, state, done):
            began = time.perf_counter()
            row = add_row(self.plan, state, self.cases, self.team.device, done)
            self.say(line_of(self.plan, row, len(state.skipped), self.words), state)
            self.board.show(row)
            state.seconds += time.perf_counter() - began
            if is_best(state.history):
                with self.checkpoints.failures_kept():
                    save_best(state, self.plan, self.folder)

    def say(self, line: str, state: State) -> None:
        """To the terminal and, from the first process, to the log file."""
        if self.team.first:
            with self.checkpoints.failures_kept():
                tell(line, state, self.folder)
        else:
            log(line)

    def save_if_due(self, state: State) -> None:
        self.checkpoints.save_if_due(state)

    def finish(self, state: State) -> None:
        """The last checkpoint. Raises TrainingError where something could not be written."""
        if self.failure:
            raise self.failure
        save(state, self.plan, self.folder)

    def close(self) -> None:
        if self.board:
            self.board.close()
