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
import training.run.history
import training.run.loop
import training.run.state
import training.run.step
from training.data.patches import Sampling
from training.run.checkpoint import TrainingError
from training.run.loop import train


@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
def test_learns_and_shows_it(tiny_plan, tiny_cases, alone, tmp_path, monkeypatch, optimiser):
    monkeypatch.setattr(training.run.history, "EPOCH", 10)
    monkeypatch.setattr(training.run.history, "LINES", 12)
    plan = replace(
        tiny_plan, iterations=120, optimiser=optimiser, learning_rate=1e-2 if optimiser == "sgd" else 3e-3
    )
    state = train(plan, tiny_cases, tiny_cases, tmp_path, alone, resume=False)
    losses = [row["loss"] for row in state.history]
    assert np.mean(losses[-2:]) < 0.7 * losses[0]
    with (tmp_path / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["iteration"]) for row in rows] == list(range(10, 121, 10))
    assert float(rows[-1]["dsc_GTVp"]) > 0.3 and float(rows[-1]["lr"]) < 0.1 * float(rows[6]["lr"])
    assert float(rows[-1]["validation_loss"]) < 0.7 * float(rows[0]["validation_loss"])
    lines = (tmp_path / "log.txt").read_text().splitlines()
    assert (
        len(lines) == 12 and lines[-1].startswith("iteration 120 of 120; ") and "; validation: " in lines[-1]
    )
    best = torch.load(tmp_path / "best.pt", weights_only=True)
    smoothed = [float(row["smoothed"]) for row in rows]
    assert best["iteration"] == 10 * (1 + int(np.argmax(smoothed)))
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("epoch", [1, 4])
def test_resumed_run_equals_an_uninterrupted_one(
    weights_of, tiny_plan, tiny_cases, alone, tmp_path, monkeypatch, epoch
):
    monkeypatch.setattr(training.run.history, "EPOCH", epoch)
    monkeypatch.setattr(training.run.history, "LINES", 1)
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
    averages = [torch.cat([p.flatten() for p in s.averaged.parameters()]) for s in (resumed, whole)]
    assert torch.equal(*averages) and not torch.equal(averages[0], weights_of(whole))
    assert resumed.averaged_wins == whole.averaged_wins
    seconds = ("seconds", "seconds_per_iteration", "validation_seconds")
    told = [
        [{k: v for k, v in row.items() if k not in seconds} for row in s.history] for s in (resumed, whole)
    ]
    assert told[0] == told[1] and len(told[0]) == 12 / epoch


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


def test_a_signal_in_the_last_step_is_not_forgotten(tiny_plan, tiny_cases, alone, tmp_path, monkeypatch):
    step = training.run.loop.step

    def step_and_be_stopped(plan, state, *rest):
        if state.iteration == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return step(plan, state, *rest)

    monkeypatch.setattr(training.run.loop, "step", step_and_be_stopped)
    plan = replace(tiny_plan, iterations=2)
    with pytest.raises(KeyboardInterrupt):
        train(plan, tiny_cases, [], tmp_path, alone, resume=False)
    assert train(plan, tiny_cases, [], tmp_path, alone, resume=True).finished


def test_nonsense_loss_stops_the_run_and_keeps_the_checkpoint(tiny_plan, tiny_cases, alone, tmp_path):
    broken = replace(tiny_cases[0], image=np.full_like(tiny_cases[0].image, np.nan))
    plan = replace(tiny_plan, names=("case_1",))
    train(replace(plan, iterations=2), tiny_cases[:1], [], tmp_path, alone, resume=False)
    good = (tmp_path / "checkpoint.pt").read_bytes()
    words = r"iteration 7: loss is NaN .*, with case_1: 6 iterations in a row left out \(loss 6, gradient 0\); .*good"
    with pytest.raises(TrainingError, match=words):
        train(plan, [broken], tiny_cases, tmp_path, alone, resume=True)
    assert (tmp_path / "checkpoint.pt").read_bytes() == good


