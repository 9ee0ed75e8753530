"""One pass of a network on the CPU in each number format and memory order: python -m bench.precision [--passes 8].

Seconds are the median, with freed memory kept as in process.py; error is the largest difference of the logits to
float32 as `--precision fp32` has it. The input is noise, which takes as long as a CT. Last comes the share of each
operator in a pass as process.py runs it by itself.
"""

import argparse
import sys
from pathlib import Path

from model.installed import BUNDLED
from model.options import Parser, whole

EXAMPLES = ("python -m bench.precision --passes 8",)
EXITS = "0 done, 2 bad options"


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = Parser(prog="python -m bench.precision", description=__doc__, examples=EXAMPLES, exits=EXITS)
    add = parser.add_argument
    add("--passes", type=whole(1, 100_000), default=8, help="of each format and order")
    add("--weights", type=Path, default=BUNDLED, help="weights file")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    parse_arguments(None)  # --help, and what makes no sense, before what takes seconds to load

import time

import numpy as np
import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from model.network.bundle import Bundle, load_bundle
from model.network.memory import kept_memory
from model.network.placement import choose_dtype, memory_format
from model.network.unet import UNet

ORDERS = {"contiguous": torch.contiguous_format, "channels last": torch.channels_last_3d}
CPU = torch.device("cpu")


def main(arguments: list[str] | None = None) -> int:
    args = parse_arguments(arguments)
    bundle = load_bundle(args.weights)
    image = torch.randn(1, bundle.network.in_channels, *bundle.patch_zyx, generator=torch.manual_seed(0))
    exact = None
    print(f"patch {bundle.patch_zyx}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    with torch.no_grad(), kept_memory():
        for dtype in (torch.float32, torch.bfloat16):
            for layout, order in ORDERS.items():
                network, seconds = network_as(bundle, dtype, order), []
                for _ in range(args.passes + 1):
                    start = time.perf_counter()
                    logits = network(image.to(dtype)).float()
                    seconds.append(time.perf_counter() - start)
                exact = logits if exact is None else exact
                name = str(dtype).removeprefix("torch.")
                error = float((logits - exact).abs().max())
                print(
                    f"{name:<10}{layout:<15}{np.median(seconds[1:]):>6.3f} s   error {error:.1e}",
                    flush=True,
                )
        dtype = choose_dtype(CPU, "auto")
        fastest = memory_format(CPU, exact=False)
        print_profile(network_as(bundle, dtype, fastest), image.to(dtype), args.passes)
    return 0


def network_as(bundle: Bundle, dtype: torch.dtype, order: torch.memory_format) -> UNet:
    return bundle.build_networks()[0].to(dtype).to(memory_format=order)  # type: ignore[call-overload]


def print_profile(network: UNet, image: Tensor, passes: int) -> None:
    """The operators that take a hundredth of the time or more."""
    network(image)
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        for _ in range(passes):
            network(image)
    events = sorted(profiler.key_averages(), key=lambda event: -event.self_cpu_time_total)
    total = sum(event.self_cpu_time_total for event in events)
    for event in events:
        if event.self_cpu_time_total >= 0.01 * total:
            print(f"{event.key.removeprefix('aten::'):<25}{event.self_cpu_time_total / total:>6.1%}")


if __name__ == "__main__":
    sys.exit(main())
