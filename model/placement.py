"""Where the work is done, in which number format, and what to try when memory runs out."""

from dataclasses import dataclass
from pathlib import Path

import torch

from model.volume import InputError


@dataclass(frozen=True)
class Placement:
    """Where the work is done: passes at once, device of the network, device of the sums."""

    device: torch.device
    sums: torch.device
    batch: int

    def __str__(self) -> str:
        return f"{self.device}, {self.batch} at once, sums on {self.sums}"


def placements(device: torch.device, mirrors: int) -> list[Placement]:
    """What to try in turn: mirrors batched on the GPU, one at a time, sums on the CPU, all on the CPU."""
    cpu = Placement(torch.device("cpu"), torch.device("cpu"), 1)  # a CPU gains nothing from batches
    if device.type == "cpu":
        return [cpu]
    return [
        Placement(device, device, mirrors),
        Placement(device, device, 1),
        Placement(device, torch.device("cpu"), 1),
        cpu,
    ]


def choose_device(name: str) -> torch.device:
    """The device for "auto", "cuda" or "cpu". Raises InputError where CUDA is asked for and absent."""
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise InputError(
            "--device cuda: no usable CUDA device; start the container with --gpus all or use --device cpu"
        )
    return torch.device("cuda" if available and name != "cpu" else "cpu")


def choose_dtype(device: torch.device, precision: str) -> torch.dtype:
    """The number format of the passes: the fastest that the hardware multiplies natively, or float32 if asked."""
    if precision == "fp32":
        return torch.float32
    if device.type == "cuda":
        return torch.float16  # every supported GPU has it; the T4 has no bfloat16
    return torch.bfloat16 if _cpu_multiplies_bfloat16() else torch.float32


def memory_format(device: torch.device, dtype: torch.dtype) -> torch.memory_format:
    """How activations lie in memory: channels last on CPUs in 16 bit, a quarter to a third less time.

    Not in float32, where torch's normalisation of such tensors errs by up to a thousandth. GPUs were not measured.
    """
    last = device.type == "cpu" and dtype != torch.float32
    return torch.channels_last_3d if last else torch.contiguous_format


def _cpu_multiplies_bfloat16() -> bool:
    cpuinfo = Path("/proc/cpuinfo")
    flags = cpuinfo.read_text() if cpuinfo.exists() else ""
    return "avx512_bf16" in flags or "amx_bf16" in flags
