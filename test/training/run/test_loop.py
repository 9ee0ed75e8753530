"""The loop learns, resumes exactly, and stops before nonsense spoils the weights."""

import csv
import itertools
import os
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch

import training.run.checkpoint
import training.run.loop
import training.run.state
import training.run.step
from training.run.checkpoint import TrainingError
from training.run.loop import train


@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
def test_learns_and_shows_it(tiny_plan, tiny_cases, alone, tmp_path, monkeypatch, optimiser):
    monkeypatch.setattr(training.run.loop, "EPOCH", 40)
    plan = replace(
        tiny_plan, iterations=120, optimiser=optimiser, learning_rate=1e-2 if optimiser == "sgd" else 3e-3
    )
    state = train(plan, tiny_cases, tiny_cases, tmp_path, alone, resume=False)
    losses = [row["loss"] for row in state.history]
    assert np.mean(losses[-20:]) < 0.7 * np.mean(losses[:5])
    with (tmp_path / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["iteration"]) for row in rows] == list(range(1, 121))
    assert [bool(row["dsc_GTVp"]) for row in rows] == [k % 40 == 0 for k in range(1, 121)]
    assert float(rows[-1]["dsc_GTVp"]) > 0.3 and float(rows[-1]["lr"]) < 0.1 * float(rows[60]["lr"])
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("log_every", [1, 4])
def test_resumed_run_equals_an_uninterrupted_one(
    weights_of, tiny_plan, tiny_cases, alone, tmp_path, monkeypatch, log_every
):
    monkeypatch.setattr(training.run.loop, "LOG_EVERY", log_every)
    whole = train(tiny_plan, tiny_cases, [], tmp_path / "whole", alone, resume=False)
    step, asked = training.run.loop.step, []

    def step_and_be_stopped(plan, state, *rest):
        if state.iteration == 5 and not asked:
            asked.append(True)
            os.kill(os.getpid(), signal.SIGTERM)
        return step(plan, state, *rest)

    monkeypatch.setattr(training.run.loop, "step", step_and_be_stopped)
    stopped = train(tiny_plan, tiny_cases, [], tmp_path / "parts", alone, resume=False)
    assert stopped.iteration == 6
    resumed = train(tiny_plan, tiny_cases, [], tmp_path / "parts", alone, resume=True)
    assert resumed.iteration == whole.iteration == 12
    assert torch.equal(weights_of(resumed), weights_of(whole))
    assert [r["loss"] for r in resumed.history] == [r["loss"] for r in whole.history]


def test_minutes_are_counted_over_all_parts(tiny_plan, tiny_cases, alone, tmp_path):
    first = train(
        replace(tiny_plan, iterations=None, minutes=0.01), tiny_cases, [], tmp_path, alone, resume=False
    )
    second = train(
        replace(tiny_plan, iterations=None, minutes=0.02), tiny_cases, [], tmp_path, alone, resume=True
    )
    assert 0.6 <= first.seconds < 1.2 <= second.seconds and second.iteration > first.iteration
    again = train(
        replace(tiny_plan, iterations=None, minutes=0.02), tiny_cases, [], tmp_path, alone, resume=True
    )
    assert again.iteration == second.iteration


def test_nonsense_loss_stops_the_run_and_keeps_the_checkpoint(tiny_plan, tiny_cases, alone, tmp_path):
    broken = replace(tiny_cases[0], image=np.full_like(tiny_cases[0].image, np.nan))
    plan = replace(tiny_plan, names=("case_1",))
    train(replace(plan, iterations=2), tiny_cases[:1], [], tmp_path, alone, resume=False)
    good = (tmp_path / "checkpoint.pt").read_bytes()
    words = r"iteration 2: .*loss nan.*, with case_1; .*checkpoint\.pt is still good"
    with pytest.raises(TrainingError, match=words):
        train(plan, [broken], [], tmp_path, alone, resume=True)
    assert (tmp_path / "checkpoint.pt").read_bytes() == good


def test_where_there_is_no_checkpoint_none_is_called_good(tiny_plan, tiny_cases, alone, tmp_path):
    broken = replace(tiny_cases[0], image=np.full_like(tiny_cases[0].image, np.nan))
    with pytest.raises(TrainingError, match=r"iteration 0: ") as caught:
        train(replace(tiny_plan, names=("case_1",)), [broken], [], tmp_path, alone, resume=False)
    assert "still good" not in str(caught.value)


def spoil_gradients(monkeypatch, iterations: set[int]) -> None:
    """In these iterations gradients are no numbers, while the loss is one."""
    loss_of, calls = training.run.step.deep_supervision_loss, itertools.count()

    def spoilt(*arguments):
        loss = loss_of(*arguments)
        if next(calls) in iterations:
            loss.register_hook(lambda gradient: gradient * float("nan"))
        return loss

    monkeypatch.setattr(training.run.step, "deep_supervision_loss", spoilt)


def test_nonsense_gradient_stops_the_run_before_it_spoils_the_weights(
    tiny_plan, tiny_cases, alone, tmp_path, monkeypatch
):
    spoil_gradients(monkeypatch, {3})
    monkeypatch.setattr(training.run.checkpoint, "CHECKPOINT_SECONDS", 0.0)
    with pytest.raises(TrainingError, match="gradient is NaN or infinite"):
        train(tiny_plan, tiny_cases, [], tmp_path, alone, resume=False)
    content = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert content["iteration"] == 3
    assert all(tensor.isfinite().all() for tensor in content["network"].values())


def test_float16_scales_and_survives_an_overflow(
    weights_of, tiny_plan, tiny_cases, alone, tmp_path, monkeypatch
):
    for module in (training.run.state, training.run.step):
        monkeypatch.setattr(module, "training_dtype", lambda device: torch.float16)
    spoil_gradients(monkeypatch, {3, 4})
    state = train(
        replace(tiny_plan, iterations=60, learning_rate=3e-3), tiny_cases, [], tmp_path, alone, resume=False
    )
    losses = [row["loss"] for row in state.history]
    assert state.scaler.is_enabled() and weights_of(state).isfinite().all()
    assert state.scaler.get_scale() <= 2**16 / 4  # halved for each
    assert np.mean(losses[-10:]) < 0.9 * np.mean(losses[:5])
