"""The last good checkpoint stays, whatever happens, and serves its own run alone."""

import io
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import training.run.checkpoint
import training.run.loop
from model.network.bundle import Bundle
from training.data.patches import Sampling
from training.run.checkpoint import Checkpoints, TrainingError, admit, begin, clear, save
from training.run.loop import train
from training.run.loss import LossPlan
from training.run.start import Start
from training.run.state import fresh_state


def test_full_disk_stops_the_run_and_keeps_the_checkpoint(
    tiny_plan, tiny_cases, alone, tmp_path, monkeypatch
):
    train(replace(tiny_plan, iterations=2), tiny_cases, [], tmp_path, alone, resume=False)
    good = (tmp_path / "checkpoint.pt").read_bytes()

    def no_space(content, path):
        Path(path).write_bytes(b"half")
        raise RuntimeError("PytorchStreamWriter failed writing file data/0: file write failed\nmore")

    monkeypatch.setattr(training.run.checkpoint.torch, "save", no_space)
    with pytest.raises(TrainingError, match="free space"):
        train(tiny_plan, tiny_cases, [], tmp_path, alone, resume=True)
    assert (tmp_path / "checkpoint.pt").read_bytes() == good
    assert not list(tmp_path.glob(".writing-*"))


def test_a_checkpoint_of_another_plan_is_refused(tiny_plan, tiny_cases, alone, tmp_path):
    train(replace(tiny_plan, iterations=1), tiny_cases, [], tmp_path, alone, resume=False)
    others = {
        "network and patch": replace(tiny_plan, data=replace(tiny_plan.data, features=(4, 8, 12))),
        "preprocessing": replace(tiny_plan, data=replace(tiny_plan.data, spacing_zyx=(3.0, 2.0, 2.0))),
        "optimiser": replace(tiny_plan, optimiser="sgd"),
        "loss": replace(tiny_plan, loss=LossPlan(gamma=0)),
        "seed": replace(tiny_plan, seed=1),
        "recipe": replace(tiny_plan, sampling=Sampling(foreground_share=0.33)),
        "cases or fold": replace(tiny_plan, names=("a", "b")),
    }
    for what, other in others.items():
        with pytest.raises(TrainingError, match=f"differs in {what}"):
            train(other, tiny_cases, [], tmp_path, alone, resume=True)


def test_an_unfinished_run_is_not_overwritten(tiny_plan, tiny_cases, alone, tmp_path, monkeypatch):
    step = training.run.loop.step

    def stop(*arguments):
        os.kill(os.getpid(), signal.SIGTERM)
        return step(*arguments)

    monkeypatch.setattr(training.run.loop, "step", stop)
    train(tiny_plan, tiny_cases, [], tmp_path, alone, resume=False)
    monkeypatch.setattr(training.run.loop, "step", step)
    good = (tmp_path / "checkpoint.pt").read_bytes()
    with pytest.raises(TrainingError, match=r"not finished \(1 iterations\)"):
        train(tiny_plan, tiny_cases, [], tmp_path, alone, resume=False)
    assert (tmp_path / "checkpoint.pt").read_bytes() == good


