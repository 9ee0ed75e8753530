"""The loop learns, resumes exactly, agrees between one process and two, and keeps its checkpoint whatever happens."""

import csv
import itertools
import os
import signal
import subprocess
import sys
import threading
import weakref
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import distributed

import training.loop
from model.network.bundle import Normalisation
from training.dataset import CachedCase, draw_patch
from training.loop import TrainingError, TrainPlan, train
from training.loss import LossPlan
from training.planning import DataPlan
from training.processes import FailedElsewhere, Processes, processes

ROOT = Path(__file__).resolve().parents[2]
SCHEME = Normalisation(-200, 300, 30, 70)
DATA = DataPlan(
    spacing_zyx=(3.0, 1.0, 1.0),
    patch_zyx=(8, 16, 16),
    batch=1,
    features=(4, 8, 16),
    kernels=((1, 3, 3), (3, 3, 3), (3, 3, 3)),
    strides=((1, 1, 1), (1, 2, 2), (2, 2, 2)),
    normalisation=(SCHEME, SCHEME),
)
PLAN = TrainPlan(DATA, iterations=12, optimiser="adamw", learning_rate=1e-3)
ALONE = Processes(0, 1, torch.device("cpu"))


def bright_box_case(seed: int) -> CachedCase:
    rng = np.random.default_rng(seed)
    label = np.zeros((8, 24, 24), np.uint8)
    label[2:6, 4:14, 4:14] = 1
    label[2:6, 16:22, 16:22] = 2
    image = rng.normal(0, 0.1, (2, *label.shape)) + np.stack([label == 1, label == 2]) * 2.0
    return CachedCase(image.astype(np.float16), label, tuple([np.argwhere(label == v)] for v in (1, 2)))


CASES = [bright_box_case(0), bright_box_case(1)]


@pytest.fixture(autouse=True)
def every_line_logged(monkeypatch):
    monkeypatch.setattr(training.loop, "LOG_EVERY", 1)


def weights(state) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in state.network.parameters()])


@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
def test_learns_and_shows_it(tmp_path, monkeypatch, optimiser):
    monkeypatch.setattr(training.loop, "EPOCH", 40)
    plan = replace(
        PLAN, iterations=120, optimiser=optimiser, learning_rate=1e-2 if optimiser == "sgd" else 3e-3
    )
    state = train(plan, CASES, CASES, tmp_path, ALONE, resume=False)
    losses = [row["loss"] for row in state.history]
    assert np.mean(losses[-20:]) < 0.7 * np.mean(losses[:5])
    with (tmp_path / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["iteration"]) for row in rows] == list(range(1, 121))
    assert [bool(row["dsc_GTVp"]) for row in rows] == [k % 40 == 0 for k in range(1, 121)]
    assert float(rows[-1]["dsc_GTVp"]) > 0.5 and float(rows[-1]["lr"]) < 0.1 * float(rows[60]["lr"])
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("log_every", [1, 4])
def test_resumed_run_equals_an_uninterrupted_one(tmp_path, monkeypatch, log_every):
    monkeypatch.setattr(training.loop, "LOG_EVERY", log_every)
    whole = train(PLAN, CASES, [], tmp_path / "whole", ALONE, resume=False)
    step, asked = training.loop.step, []

    def step_and_be_stopped(plan, state, *rest):
        if state.iteration == 5 and not asked:
            asked.append(True)
            os.kill(os.getpid(), signal.SIGTERM)
        return step(plan, state, *rest)

    monkeypatch.setattr(training.loop, "step", step_and_be_stopped)
    stopped = train(PLAN, CASES, [], tmp_path / "parts", ALONE, resume=False)
    assert stopped.iteration == 6
    resumed = train(PLAN, CASES, [], tmp_path / "parts", ALONE, resume=True)
    assert resumed.iteration == whole.iteration == 12
    assert torch.equal(weights(resumed), weights(whole))
    assert [r["loss"] for r in resumed.history] == [r["loss"] for r in whole.history]


def test_minutes_are_counted_over_all_parts(tmp_path):
    first = train(replace(PLAN, iterations=None, minutes=0.01), CASES, [], tmp_path, ALONE, resume=False)
    second = train(replace(PLAN, iterations=None, minutes=0.02), CASES, [], tmp_path, ALONE, resume=True)
    assert 0.6 <= first.seconds < 1.2 <= second.seconds and second.iteration > first.iteration
    again = train(replace(PLAN, iterations=None, minutes=0.02), CASES, [], tmp_path, ALONE, resume=True)
    assert again.iteration == second.iteration


