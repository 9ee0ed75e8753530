"""Does preparing patches hold training up? python -m bench.loader [--config training/phantoms.json] [--iterations 40].

Patches per second of training on freshly drawn and augmented batches, and on one batch over and over, in turns on the
same network: the first should be within 10 % of the second.
"""

import argparse
import sys
from pathlib import Path

from model.options import Parser, add_device, whole

EXAMPLES = ("python -m bench.loader --iterations 40",)
EXITS = "0 done, 1 batches hold training up, 2 bad options"


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = Parser(prog="python -m bench.loader", description=__doc__, examples=EXAMPLES, exits=EXITS)
    add = parser.add_argument
    add("--config", type=Path, default=Path("training/phantoms.json"), help="a whole plan")
    add("--iterations", type=whole(4, 1_000_000), default=40, help="of both, in turns")
    add_device(parser)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    parse_arguments(None)  # --help, and what makes no sense, before what takes seconds to load

import tempfile
import time
from collections.abc import Iterator
from itertools import repeat

import numpy as np
import torch
from torch import Tensor

from model.network.placement import choose_device
from phantom import make_phantom
from phantom.write import write_folder
from training.data.cache import cache_case, load_case
from training.data.planning import read_plan
from training.data.sources import find_training_cases, read_training_case
from training.run.batches import batches
from training.run.plan import TrainPlan
from training.run.processes import Processes
from training.run.state import fresh_state
from training.run.step import step

CASES, TURNS = 4, 4
FLOOR = 0.9


def main(arguments: list[str] | None = None) -> int:
    args = parse_arguments(arguments)
    device = choose_device(args.device)
    plan = TrainPlan(read_plan(args.config), args.iterations)
    team = Processes(0, 1, device)
    with tempfile.TemporaryDirectory() as name:
        for k in range(CASES):
            write_folder(make_phantom(5, k, "small"), Path(name) / "raw" / f"case{k}")
        cases = []
        for case in find_training_cases(Path(name) / "raw"):
            pair, label = read_training_case(case)
            cache_case(Path(name) / case.name, pair, label, plan.data.spacing_zyx, plan.data.normalisation)
            cases.append(load_case(Path(name) / case.name))
        state = fresh_state(plan, device)
        fresh = batches(plan, cases, team, 0)
        one = repeat(next(fresh))
        rates: dict[str, list[float]] = {"fresh": [], "one": []}

        def rate(stream: Iterator[tuple[Tensor, Tensor]]) -> float:
            start = time.perf_counter()
            for _ in range(args.iterations // TURNS):
                step(plan, state, state.network, next(stream), 0.5)
            if device.type == "cuda":
                torch.cuda.synchronize()
            return args.iterations // TURNS * plan.data.batch / (time.perf_counter() - start)

        rate(one)  # warm-up
        for _ in range(TURNS):
            rates["one"].append(rate(one))
            rates["fresh"].append(rate(fresh))
    rates_of = {name: float(np.median(values)) for name, values in rates.items()}
    share = float(np.median(np.divide(rates["fresh"], rates["one"])))
    print(
        f"patches/s: fresh batches {rates_of['fresh']:.2f}, one cached batch {rates_of['one']:.2f}, share {share:.2f}"
    )
    return 0 if share >= FLOOR else 1


if __name__ == "__main__":
    sys.exit(main())
