"""What a training run leaves to look at: log.csv and curves.png, rewritten whole at each checkpoint."""

import csv
import io
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from model.structures import LABELS
from model.writing import write_bytes

COLUMNS = ("iteration", "seconds", "lr", "loss", *(f"dsc_{name}" for name in LABELS))


def write_log(history: list[dict[str, float]], path: Path) -> None:
    """One row per log line; the DSC of patches stands in those in which it was computed."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    write_bytes(path, text.getvalue().encode())


def write_curves(history: list[dict[str, float]], path: Path) -> None:
    """Loss, and DSC of validation patches, over iterations."""
    figure = Figure((9, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot([row["iteration"] for row in history], [row["loss"] for row in history])
    left.set(xlabel="iteration", ylabel="loss")
    for name in LABELS:
        rows = [row for row in history if f"dsc_{name}" in row]
        right.plot([row["iteration"] for row in rows], [row[f"dsc_{name}"] for row in rows], label=name)
    right.set(xlabel="iteration", ylabel="DSC, validation patches", ylim=(0, 1))
    right.legend()
    FigureCanvasAgg(figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=100)
    write_bytes(path, buffer.getvalue())
