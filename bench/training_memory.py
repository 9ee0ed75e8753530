"""What the plan's estimate of memory is worth: python -m bench.training_memory [--device cpu].

For a few small plans, plain and residual, in each number format, two steps of AdamW on noise run in a process of
their own; printed are the peak and training/data/memory.py's estimate. On a CPU the peak is that of the whole process
(libraries included), on a GPU torch.cuda.max_memory_allocated. Exit code 1 where an estimate is off by more than 15 %.
"""

import argparse
import sys

from model.options import Parser, add_device

EXAMPLES = ("python -m bench.training_memory --device cpu",)
EXITS = "0 done, 1 an estimate is off by more than 15 %, 2 bad options"


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = Parser(
        prog="python -m bench.training_memory", description=__doc__, examples=EXAMPLES, exits=EXITS
    )
    add = parser.add_argument
    add_device(parser)
    add("--one", nargs=3, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    parse_arguments(None)  # --help, and what makes no sense, before what takes seconds to load

import json
import subprocess
from math import prod

import torch

from model.network.bundle import Normalisation
from model.network.memory import kept_memory, peak_bytes
from model.network.placement import choose_device, memory_format
from model.network.plan import Spacing, Triple, triple
from training.data.memory import training_gb
from training.data.planning import topology
from training.data.plans import DataPlan
from training.run.plan import TrainPlan
from training.run.state import fresh_state
from training.run.step import step

# Patch, spacing, batch, features of the first stage.
SHAPES: dict[str, tuple[Triple, Spacing, int, int]] = {
    "cube": ((32, 48, 48), (1.0, 1.0, 1.0), 4, 24),
    "slices": ((12, 96, 96), (3.0, 1.0, 1.0), 2, 32),
    "few features": ((32, 64, 64), (2.5, 2.0, 2.0), 3, 16),
}
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
STEPS = 2  # the optimiser has its moments after the first
FARTHEST = 0.15
SCHEME = Normalisation(-200, 300, 30, 70)


def main(arguments: list[str] | None = None) -> int:
    args = parse_arguments(arguments)
    if args.one:
        shape, network, numbers = args.one
        print(measured_gb(shape, network, numbers, args.device))
        return 0
    worst = 0.0
    print(f"{'plan':<14}{'network':<10}{'numbers':<10}{'voxels':>16}{'used GB':>9}{'estimate':>9}{'off':>7}")
    for shape in SHAPES:
        for network in ("plain", "residual"):
            for name, dtype in DTYPES.items():
                command = [sys.executable, "-m", "bench.training_memory", "--device", args.device]
                done = subprocess.run(
                    [*command, "--one", shape, network, name], capture_output=True, text=True, check=True
                )
                used = json.loads(done.stdout)
                plan = plan_of(shape, network)
                estimate = training_gb(plan, dtype.itemsize)
                off = estimate / used - 1
                worst = max(worst, abs(off))
                voxels = f"{plan.batch} x {' x '.join(map(str, plan.patch_zyx))}"
                print(
                    f"{shape:<14}{network:<10}{name:<10}{voxels:>16}{used:>9.2f}{estimate:>9.2f}{off:>+7.0%}",
                    flush=True,
                )
    return 0 if worst <= FARTHEST else 1


def plan_of(shape: str, network: str) -> DataPlan:
    patch, spacing, batch, base = SHAPES[shape]
    kernels, strides = topology(list(patch), spacing)
    features = tuple(min(320, base * 2**k) for k in range(len(strides)))
    step_of = [prod(axis) for axis in zip(*strides, strict=True)]
    patch = triple(n // s * s for n, s in zip(patch, step_of, strict=True))
    return DataPlan(spacing, patch, batch, features, kernels, strides, (SCHEME,) * 2, network == "residual")


def measured_gb(shape: str, network: str, dtype: str, device_name: str) -> float:
    """Peak of this process, or on a GPU of torch there, over a few steps."""
    device = choose_device(device_name)
    plan = TrainPlan(plan_of(shape, network), STEPS, optimiser="adamw")
    state = fresh_state(plan, device)
    state.dtype = DTYPES[dtype]
    state.network.to(memory_format=memory_format(device, exact=False))  # type: ignore[call-overload]
    images = torch.randn(plan.data.batch, 2, *plan.data.patch_zyx, device=device)
    targets = (images[:, 0] > 1).long()
    with kept_memory():
        for _ in range(STEPS):
            step(plan, state, state.network, (images, targets), 0.0)
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e9
    return peak_bytes() / 1e9


if __name__ == "__main__":
    sys.exit(main())
