"""Whether anything became slower, larger or less exact: make bench, or python -m bench.guard [NAME ...].

Only ratios of what is measured side by side in this run, so that the machine hardly matters; each is compared with
bench/guard.json, where it may be worse by its margin. --write puts this run's ratios there. Exit code 1 where one is
beyond its margin. A few minutes; on a machine that does nothing else.
"""

import argparse
import sys

from model.options import Parser

EXAMPLES = ("python -m bench.guard", "python -m bench.guard --write")
EXITS = "0 all within their margins, 1 one is not, 2 bad options"


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = Parser(prog="python -m bench.guard", description=__doc__, examples=EXAMPLES, exits=EXITS)
    add = parser.add_argument
    add("names", nargs="*", metavar="NAME", help="these ratios alone")
    add("--write", action="store_true", help="take this run's as those to compare with")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    parse_arguments(None)  # --help, and what makes no sense, before what takes seconds to load

import json
import multiprocessing
import resource
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

import torch
from torch import nn

from bench import evaluator
from bench.runs import ROOT
from bench.search import pair_of, timed
from evaluation.metrics import dsc
from model.inference.shortcuts import DEFAULT, EXHAUSTIVE
from model.network.bundle import load_bundle
from model.network.memory import kept_memory, peak_bytes
from model.network.plan import NetworkPlan
from model.structures import LABELS
from phantom import make_phantom

TABLE = ROOT / "bench" / "guard.json"
WEIGHTS = ROOT / "weights" / "gtv.pt"
# How much worse a ratio may be, as a part of it: of times, of what is counted.
OF_TIMES, OF_COUNTS = 0.15, 0.03
REPEATS = 5
LOAD = "from model.network.memory import import_torch; import_torch(); import model.inference.predictor"


def main(arguments: list[str] | None = None) -> int:
    args = parse_arguments(arguments)
    known: dict[str, float] = json.loads(TABLE.read_text()) if TABLE.exists() else {}
    worse = []
    print(f"{'ratio, the larger the better':<60}{'now':>8}{'before':>8}")
    for name, (measure, margin) in RATIOS.items():
        if args.names and name not in args.names:
            continue
        ratio, before = measure(), known.get(name)
        verdict = "" if before is None else "" if holds(ratio, before, margin) else "  worse"
        worse += [name] if verdict else []
        print(f"{name:<60}{ratio:>8.3f}{'' if before is None else f'{before:8.3f}'}{verdict}", flush=True)
        if args.write:
            known[name] = round(ratio, 3)
    if args.write:
        TABLE.write_text(json.dumps(known, indent=2, ensure_ascii=False) + "\n")
    return 1 if worse and not args.write else 0


def holds(ratio: float, before: float, margin: float) -> bool:
    """Whether a ratio is as good as before, or worse within its margin."""
    return ratio >= before * (1 - margin)


def pass_time() -> float:
    """nnU-Net's network beside ours, the same plan, float32: seconds of a pass."""
    from dynamic_network_architectures.architectures.unet import PlainConvUNet

    bundle = load_bundle(WEIGHTS)
    (ours,), theirs = bundle.build_networks(), reference_network(PlainConvUNet, bundle.network)
    ours.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    image = torch.randn(1, 2, *bundle.patch_zyx)
    with torch.no_grad():
        with kept_memory():
            quick = seconds(lambda: ours(image))
        return seconds(lambda: theirs(image)) / quick


def reference_network(of: Callable[..., nn.Module], plan: NetworkPlan) -> nn.Module:
    sizes = (plan.in_channels, len(plan.features), plan.features, nn.Conv3d, plan.kernels, plan.strides)
    options = {"conv_bias": True, "norm_op": nn.InstanceNorm3d, "norm_op_kwargs": {"affine": True}}
    options |= {"nonlin": nn.LeakyReLU, "nonlin_kwargs": {"inplace": True}}
    counts = (plan.encoder_convs, plan.num_classes, plan.decoder_convs)
    return of(*sizes, *counts, **options).eval()


def pass_memory() -> float:
    """The skips of a large patch beside what a pass adds to the peak, float32."""
    bundle = load_bundle(WEIGHTS)
    bundle = replace(bundle, patch_zyx=(32, 256, 256))
    network = bundle.build_networks()[0].to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    image = torch.randn(1, 2, *bundle.patch_zyx)
    voxels, skips = image[0, 0].numel(), 0.0
    for features, stride in zip(bundle.network.features, bundle.network.strides, strict=True):
        voxels //= stride[0] * stride[1] * stride[2]
        skips += 4 * features * voxels
    before = peak_bytes()
    with torch.no_grad(), kept_memory():
        network(image)
    return skips / (peak_bytes() - before)


def start_time() -> float:
    """torch's whole import beside all that a start imports: processor time."""
    return processor_seconds("import torch") / processor_seconds(LOAD)


def spared_passes() -> float:
    return searched()[0]


def agreement() -> float:
    return searched()[1]


@lru_cache
def searched() -> tuple[float, float]:
    """One small phantom by default and exhaustively: passes, and the smaller DSC between both."""
    bundle, pair = load_bundle(WEIGHTS), pair_of(make_phantom(3, 0, "small"))
    (whole, all_passes, _), (labels, passes, _) = (timed(bundle, pair, way) for way in (EXHAUSTIVE, DEFAULT))
    return all_passes / passes, min(dsc(labels == label, whole == label) for label in LABELS.values())


def scoring_time() -> float:
    """surface-distance beside the evaluator."""
    made = [evaluator.masks(evaluator.PUBLISHED_ZYX, seed) for seed in (0, 1)]
    theirs = seconds(lambda: evaluator.reference_package(made[1], made[0]))
    return theirs / seconds(lambda: evaluator.all_measures(made[1], made[0]))


def seconds(run: Callable[[], object]) -> float:
    """Of the quickest of a few."""
    taken = []
    for _ in range(REPEATS + 1):
        start = time.perf_counter()
        run()
        taken.append(time.perf_counter() - start)
    return min(taken[1:])


def processor_seconds(code: str) -> float:
    """Of a Python that runs the code, the quickest of a few."""
    taken = []
    for _ in range(REPEATS):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        taken.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(taken)


def apart(function: Callable[[], float]) -> Callable[[], float]:
    """In a new process, whose memory is its own."""

    def run() -> float:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            return pool.apply(function)

    return run


RATIOS: dict[str, tuple[Callable[[], float], float]] = {
    "seconds of a pass, nnU-Net's network / ours": (pass_time, OF_TIMES),
    "bytes of a pass, its skips / its peak": (apart(pass_memory), OF_COUNTS),
    "processor time of a start, torch alone / all": (start_time, OF_TIMES),
    "passes of a case, exhaustive / default": (spared_passes, OF_COUNTS),
    "DSC between exhaustive and default": (agreement, 0.002),
    "seconds of scoring, surface-distance / ours": (scoring_time, OF_TIMES),
}


if __name__ == "__main__":
    sys.exit(main())