def test_where_there_is_no_checkpoint_none_is_called_good(tiny_plan, tiny_cases, alone, tmp_path):
    broken = replace(tiny_cases[0], image=np.full_like(tiny_cases[0].image, np.nan))
    with pytest.raises(TrainingError, match=r"iteration 5: ") as caught:
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


def test_nonsense_gradients_stop_the_run_before_they_spoil_the_weights(
    tiny_plan, tiny_cases, alone, tmp_path, monkeypatch
):
    spoil_gradients(monkeypatch, set(range(3, 12)))
    monkeypatch.setattr(training.run.checkpoint, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(training.run.checkpoint, "write_curves", lambda history, path: None)  # takes long
    with pytest.raises(TrainingError, match=r"iteration 8: gradient is NaN .* \(loss 0, gradient 6\)"):
        train(tiny_plan, tiny_cases, [], tmp_path, alone, resume=False)
    content = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert content["iteration"] == 8 and content["skipped"] == [(k, "gradient") for k in range(3, 8)]
    for weights in (content["network"], content["averaged"]):
        assert all(tensor.isfinite().all() for tensor in weights.values())


def test_one_nonsense_gradient_is_left_out_and_told(
    weights_of, tiny_plan, tiny_cases, alone, tmp_path, monkeypatch
):
    spoil_gradients(monkeypatch, {3})
    state = train(replace(tiny_plan, iterations=6), tiny_cases, [], tmp_path, alone, resume=False)
    assert state.finished and state.skipped == [(3, "gradient")] and weights_of(state).isfinite().all()
    lines = (tmp_path / "log.txt").read_text().splitlines()
    assert "iteration 3: gradient is NaN or infinite, with case " in "".join(lines)
    assert "; 1 iterations left out; " in lines[-1] and "; on training cases: loss " in lines[-1]


def test_float16_scales_and_survives_an_overflow(
    weights_of, tiny_plan, tiny_cases, alone, tmp_path, monkeypatch
):
    monkeypatch.setattr(training.run.state, "training_dtype", lambda device: torch.float16)
    monkeypatch.setattr(training.run.history, "EPOCH", 5)
    monkeypatch.setattr(training.run.history, "LINES", 12)
    spoil_gradients(monkeypatch, {3, 4})
    state = train(
        replace(tiny_plan, iterations=60, learning_rate=3e-3), tiny_cases, [], tmp_path, alone, resume=False
    )
    losses = [row["loss"] for row in state.history]
    assert [number for number, _ in state.skipped[:2]] == [3, 4]
    assert state.scaler.is_enabled() and weights_of(state).isfinite().all()
    assert state.scaler.get_scale() <= 2**16 / 4  # halved for each
    assert np.mean(losses[-2:]) < 0.9 * losses[0]


def test_larger_patches_late_are_told_and_the_same_where_a_run_goes_on(
    weights_of, tiny_plan, tiny_cases, alone, tmp_path
):
    late = replace(tiny_plan.data, patch_zyx=(8, 24, 24))
    plan = replace(tiny_plan, iterations=4, late=late, sampling=Sampling(late_share=0.5))
    whole = train(plan, tiny_cases, [], tmp_path / "whole", alone, resume=False)
    lines = (tmp_path / "whole" / "log.txt").read_text().splitlines()
    assert "iteration 2: from now on patches of 8 x 24 x 24, 1 in a batch" in lines
    small = train(replace(plan, late=None), tiny_cases, [], tmp_path / "small", alone, resume=False)
    assert not torch.equal(weights_of(small), weights_of(whole))


def test_cudnn_looks_for_the_fastest_way_on_a_gpu_alone(monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)
    for device, expected in (("cpu", False), ("cuda", True)):
        training.run.loop._expect_equal_sizes(torch.device(device))
        assert torch.backends.cudnn.benchmark == expected
