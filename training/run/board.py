"""The history of a run for TensorBoard, where that is installed."""

import importlib
from pathlib import Path
from typing import Any

# In the run's folder.
BOARD = "tensorboard"
NOT_SHOWN = ("iteration", "seconds", "validation_seconds")


class Board:
    """Writes rows of the history as they come, the iteration as step; nothing where TensorBoard is not there."""

    def __init__(self, folder: Path, iteration: int) -> None:
        """What was written beyond the iteration, by a run that was killed, is left out."""
        self.writer: Any = None
        try:
            module: Any = importlib.import_module("torch.utils.tensorboard")
        except ImportError:
            return
        self.writer = module.SummaryWriter(str(folder / BOARD), purge_step=iteration + 1)

    def show(self, row: dict[str, float]) -> None:
        if self.writer is None:
            return
        for name, value in row.items():
            if name not in NOT_SHOWN:
                self.writer.add_scalar(name, value, int(row["iteration"]))
        self.writer.flush()

    def close(self) -> None:
        if self.writer is not None:
            self.writer.close()
