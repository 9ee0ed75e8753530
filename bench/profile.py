"""Where the time and the memory go: python -m bench.profile [--case small] [--device cuda] [--picture FILE.png].

First the steps of one case, then the operators of one pass of the network, each beside what this machine can do at
most, which is measured in the same run: multiplications of large matrices in the pass's number format, and copies of
memory. An operator's share of its limit is the time that it would take at the limit, of arithmetic or of memory
whichever is longer, divided by the time that it took. Bytes are those of its inputs and its result, each once; more
than 100 % are possible where these lie in the processor's caches.
"""

import argparse
import sys
from pathlib import Path

from bench.nnunet.case import add_options
from model.installed import BUNDLED
from model.options import Parser, add_device

EXAMPLES = ("python -m bench.profile --case small --picture profile.png",)
EXITS = "0 done, 2 bad options"


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = Parser(prog="python -m bench.profile", description=__doc__, examples=EXAMPLES, exits=EXITS)
    add = parser.add_argument
    add_options(parser, "small")
    add("--weights", type=Path, default=BUNDLED, help="weights file")
    add_device(parser)
    add("--precision", choices=("auto", "fp32"), default="auto", help="as of process.py")
    add("--picture", type=Path, metavar="F.png", help="also as a picture")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    parse_arguments(None)  # --help, and what makes no sense, before what takes seconds to load

import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from bench.nnunet.case import read_case, write_case
from model.images.write import write_label_map
from model.inference.predictor import Predictor
from model.network.bundle import load_bundle
from model.network.memory import kept_memory

MATRIX, COPIED_BYTES, REPEATS = 4096, 2**28, 5
STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass
class Cost:
    """Of one kind of operator, or one step. peak_bytes: of the process, or of the GPU."""

    seconds: float = 0.0
    flop: float = 0.0
    moved_bytes: float = 0.0
    peak_bytes: float = 0.0
    count: int = 0


@dataclass(frozen=True)
class Limits:
    """Of this machine: arithmetic and memory, per second."""

    flop: float
    moved_bytes: float

    def share(self, cost: Cost) -> float:
        """Of the time that was taken, that which the limits ask for."""
        return max(cost.flop / self.flop, cost.moved_bytes / self.moved_bytes) / cost.seconds


class Operators(TorchDispatchMode):
    """Counts what torch does within it, by kind; on a GPU the host waits for each."""

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self.device = device
        self.costs: dict[str, Cost] = defaultdict(Cost)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        start = time.perf_counter()
        result = func(*args, **(kwargs or {}))
        wait(self.device)
        seconds = time.perf_counter() - start
        name = func.overloadpacket.__name__
        tensors = [leaf for leaf in tree_leaves((args, kwargs, result)) if isinstance(leaf, Tensor)]
        cost = self.costs[kind_of(name, args)]
        cost.seconds += seconds
        cost.count += 1
        if not func.is_view:
            cost.moved_bytes += sum(tensor.nbytes for tensor in tensors)
            cost.flop += flop_of(name, args, result)
        return result


def kind_of(name: str, args: Any) -> str:
    """An operator as the table calls it."""
    if "convolution" in name:
        transposed = name == "convolution" and args[6]
        return f"{'transposed ' * transposed}convolution {' x '.join(map(str, args[1].shape[2:]))}"
    return name.removeprefix("native_").rstrip("_").replace("_", " ")


def flop_of(name: str, args: Any, result: Any) -> float:
    """Multiplications and additions of a convolution; none are counted of others."""
    if "convolution" not in name:
        return 0.0
    weight = args[1]
    moving = args[0] if name == "convolution" and args[6] else result
    return 2.0 * moving.numel() * prod(weight.shape[1:])


def main(arguments: list[str] | None = None) -> int:
    args = parse_arguments(arguments)
    predictor = Predictor(load_bundle(args.weights), args.device, args.precision, log=lambda line: None)
    device = predictor.device
    network = predictor.networks_on(device)[0]
    dtype = next(network.parameters()).dtype
    limits = measured_limits(device, dtype)
    print(
        f"{device}, {dtype}, {torch.get_num_threads()} threads, torch {torch.__version__}: at most"
        f" {limits.flop / 1e9:.0f} GFLOP/s, {limits.moved_bytes / 1e9:.1f} GB/s"
    )
    steps = steps_of(predictor, args)
    image = torch.randn(1, predictor.bundle.network.in_channels, *predictor.bundle.patch_zyx).to(
        device, dtype
    )
    with torch.no_grad(), kept_memory():
        network(image)
        with Operators(device) as operators:
            network(image)
    print(table(steps, None), end="\n\n")
    print(table(operators.costs, limits))
    if args.picture:
        draw(steps, operators.costs, limits, args.picture)
        print(f"picture: {args.picture}")
    return 0


