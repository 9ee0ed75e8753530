"""What training takes by a plan, and what a device has."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

import model.machine as machine
from model.network.bundle import Normalisation
from model.network.unet import ConvNorm, ConvNormAct, InstanceNorm, ResidualBlock, UNet
from training.data.memory import (
    is_out_of_memory,
    kept_elements,
    training_gb,
    training_memory,
    weight_count,
)
from training.data.plans import DataPlan

SCHEME = Normalisation(-200, 300, 30, 70)
PLAIN = DataPlan(
    (3.0, 1.0, 1.0),
    (8, 32, 32),
    2,
    (8, 16, 32, 64),
    ((1, 3, 3),) + ((3, 3, 3),) * 3,
    ((1, 1, 1), (1, 2, 2), (2, 2, 2), (1, 2, 2)),
    (SCHEME,) * 2,
)
BOTH = pytest.mark.parametrize("plan", [PLAIN, replace(PLAIN, residual=True)], ids=["plain", "residual"])
CPU = torch.device("cpu")


@BOTH
def test_the_network_itself_has_as_many_values_and_weights(plan):
    """Counted in a forward pass: before each norm, after each activation, at each sum, and what is concatenated."""
    network = UNet(plan.network)
    kept = 0

    def count(_, inputs, output):
        nonlocal kept
        kept += output.numel()

    for module in network.modules():
        if isinstance(module, (InstanceNorm, ResidualBlock, ConvNormAct)):
            module.register_forward_hook(count)
    for stage in network.decoder.stages:
        stage.register_forward_pre_hook(lambda _, inputs: count(_, inputs, inputs[0]))
    with torch.no_grad():
        network(torch.zeros(1, 2, *plan.patch_zyx))
    assert any(isinstance(module, ConvNorm) for module in network.modules()) == plan.residual
    assert kept_elements(plan) == kept
    assert weight_count(plan) == pytest.approx(sum(p.numel() for p in network.parameters()), rel=0.01)


@BOTH
def test_the_estimate_grows_with_all_that_takes_memory(plan):
    least = training_gb(plan, 2)
    assert training_gb(plan, 4) > least
    assert training_gb(replace(plan, batch=3)) > least
    assert training_gb(replace(plan, features=tuple(2 * n for n in plan.features))) > least
    assert training_gb(replace(plan, patch_zyx=(8, 32, 64))) > least
    assert training_gb(replace(plan, residual=True)) >= least


@pytest.mark.parametrize(
    ("meminfo", "limit", "available"),
    [
        ("MemTotal: 9000 kB\nMemAvailable: 4000 kB\n", "max", 4000 * 1024),
        ("MemTotal: 9000 kB\nMemAvailable: 4000 kB\n", "2000000\n", 2_000_000),
        ("MemTotal: 9000 kB\nMemAvailable: 4000 kB\n", "9223372036854771712", 4000 * 1024),
        ("MemAvailable:", "3000000", 3_000_000),
        (None, "3000000", 3_000_000),
    ],
)
def test_a_cpu_has_what_is_available_or_what_its_container_may_take(
    monkeypatch, tmp_path, meminfo, limit, available
):
    if meminfo is not None:
        (tmp_path / "meminfo").write_text(meminfo)
    (tmp_path / "limit").write_text(limit)
    monkeypatch.setattr(machine, "MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(machine, "MEMORY_LIMITS", (tmp_path / "none", tmp_path / "limit"))
    gb, words = training_memory(CPU)
    assert gb == pytest.approx(available / 2e9) and "available" in words
    shared, words = training_memory(CPU, processes=4)
    assert shared == pytest.approx(gb / 4) and "4 processes" in words


def test_this_machine_has_some():
    gb, _ = training_memory(CPU)
    assert 0.01 < gb < 100_000


def test_a_gpu_has_what_it_has_less_a_reserve(monkeypatch):
    gpu = SimpleNamespace(total_memory=11.8e9, name="Some GPU")
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: gpu)
    gb, words = training_memory(torch.device("cuda"))
    assert gb == pytest.approx(0.95 * 11.8) and "11.8 GB of Some GPU" in words


def test_out_of_memory_is_known_from_other_errors():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60)
    assert is_out_of_memory(caught.value)  # as torch says it here
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB."))
    assert is_out_of_memory(RuntimeError("CUDA error: out of memory")) and is_out_of_memory(MemoryError())
    assert not is_out_of_memory(RuntimeError("shapes differ")) and not is_out_of_memory(
        OSError("out of memory")
    )