def train_here(folder: Path, batch: int) -> None:
    """What each process of the next test runs; AdamW would blow rounding up where gradients are zero."""
    torch.set_num_threads(1)
    plan = replace(PLAN, iterations=4, optimiser="sgd", learning_rate=1e-2, data=replace(DATA, batch=batch))
    with processes(torch.device("cpu")) as team:
        group = weakref.ref(distributed.group.WORLD) if team.count > 1 else None
        state = train(plan, CASES, [], folder / f"rank{team.rank}", team, resume=False)
        torch.save(weights(state), folder / f"weights{team.rank}.pt")
    assert group is None or group() is None  # its threads must not live on while Python exits


def test_two_processes_equal_one_with_the_doubled_batch(tmp_path, monkeypatch):
    """In float32, so that rounding does not hide a mistake."""
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    script = (
        "import sys, pathlib; sys.path[:0] = [sys.argv[1], sys.argv[1] + '/test/training'];"
        "import torch, training.loop, test_loop;"
        "training.loop.training_dtype = lambda device: torch.float32;"
        "test_loop.train_here(pathlib.Path(sys.argv[2]), int(sys.argv[3]))"
    )
    (tmp_path / "script.py").write_text(script)
    one = [sys.executable, str(tmp_path / "script.py"), str(ROOT), str(tmp_path / "one"), "2"]
    subprocess.run(one, check=True, timeout=120)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    subprocess.run(
        [*launch, str(tmp_path / "script.py"), str(ROOT), str(tmp_path / "two"), "1"], check=True, timeout=240
    )
    single = torch.load(tmp_path / "one" / "weights0.pt", weights_only=True)
    first, second = (torch.load(tmp_path / "two" / f"weights{k}.pt", weights_only=True) for k in (0, 1))
    assert torch.equal(first, second)
    fresh = weights(training.loop.fresh_state(PLAN, torch.device("cpu")))
    assert (single - fresh).abs().max() > 1e-4  # something was learnt
    torch.testing.assert_close(first, single, atol=2e-6, rtol=1e-4)


def fail_here(folder: Path) -> None:
    """What each process of the next test runs: the first cannot write its checkpoint."""
    torch.set_num_threads(1)
    with processes(torch.device("cpu")) as team:
        group = weakref.ref(distributed.group.WORLD)
        if team.first:
            training.loop._save = raise_training_error
        with pytest.raises(TrainingError if team.first else FailedElsewhere):
            train(replace(PLAN, iterations=1), CASES, [], folder, team, resume=False)
    assert group() is None


def raise_training_error(*_: object) -> None:
    raise TrainingError("checkpoint.pt", "the disk is full", "free space")


def test_a_failed_run_too_leaves_no_process_group(tmp_path):
    script = (
        "import sys, pathlib; sys.path[:0] = [sys.argv[1], sys.argv[1] + '/test/training'];"
        "import test_loop; test_loop.fail_here(pathlib.Path(sys.argv[2]))"
    )
    (tmp_path / "script.py").write_text(script)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    subprocess.run([*launch, str(tmp_path / "script.py"), str(ROOT), str(tmp_path)], check=True, timeout=240)


@pytest.mark.parametrize("patch", [(8, 16, 16), (16, 16, 40), (4, 24, 24)])
def test_patch_shows_the_case_it_was_cut_from(patch):
    rng = np.random.default_rng(0)
    for _ in range(20):
        image, label = draw_patch(CASES[0], patch, rng)
        assert image.shape == (2, *patch) and label.shape == patch
        inside = image[0][label == 1]
        assert inside.size == 0 or inside.mean() > 1.5  # image and label moved together


def test_nonsense_loss_stops_the_run_and_keeps_the_checkpoint(tmp_path):
    broken = replace(CASES[0], image=np.full_like(CASES[0].image, np.nan))
    plan = replace(PLAN, names=("case_1",))
    train(replace(plan, iterations=2), CASES[:1], [], tmp_path, ALONE, resume=False)
    good = (tmp_path / "checkpoint.pt").read_bytes()
    words = r"loss nan.* in iteration 2, with case_1; .*checkpoint\.pt is still good"
    with pytest.raises(TrainingError, match=words):
        train(plan, [broken], [], tmp_path, ALONE, resume=True)
    assert (tmp_path / "checkpoint.pt").read_bytes() == good


def spoil_gradients(monkeypatch, iterations: set[int]) -> None:
    """In these iterations gradients are no numbers, while the loss is one."""
    loss_of, calls = training.loop.deep_supervision_loss, itertools.count()

    def spoilt(*arguments):
        loss = loss_of(*arguments)
        if next(calls) in iterations:
            loss.register_hook(lambda gradient: gradient * float("nan"))
        return loss

    monkeypatch.setattr(training.loop, "deep_supervision_loss", spoilt)


