"""What a run leaves to look at."""

import csv

from training.run.curves import FEW, curves, write_curves, write_log

HISTORY = [
    {"iteration": 25, "seconds": 1.5, "lr": 0.01, "loss": 1.25},
    {"iteration": 50, "seconds": 3.0, "lr": 0.005, "loss": 0.75, "dsc_GTVp": 0.5, "dsc_GTVnd": 0.25},
]


def test_the_log_has_a_row_for_each_line_and_gaps_where_nothing_was_scored(tmp_path):
    write_log(HISTORY, tmp_path / "log.csv")
    with (tmp_path / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["loss"] for row in rows] == ["1.25", "0.75"]
    assert [row["dsc_GTVp"] for row in rows] == ["", "0.5"]


def test_curves_are_a_picture_even_of_a_run_that_has_just_begun(tmp_path):
    for history in ([], HISTORY):
        write_curves(history, tmp_path / "curves.png")
        assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_few_rows_are_marked_by_points():
    """One alone would have no line."""
    for count, marked in ((1, True), (FEW + 5, False)):
        left, right = curves([HISTORY[1] | {"iteration": k} for k in range(count)]).axes
        lines = [line for line in (*left.lines, *right.lines) if len(line.get_xdata())]
        assert len(lines) == 3
        assert all((line.get_marker() not in ("", "None")) == marked for line in lines)