def steps_of(predictor: Predictor, args: argparse.Namespace) -> dict[str, Cost]:
    """One case from its files to the mask's, as process.py does it."""
    steps: dict[str, Cost] = {}

    @contextmanager
    def step(name: str) -> Iterator[None]:
        begin_peak()
        start = time.perf_counter()
        yield
        wait(predictor.device)
        steps[name] = Cost(time.perf_counter() - start, peak_bytes=peak(), count=1)

    with tempfile.TemporaryDirectory() as name:
        write_case(Path(name) / "case", args)
        with step("read"):
            pair = read_case(Path(name) / "case")
        with step("crop, resample, normalise"):
            prepared = predictor.prepare(pair)
        assert prepared is not None
        with step("network"):
            prediction = predictor.predict(prepared)
        steps["network"].count = prediction.passes
        with step("restore"):
            labels = predictor.restore(prepared, prediction.logits)
        with step("write"):
            write_label_map(Path(name) / "mask.nii.gz", labels, pair.grid)
    return steps


def measured_limits(device: torch.device, dtype: torch.dtype) -> Limits:
    matrix = torch.randn(MATRIX if device.type == "cuda" else MATRIX // 2, device=device).to(dtype)
    matrix = matrix.expand(len(matrix), -1).contiguous()
    source = torch.ones(COPIED_BYTES // 4, device=device)
    target = torch.empty_like(source)
    return Limits(
        2.0 * len(matrix) ** 3 / quickest(lambda: matrix @ matrix, device),
        2.0 * source.nbytes / quickest(lambda: target.copy_(source), device),
    )


def quickest(run: Callable[[], object], device: torch.device) -> float:
    seconds = []
    for _ in range(REPEATS + 1):
        start = time.perf_counter()
        run()
        wait(device)
        seconds.append(time.perf_counter() - start)
    return min(seconds[1:])


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def begin_peak() -> None:
    """Count peaks anew, of the GPU and, on Linux, of the process."""
    if torch.cuda.is_initialized():
        torch.cuda.reset_peak_memory_stats()
    if RESET.exists():
        RESET.write_text("5")


def peak() -> float:
    """Since then, in bytes: of the GPU where one is used, else of the process; 0 where the system does not tell."""
    if torch.cuda.is_initialized():
        return float(torch.cuda.max_memory_allocated())
    lines = STATUS.read_text().splitlines() if STATUS.exists() else []
    return float(sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")))


def table(costs: dict[str, Cost], limits: Limits | None) -> str:
    """The most seconds first; of operators also arithmetic, bytes and the share of the limit."""
    total = sum(cost.seconds for cost in costs.values())
    head = f"{'':<30}{'count':>7}{'ms':>10}{'share':>8}"
    lines = [head + (f"{'GFLOP':>9}{'GB moved':>10}{'of limit':>10}" if limits else f"{'peak GB':>9}")]
    for name, cost in sorted(costs.items(), key=lambda item: -item[1].seconds):
        line = f"{name:<30}{cost.count:>7}{1e3 * cost.seconds:>10.1f}{cost.seconds / total:>8.1%}"
        if limits:
            line += f"{cost.flop / 1e9:>9.1f}{cost.moved_bytes / 1e9:>10.2f}{limits.share(cost):>10.0%}"
        else:
            line += f"{cost.peak_bytes / 1e9:>9.2f}"
        lines.append(line)
    return "\n".join([*lines, f"{'sum':<30}{'':>7}{1e3 * total:>10.1f}"])


def draw(steps: dict[str, Cost], operators: dict[str, Cost], limits: Limits, path: Path) -> None:
    """Seconds as bars, and the roofline: what is reached at how many operations for a byte, below what can be."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 4), layout="constrained")
    bars = figure.subplots(1, 3)
    for axes, costs, title in ((bars[0], steps, "one case"), (bars[1], operators, "one pass")):
        names = sorted(costs, key=lambda name: costs[name].seconds)[-10:]
        axes.barh(names, [costs[name].seconds for name in names])
        axes.set(title=title, xlabel="seconds")
    counted = {name: cost for name, cost in operators.items() if cost.flop and cost.moved_bytes}
    intensity = np.geomspace(0.5, 2000, 50)
    bars[2].loglog(intensity, np.minimum(limits.flop, limits.moved_bytes * intensity) / 1e9, color="grey")
    for name, cost in counted.items():
        bars[2].loglog(cost.flop / cost.moved_bytes, cost.flop / cost.seconds / 1e9, "o", label=name)
    bars[2].set(title="roofline", xlabel="FLOP for a byte", ylabel="GFLOP/s")
    bars[2].legend(fontsize=7)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    sys.exit(main())
