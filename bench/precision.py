"""One pass of a network in each number format and memory order: python -m bench.precision [--device cuda].

Seconds are the median, with freed memory kept as in process.py; error is the largest difference of the logits to
float32 as `--precision fp32` has it. The input is noise, which takes as long as a CT. Last comes the share of each
operator in a pass as process.py runs it by itself. On a GPU each is also timed as a CUDA graph, which spares the host's
time between kernels.
"""

import argparse
import sys
from pathlib import Path

from model.installed import BUNDLED
from model.options import Parser, add_device, whole

EXAMPLES = ("python -m bench.precision --passes 8",)
EXITS = "0 done, 2 bad options"


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = Parser(prog="python -m bench.precision", description=__doc__, examples=EXAMPLES, exits=EXITS)
    add = parser.add_argument
    add("--passes", type=whole(1, 100_000), default=8, help="of each format and order")
    add_device(parser)
    add("--weights", type=Path, default=BUNDLED, help="weights file")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    parse_arguments(None)  # --help, and what makes no sense, before what takes seconds to load

import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from model.network.bundle import Bundle, load_bundle
from model.network.memory import kept_memory
from model.network.placement import choose_device, choose_dtype, memory_format
from model.network.unet import UNet

ORDERS = {"contiguous": torch.contiguous_format, "channels last": torch.channels_last_3d}
# The profiler's words.
DEVICES = {"cpu": "cpu", "cuda": "device"}
Run = Callable[[], Tensor]


def main(arguments: list[str] | None = None) -> int:
    args = parse_arguments(arguments)
    bundle = load_bundle(args.weights)
    image = torch.randn(1, bundle.network.in_channels, *bundle.patch_zyx, generator=torch.manual_seed(0))
    device, exact = choose_device(args.device), None
    print(f"patch {bundle.patch_zyx}, {device}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark = False, True
    with torch.no_grad(), kept_memory():
        for dtype in (torch.float32, torch.float16 if device.type == "cuda" else torch.bfloat16):
            for layout, order in ORDERS.items():
                network, given = network_as(bundle, dtype, order).to(device), image.to(device, dtype)
                ways: dict[str, Run] = {"": partial(network, given)}
                if device.type == "cuda":
                    ways[" graph"] = graph_of(network, given)
                for way, run in ways.items():
                    seconds, logits = timed(run, args.passes, device)
                    exact = logits if exact is None else exact
                    name = str(dtype).removeprefix("torch.")
                    error = float((logits - exact).abs().max())
                    print(f"{name:<10}{layout + way:<22}{seconds:>6.3f} s   error {error:.1e}", flush=True)
        dtype = choose_dtype(device, "auto")
        fastest = memory_format(device, exact=False)
        print_profile(network_as(bundle, dtype, fastest).to(device), image.to(device, dtype), args.passes)
    return 0


def timed(run: Run, passes: int, device: torch.device) -> tuple[float, Tensor]:
    """Median seconds, without those of the first pass, and the logits in float32 on the CPU."""
    seconds = []
    for _ in range(passes + 1):
        start = time.perf_counter()
        logits = run()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds[1:])), logits.float().cpu()


def graph_of(network: UNet, image: Tensor) -> Run:
    """The network's kernels on that image, recorded once."""
    side = torch.cuda.Stream()
    with torch.cuda.stream(side):  # cuDNN must have chosen its ways before
        for _ in range(3):
            network(image)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        logits = network(image)

    def replay() -> Tensor:
        graph.replay()
        return logits

    return replay


def network_as(bundle: Bundle, dtype: torch.dtype, order: torch.memory_format) -> UNet:
    return bundle.build_networks()[0].to(dtype).to(memory_format=order)  # type: ignore[call-overload]


def print_profile(network: UNet, image: Tensor, passes: int) -> None:
    """The operators that take a hundredth of the time or more."""
    network(image)
    device = image.device.type
    with profile(activities=[getattr(ProfilerActivity, device.upper())]) as profiler:
        for _ in range(passes):
            network(image)
    times = {e.key: getattr(e, f"self_{DEVICES[device]}_time_total") for e in profiler.key_averages()}
    for key, taken in sorted(times.items(), key=lambda item: -item[1]):
        if taken >= 0.01 * sum(times.values()):
            print(f"{key.removeprefix('aten::')[:60]:<62}{taken / sum(times.values()):>6.1%}")


if __name__ == "__main__":
    sys.exit(main())
