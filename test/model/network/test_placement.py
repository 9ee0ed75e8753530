"""Where the work is done, in which number format, and in which order fall-backs are tried."""

import pytest
import torch

from model.errors import InputError
from model.network.placement import (
    choose_device,
    choose_dtype,
    gains_by_bfloat16,
    memory_format,
    placements,
    use_gpu,
)


@pytest.mark.parametrize(
    ("cpuinfo", "gains"),
    [
        ("vendor_id : AuthenticAMD\nflags : avx512f avx512_bf16", True),
        ("vendor_id : GenuineIntel\nflags : avx512f avx512_bf16 amx_tile amx_bf16", True),
        ("vendor_id : GenuineIntel\nflags : avx512f avx512_bf16", False),
        ("vendor_id : AuthenticAMD\nflags : avx2", False),
        ("", False),
    ],
)
def test_bfloat16_where_a_cpu_gains_by_it(cpuinfo, gains):
    assert gains_by_bfloat16(cpuinfo) == gains


def test_gpu_ladder_ends_on_the_cpu():
    steps = placements(torch.device("cuda"), 8)
    assert [(s.device.type, s.sums.type, s.batch) for s in steps] == [
        ("cuda", "cuda", 8), ("cuda", "cuda", 1), ("cuda", "cpu", 1), ("cpu", "cpu", 1)
    ]  # fmt: skip


def test_a_cpu_has_one_placement():
    (only,) = placements(torch.device("cpu"), 8)
    assert (only.device.type, only.sums.type, only.batch) == ("cpu", "cpu", 1)


def test_cuda_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto").type == choose_device("cpu").type == "cpu"
    with pytest.raises(InputError, match="--device cpu"):
        choose_device("cuda")
    with pytest.raises(InputError, match="--device cuda:1: no usable"):
        choose_device("cuda:1")


def test_one_of_several_gpus_can_be_named(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert choose_device("cuda:1") == torch.device("cuda", 1)
    assert choose_device("cuda") == choose_device("auto") == torch.device("cuda")
    with pytest.raises(InputError, match="there are 2 GPUs, counted from 0; give a smaller"):
        choose_device("cuda:2")


@pytest.mark.parametrize(("gpus", "used"), [(0, []), (1, []), (2, [0, 1, 0]), (4, [0, 1, 2])])
def test_processes_of_one_machine_have_a_gpu_each(monkeypatch, gpus, used):
    asked = []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(torch.cuda, "set_device", asked.append)
    for number in range(3):
        use_gpu(number)
    assert asked == used


def test_float32_where_it_is_asked_for_and_half_on_a_gpu():
    assert choose_dtype(torch.device("cuda"), "fp32") == torch.float32
    assert choose_dtype(torch.device("cuda"), "auto") == torch.float16


def test_channels_lie_last_only_on_a_cpu_that_may_be_inexact():
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    assert memory_format(cpu, exact=False) == torch.channels_last_3d
    assert memory_format(cpu, exact=True) == memory_format(cuda, exact=False) == torch.contiguous_format
