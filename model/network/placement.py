"""Where the work is done, in which number format, and what to try when memory runs out."""

from dataclasses import dataclass
from pathlib import Path

import torch

from model.errors import InputError

# Voxels of the network's grid above which what covers all of it is kept in 16 bits: more than the largest scan
# of the challenge has (1024 x 1024 x 127), and half a gigabyte of each channel in float32.
MOST_IN_FLOAT32 = 2**27


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
    """The device for "auto", "cpu", "cuda" or "cuda:N". Raises InputError where a GPU is asked for and absent."""
    available = torch.cuda.is_available()
    if name.startswith("cuda") and not available:
        raise InputError(
            f"--device {name}",
            "no usable CUDA device",
            "start the container with --gpus all or use --device cpu",
        )
    number = name.partition(":")[2]
    if number:
        if int(number) >= (count := torch.cuda.device_count()):
            fact = f"there are {count} GPUs, counted from 0"
            raise InputError(f"--device {name}", fact, "give a smaller number")
        return torch.device("cuda", int(number))
    return torch.device("cuda" if available and name != "cpu" else "cpu")


def use_gpu(number: int) -> None:
    """Make one GPU the one that this thread means by "cuda", where there are several: processes share them out."""
    if (count := torch.cuda.device_count()) > 1:
        torch.cuda.set_device(number % count)


def choose_dtype(device: torch.device, precision: str) -> torch.dtype:
    """The number format of the passes: the fastest that the hardware multiplies natively, or float32 if asked."""
    if precision == "fp32":
        return torch.float32
    if device.type == "cuda":
        return torch.float16  # every supported GPU has it; the T4 has no bfloat16
    path = Path("/proc/cpuinfo")
    cpuinfo = path.read_text(encoding="utf-8") if path.exists() else ""
    return torch.bfloat16 if gains_by_bfloat16(cpuinfo) else torch.float32


def image_dtype(voxels: int) -> torch.dtype:
    """The number format in which an image of so many voxels is kept."""
    return torch.float32 if voxels <= MOST_IN_FLOAT32 else torch.float16


def sums_dtype(voxels: int) -> torch.dtype:
    """The same for sums over windows, whose corners weigh less than float16 has numbers for."""
    return torch.float32 if voxels <= MOST_IN_FLOAT32 else torch.bfloat16


def gains_by_bfloat16(cpuinfo: str) -> bool:
    """Whether a CPU, by the text of its /proc/cpuinfo, is faster in bfloat16 than in float32.

    Tiles (AMX) multiply it many times faster, AMD's vector units several times; Intel's own vector units take it, but
    no faster than float32, and the conversions come on top.
    """
    return "amx_bf16" in cpuinfo or ("avx512_bf16" in cpuinfo and "AuthenticAMD" in cpuinfo)


def memory_format(device: torch.device, *, exact: bool) -> torch.memory_format:
    """How weights, and so activations, lie in memory: channels last on CPUs, a fifth to a third less time.

    Not where results are to be exact: torch's normalisation of such tensors errs by up to a thousandth, less than
    bfloat16 does. GPUs were not measured.
    """
    return torch.channels_last_3d if device.type == "cpu" and not exact else torch.contiguous_format


def work_alone(device: torch.device) -> None:
    """To be called first in a thread that prepares beside the network: on a CPU it works without helpers.

    With helpers of its own there were more threads than cores, and the network's would sleep at the end of each
    parallel loop instead of waiting (libgomp).
    """
    if device.type == "cpu":
        torch.set_num_threads(1)
