"""What a training run leaves to look at: log.csv and curves.png, rewritten whole at each checkpoint."""

import csv
import io
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from model.structures import LABELS
from model.writing import write_bytes
from training.run.scores import AVERAGED

# The lines that were printed; log.csv has their figures.
LOG = "log.txt"
SCORES = ("validation_loss", *(f"dsc_{name}" for name in LABELS))
COLUMNS = (
    "iteration", "seconds", "lr", "loss", "seconds_per_iteration", *SCORES, "smoothed",
    *(AVERAGED + name for name in SCORES), "validation_seconds",
)  # fmt: skip
# With fewer points than these, each is marked: one alone has no line.
FEW = 30


def write_log(history: list[dict[str, float]], path: Path) -> None:
    """One row per log line; scores of patches stand in those in which they were computed."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    write_bytes(path, text.getvalue().encode())


def write_curves(history: list[dict[str, float]], path: Path) -> None:
    """Loss, and DSC of validation patches, over iterations."""
    figure = curves(history)
    FigureCanvasAgg(figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=100)
    write_bytes(path, buffer.getvalue())


def curves(history: list[dict[str, float]]) -> Figure:
    """Left both losses, right the scores: dashed those of the averaged weights, black the smoothed mean."""
    figure = Figure((9, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    _plot(left, history, "loss", "training")
    _plot(left, history, "validation_loss", "validation patches")
    left.set(xlabel="iteration", ylabel="loss")
    left.legend()
    for number, name in enumerate(LABELS):
        _plot(right, history, f"dsc_{name}", name, color=f"C{number}")
        _plot(
            right, history, f"{AVERAGED}dsc_{name}", f"{name}, averaged", color=f"C{number}", linestyle="--"
        )
    _plot(right, history, "smoothed", "mean, smoothed", color="black")
    right.set(xlabel="iteration", ylabel="DSC, validation patches", ylim=(0, 1))
    right.legend(fontsize="small")
    return figure


def _plot(axes: Axes, history: list[dict[str, float]], key: str, label: str, **style: Any) -> None:
    rows = [row for row in history if key in row]
    marker = "o" if len(rows) < FEW else ""
    axes.plot(
        [row["iteration"] for row in rows], [row[key] for row in rows], marker=marker, markersize=3,
        label=label, **style,
    )  # fmt: skip