def spoilt(whole: bytes, how: str, tmp_path: Path) -> bytes:
    if how == "NaN":
        content = torch.load(io.BytesIO(whole), weights_only=True)
        next(iter(content["network"].values())).fill_(float("nan"))
    elif how.startswith("without"):
        content = torch.load(io.BytesIO(whole), weights_only=True)
        name = how.split()[1]
        content[name] = type(content[name])()
    elif how == "list":
        content = [1, 2]
    else:
        return {
            "empty": b"",
            "half": whole[: len(whole) // 2],
            "text": b"garbage" * 100,
            "zeros": bytes(len(whole)),
            "zip": b"PK\x03\x04" + bytes(60),
            "pickle": b"\x80\x02K\x01.",
            "memo": b"\x80\x02h\x05.",
        }[how]
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


WAYS = [
    "empty",
    "half",
    "text",
    "zeros",
    "zip",
    "pickle",
    "memo",
    "list",
    "NaN",
    "without network",
    "without optimiser",
]


@pytest.mark.parametrize("how", WAYS)
def test_a_damaged_checkpoint_is_one_line(tiny_plan, tiny_cases, alone, tmp_path, how):
    train(replace(tiny_plan, iterations=1), tiny_cases, [], tmp_path, alone, resume=False)
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(spoilt(path.read_bytes(), how, tmp_path))
    with pytest.raises(TrainingError, match=r"checkpoint\.pt: cannot be used \(.*\); delete it") as caught:
        train(tiny_plan, tiny_cases, [], tmp_path, alone, resume=True)
    assert "\n" not in str(caught.value)


def test_a_checkpoint_is_said_to_be_good_only_where_one_is(tiny_plan, alone, tmp_path):
    """Another run's, which a fresh one may replace, is none of this one's."""
    state = begin(tiny_plan, tmp_path, alone, resume=False, start=None)
    (tmp_path / "file").touch()
    with pytest.raises(TrainingError, match=r"; free space$"):
        save(state, tiny_plan, tmp_path / "file")
    save(state, tiny_plan, tmp_path)
    with pytest.raises(TrainingError, match="the last one is still good"):
        save(state, tiny_plan, tmp_path / "file")
    again = begin(replace(tiny_plan), tmp_path, alone, resume=True, start=None)
    assert again.kept


def test_a_state_comes_back_whole(tiny_plan, tiny_cases, alone, weights_of, tmp_path):
    state = train(replace(tiny_plan, iterations=3), tiny_cases, [], tmp_path, alone, resume=False)
    again = begin(tiny_plan, tmp_path, alone, resume=True, start=None)
    assert torch.equal(weights_of(again), weights_of(state))
    assert (again.iteration, again.history, again.recent) == (3, state.history, state.recent)
    optimisers = [s.optimiser.state_dict()["state"][0]["exp_avg"] for s in (state, again)]
    assert torch.equal(*optimisers)


def test_a_failure_between_is_kept_for_all_processes_to_know(tiny_plan, alone, tmp_path, monkeypatch):
    state = begin(tiny_plan, tmp_path, alone, resume=False, start=None)
    checkpoints = Checkpoints(tiny_plan, tmp_path / "not there", alone, 0.0)
    checkpoints.save_if_due(state)
    assert checkpoints.failure is None  # not due yet
    state.seconds = training.run.checkpoint.CHECKPOINT_SECONDS + 1
    checkpoints.save_if_due(state)
    assert isinstance(checkpoints.failure, TrainingError) and checkpoints.saved_at == state.seconds


def test_a_finished_run_is_overwritten_only_where_that_is_said(tiny_plan, tiny_cases, alone, tmp_path):
    short = replace(tiny_plan, iterations=2)
    train(short, tiny_cases, [], tmp_path, alone, resume=False)
    (tmp_path / "validation.csv").touch()
    with pytest.raises(TrainingError, match=r"is finished \(2 iterations\); .* --overwrite"):
        train(short, tiny_cases, [], tmp_path, alone, resume=False)
    longer = train(replace(short, iterations=3), tiny_cases, [], tmp_path, alone, resume=True)
    assert longer.iteration == 3
    admit(tmp_path, resume=False, overwrite=True, start=None)
    clear(tmp_path)
    assert not list(tmp_path.iterdir())
    assert train(short, tiny_cases, [], tmp_path, alone, resume=False).iteration == 2


def test_a_run_keeps_what_it_began_with_and_goes_on_with_nothing_else(
    tiny_plan, tiny_cases, alone, tmp_path, weights_of
):
    data, short = tiny_plan.data, replace(tiny_plan, iterations=1, learning_rate=1e-12)
    states = [
        fresh_state(replace(tiny_plan, seed=seed), alone.device).network.state_dict() for seed in (7, 8)
    ]
    parts = data.network, data.patch_zyx, data.spacing_zyx, data.normalisation, (), {"data": "y"}
    given, other = (Start(f"{k}.pt", Bundle(*parts, (state,))) for k, state in enumerate(states))
    state = train(short, tiny_cases, [], tmp_path, alone, resume=False, start=given)
    first = fresh_state(replace(tiny_plan, seed=7), alone.device)
    torch.testing.assert_close(weights_of(state), weights_of(first), atol=1e-6, rtol=0)
    for start in (None, given):
        again = begin(tiny_plan, tmp_path, alone, resume=True, start=start)
        assert again.start["lineage"] == {"file": "0.pt", "data": "y"}
    with pytest.raises(TrainingError, match=r"--start: the run began with other weights \(0\.pt\)"):
        admit(tmp_path, resume=True, overwrite=False, start=other)
    clear(tmp_path)
    train(short, tiny_cases, [], tmp_path, alone, resume=False)
    with pytest.raises(TrainingError, match="--start: the run began with none"):
        admit(tmp_path, resume=True, overwrite=False, start=given)


def test_a_run_that_goes_on_reads_its_checkpoint_once(tiny_plan, tiny_cases, alone, tmp_path, monkeypatch):
    """What admits it looks at the counters alone: tensors are mapped, and those of a huge file not read."""
    train(replace(tiny_plan, iterations=1), tiny_cases, [], tmp_path, alone, resume=False)
    load, mapped = torch.load, []

    def counted(*given, **options):
        mapped.append(options["mmap"])
        return load(*given, **options)

    monkeypatch.setattr(training.run.checkpoint.torch, "load", counted)
    admit(tmp_path, resume=True, overwrite=False, start=None)
    assert mapped == [True]
    begin(tiny_plan, tmp_path, alone, resume=True, start=None)
    assert mapped == [True, False]
