"""When a row is added, what it says, and which weights win."""

from dataclasses import replace

import pytest
import torch

import training.run.history
from training.run.history import add_row, averaged_wins, due, is_best, line_of
from training.run.plan import EPOCH
from training.run.state import fresh_state

CPU = torch.device("cpu")


@pytest.fixture
def state(tiny_plan, monkeypatch):
    monkeypatch.setattr(training.run.history, "EPOCH", EPOCH)
    return fresh_state(tiny_plan, CPU)


def rows_of(plan, state, *, seconds_each: float) -> list[int]:
    """The iterations at which a whole run would add a row."""
    while True:
        done = plan.share_done(state.iteration, state.seconds)
        if due(plan, state, done):
            state.history.append({"iteration": state.iteration, "seconds": state.seconds})
        if done >= 1:
            return [row["iteration"] for row in state.history]
        state.iteration += 1
        state.seconds += seconds_each


def test_rows_follow_the_budget(tiny_plan, state):
    def rows(seconds_each=1.0, **length):
        return rows_of(replace(tiny_plan, **length), replace(state, history=[]), seconds_each=seconds_each)

    assert rows(iterations=1000) == list(range(100, 1001, 100))
    assert rows(iterations=10_000) == list(range(250, 10_001, 250))
    assert rows(iterations=5) == [1, 2, 3, 4, 5]
    assert rows(iterations=None, minutes=6, seconds_each=2.0) == list(range(18, 181, 18))
    assert len(rows(iterations=None, minutes=6, seconds_each=25.0)) >= 7
    assert rows(iterations=None, minutes=600, seconds_each=60.0) == list(range(60, 601, 60))
    assert rows(iterations=None, minutes=6, seconds_each=0.1)[:2] == [250, 500]


def test_a_row_smooths_the_mean_dsc_and_says_so(tiny_plan, state, monkeypatch):
    given = iter([(0.5, 0.3), (0.9, 0.7), (0.1, 0.3)])

    def scores(plan, state, cases, device):
        p, n = next(given)
        return {"dsc_GTVp": p, "dsc_GTVnd": n, "validation_loss": 1.0, "averaged_dsc_GTVp": 0.6}

    monkeypatch.setattr(training.run.history, "validation_scores", scores)
    plan = replace(tiny_plan, iterations=1000)
    smoothed, best = [], []
    for k in range(3):
        state.iteration, state.seconds = 100 * (k + 1), 60.0 * (k + 1)
        state.recent = [(1.0, 0.5), (2.0, 0.7), (float("nan"), 0.6)]
        row = add_row(plan, state, [], CPU, 0.1)
        smoothed.append(row["smoothed"])
        best.append(is_best(state.history))
    assert smoothed == pytest.approx([0.4, 0.44, 0.416]) and best == [True, True, False]
    assert row["loss"] == 1.5 and row["seconds_per_iteration"] == pytest.approx(0.6) and not state.recent
    line = line_of(plan, row, 2, "validation")
    expected = (
        "iteration 300 of 1000; 3.0 min; learning rate 0.001; loss 1.5000; validation: loss 1.0000, DSC GTVp 0.100, "
        "GTVnd 0.300; averaged weights: GTVp 0.600; smoothed 0.416; 2 iterations left out; 0.6 s per iteration; "
        "7.0 min left"
    )
    assert line == expected
    assert "60 s left" in line_of(replace(plan, iterations=None, minutes=4), row, 0, "validation")


def test_a_run_by_minutes_validates_for_a_tenth_of_them(tiny_plan, tiny_cases, state, monkeypatch):
    plan, took = replace(tiny_plan, iterations=None, minutes=10), 7.0
    monkeypatch.setattr(
        training.run.history,
        "validation_scores",
        lambda *given: {"validation_seconds": took, "dsc_GTVp": 0.5},
    )
    validated = []
    for k in range(1, 11):
        state.iteration, state.seconds, state.recent = k, state.seconds + 60, [(1.0, 60.0)]
        row = add_row(plan, state, [], CPU, k / 10)
        validated.append("dsc_GTVp" in row)
        state.seconds += took * validated[-1]
    assert validated == [True, False, True, False, True, False, True, False, True, True]  # the last always


def test_the_weights_that_score_better_win():
    row = {"dsc_GTVp": 0.5, "dsc_GTVnd": 0.5, "validation_loss": 1.0}
    for p, n, loss, wins in (
        (0.7, 0.4, 2.0, True),
        (0.7, 0.2, 0.5, False),
        (0.5, 0.5, 0.9, True),
        (0.5, 0.5, 1.0, False),
    ):
        averaged = {"averaged_dsc_GTVp": p, "averaged_dsc_GTVnd": n, "averaged_validation_loss": loss}
        assert averaged_wins([{}, row | averaged]) == wins
    assert not averaged_wins([]) and not averaged_wins([{"loss": 1.0}])
