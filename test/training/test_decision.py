"""What the command line makes of the cases' measures."""

import json

import numpy as np
import pytest
import torch

import training.decision
from training.data.memory import training_gb
from training.data.survey import Survey
from training.decision import decided_plan, processes_here
from training.options import parse_arguments

CPU = torch.device("cpu")
SURVEYS = [
    Survey(
        "a", (60, 128, 128), (3.0, 2.0, 2.0), (1.0, 1.0), np.array([[0, 40, 80]] * 2, np.int16), (60, 90, 120)
    )
] * 3


def decide(*words):
    return decided_plan(parse_arguments(["data", "--out", "w.pt", *words], None), SURVEYS, CPU)


def test_a_users_memory_wins_over_what_the_device_has(monkeypatch, capsys):
    monkeypatch.setattr(training.decision, "training_memory", lambda *given: pytest.fail("looked at"))
    plan = decide("--memory-gb", "2", "--features", "8")
    assert training_gb(plan, training.decision.training_dtype(CPU).itemsize) <= 2
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "planning for 2.0 GB: as --memory-gb says"
    assert "the median" in lines[1] and lines[2].startswith("patch ")


def test_the_devices_memory_is_the_default(monkeypatch, capsys):
    monkeypatch.setattr(training.decision, "training_memory", lambda *given: (3.0, "half of what there is"))
    assert decide() == decide("--memory-gb", "3")
    assert capsys.readouterr().out.startswith("planning for 3.0 GB: half of what there is\n")


def test_network_and_config_are_heard(tmp_path, monkeypatch):
    assert decide("--memory-gb", "3", "--network", "residual").network.residual
    (tmp_path / "mine.json").write_text(json.dumps({"batch": 5, "residual": False}))
    plan = decide("--memory-gb", "3", "--network", "residual", "--config", str(tmp_path / "mine.json"))
    assert plan.batch == 5 and not plan.network.residual


@pytest.mark.parametrize(("text", "count"), [(None, 1), ("4", 4), ("0", 1), ("", 1), ("x", 1), ("9" * 99, 1)])
def test_processes_share_a_machine(monkeypatch, text, count):
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    if text is not None:
        monkeypatch.setenv("LOCAL_WORLD_SIZE", text)
    assert processes_here() == count