def test_nonsense_gradient_stops_the_run_before_it_spoils_the_weights(tmp_path, monkeypatch):
    spoil_gradients(monkeypatch, {3})
    monkeypatch.setattr(training.loop, "CHECKPOINT_SECONDS", 0.0)
    with pytest.raises(TrainingError, match="gradient is no number"):
        train(PLAN, CASES, [], tmp_path, ALONE, resume=False)
    content = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert content["iteration"] == 3
    assert all(tensor.isfinite().all() for tensor in content["network"].values())


def test_float16_scales_and_survives_an_overflow(tmp_path, monkeypatch):
    monkeypatch.setattr(training.loop, "training_dtype", lambda device: torch.float16)
    spoil_gradients(monkeypatch, {3, 4})
    state = train(replace(PLAN, iterations=60, learning_rate=3e-3), CASES, [], tmp_path, ALONE, resume=False)
    losses = [row["loss"] for row in state.history]
    assert state.scaler.is_enabled() and weights(state).isfinite().all()
    assert state.scaler.get_scale() <= 2**16 / 4  # halved for each
    assert np.mean(losses[-10:]) < 0.9 * np.mean(losses[:5])


def test_full_disk_stops_the_run_and_keeps_the_checkpoint(tmp_path, monkeypatch):
    train(replace(PLAN, iterations=2), CASES, [], tmp_path, ALONE, resume=False)
    good = (tmp_path / "checkpoint.pt").read_bytes()

    def no_space(content, path):
        Path(path).write_bytes(b"half")
        raise RuntimeError("PytorchStreamWriter failed writing file data/0: file write failed\nmore")

    monkeypatch.setattr(training.loop.torch, "save", no_space)
    with pytest.raises(TrainingError, match="free space"):
        train(PLAN, CASES, [], tmp_path, ALONE, resume=True)
    assert (tmp_path / "checkpoint.pt").read_bytes() == good
    assert not list(tmp_path.glob("*.tmp"))


def test_a_checkpoint_of_another_plan_is_refused(tmp_path):
    train(replace(PLAN, iterations=1), CASES, [], tmp_path, ALONE, resume=False)
    others = {
        "network and patch": replace(PLAN, data=replace(DATA, features=(4, 8, 12))),
        "preprocessing": replace(PLAN, data=replace(DATA, spacing_zyx=(3.0, 2.0, 2.0))),
        "optimiser": replace(PLAN, optimiser="sgd"),
        "loss": replace(PLAN, loss=LossPlan(gamma=0)),
        "seed": replace(PLAN, seed=1),
        "cases or fold": replace(PLAN, names=("a", "b")),
    }
    for what, other in others.items():
        with pytest.raises(TrainingError, match=f"differs in {what}"):
            train(other, CASES, [], tmp_path, ALONE, resume=True)


def test_an_unfinished_run_is_not_overwritten(tmp_path, monkeypatch):
    step = training.loop.step

    def stop(*arguments):
        os.kill(os.getpid(), signal.SIGTERM)
        return step(*arguments)

    monkeypatch.setattr(training.loop, "step", stop)
    train(PLAN, CASES, [], tmp_path, ALONE, resume=False)
    monkeypatch.setattr(training.loop, "step", step)
    good = (tmp_path / "checkpoint.pt").read_bytes()
    with pytest.raises(TrainingError, match=r"not finished \(1 iterations\)"):
        train(PLAN, CASES, [], tmp_path, ALONE, resume=False)
    assert (tmp_path / "checkpoint.pt").read_bytes() == good
    (tmp_path / "checkpoint.pt").write_bytes(good[: len(good) // 2])
    with pytest.raises(TrainingError, match=r"checkpoint\.pt: cannot be used"):
        train(PLAN, CASES, [], tmp_path, ALONE, resume=True)


def test_two_stages_train_their_only_head(tmp_path):
    data = replace(DATA, features=(4, 8), kernels=DATA.kernels[:2], strides=DATA.strides[:2])
    plan = replace(PLAN, data=data, iterations=3)
    state = train(plan, CASES, [], tmp_path, ALONE, resume=False)
    fresh = training.loop.fresh_state(plan, torch.device("cpu"))
    head, before = (s.network.decoder.seg_layers[0].weight for s in (state, fresh))
    assert not torch.equal(head, before)


def test_ctrl_c_handler_is_the_old_one_afterwards(tmp_path):
    before = signal.getsignal(signal.SIGINT)
    train(replace(PLAN, iterations=1), CASES, [], tmp_path, ALONE, resume=False)
    assert signal.getsignal(signal.SIGINT) is before and threading.active_count() < 10
