"""One process and two give the same, and part from each other cleanly."""

import subprocess
import sys
from contextlib import nullcontext

import pytest
import torch
from torch import distributed

from model.errors import InputError
from training.run.processes import FailedElsewhere, Processes, check_environment
from training.run.state import fresh_state


def test_two_processes_equal_one_with_the_doubled_batch(root, tiny_plan, weights_of, tmp_path):
    """In float32, so that rounding does not hide a mistake."""
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    script = (
        "import sys, pathlib; sys.path[:0] = [sys.argv[1], sys.argv[1] + '/test/training/run'];"
        "import torch, training.run.state, conftest;"
        "training.run.state.training_dtype = lambda device: torch.float32;"
        "conftest.train_here(pathlib.Path(sys.argv[2]), int(sys.argv[3]))"
    )
    (tmp_path / "script.py").write_text(script)
    one = [sys.executable, str(tmp_path / "script.py"), str(root), str(tmp_path / "one"), "2"]
    subprocess.run(one, check=True, timeout=120)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    subprocess.run(
        [*launch, str(tmp_path / "script.py"), str(root), str(tmp_path / "two"), "1"], check=True, timeout=240
    )
    single = torch.load(tmp_path / "one" / "weights0.pt", weights_only=True)
    first, second = (torch.load(tmp_path / "two" / f"weights{k}.pt", weights_only=True) for k in (0, 1))
    assert torch.equal(first, second)
    fresh = weights_of(fresh_state(tiny_plan, torch.device("cpu")))
    assert (single - fresh).abs().max() > 1e-4  # something was learnt
    torch.testing.assert_close(first, single, atol=2e-6, rtol=1e-4)


def test_a_failed_run_too_leaves_no_process_group(root, tmp_path):
    script = (
        "import sys, pathlib; sys.path[:0] = [sys.argv[1], sys.argv[1] + '/test/training/run'];"
        "import conftest; conftest.fail_here(pathlib.Path(sys.argv[2]))"
    )
    (tmp_path / "script.py").write_text(script)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    subprocess.run([*launch, str(tmp_path / "script.py"), str(root), str(tmp_path)], check=True, timeout=240)


def test_one_process_needs_no_exchange():
    team = Processes(0, 1, torch.device("cpu"))
    assert team.first and team.largest(1.5, True, 0) == [1.5, True, 0]
    assert team.once(lambda: "plan") == "plan"


def test_the_first_fails_with_its_own_error_and_the_others_with_another(monkeypatch):
    def fail() -> None:
        raise ValueError("mine")

    monkeypatch.setattr(Processes, "largest", lambda team, *values: [1.0 for _ in values])
    monkeypatch.setattr(distributed, "broadcast_object_list", lambda values, device: None)
    with pytest.raises(ValueError, match="mine"):
        Processes(0, 2, torch.device("cpu")).once(fail)
    with pytest.raises(FailedElsewhere):
        Processes(1, 2, torch.device("cpu")).once(fail)


@pytest.mark.parametrize(
    ("count", "fine"), [("1", True), ("3", False), ("", False), ("x", False), ("9" * 5000, False)]
)
def test_a_number_of_processes_without_torchrun_is_one_line(monkeypatch, count, fine):
    monkeypatch.setenv("WORLD_SIZE", count)
    monkeypatch.delenv("RANK", raising=False)
    with nullcontext() if fine else pytest.raises(InputError, match="WORLD_SIZE"):
        check_environment()
