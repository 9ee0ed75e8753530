"""Where an iteration's time goes: python -m bench.iteration [--config training/phantoms.json] [--iterations 12].

Each part by itself, one after the other, on phantoms: cutting a batch's patches on the host, moving them (to the device
and geometrically), intensities, forward, loss, backward, optimiser. In a training the first three run beside the
others, in threads; on a GPU, where the host is made to wait after each part here, on a stream of their own.
"""

import argparse
import sys
from pathlib import Path

from model.options import Parser, add_device, whole

EXAMPLES = ("python -m bench.iteration --config training/phantoms.json",)
EXITS = "0 done, 2 bad options"


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = Parser(prog="python -m bench.iteration", description=__doc__, examples=EXAMPLES, exits=EXITS)
    add = parser.add_argument
    add("--config", type=Path, default=Path("training/phantoms.json"), help="a whole plan")
    add("--recipe", type=Path, metavar="FILE", help="augmentation, sampling and loss, as train.py takes it")
    add("--iterations", type=whole(1, 1_000_000), default=12, help="that count")
    add_device(parser)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    parse_arguments(None)  # --help, and what makes no sense, before what takes seconds to load

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from model.network.memory import kept_memory
from model.network.placement import choose_device, memory_format
from phantom import make_phantom
from phantom.write import write_folder
from training.data.cache import CachedCase, cache_case, load_case
from training.data.geometry import move
from training.data.intensities import change_intensities
from training.data.planning import read_plan
from training.data.plans import DataPlan
from training.data.sources import find_training_cases, read_training_case
from training.run.batches import Sample, source_of
from training.run.loss import deep_supervision_loss
from training.run.plan import TrainPlan
from training.run.recipe import Recipe, read_recipe
from training.run.state import State, fresh_state
from training.run.step import gradient_norm
from training.run.transfer import Transfer

CASES, WARM_UP = 1, 2


class Parts:
    """Seconds of each part, one number per iteration."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.seconds: dict[str, list[float]] = {}

    def begin_iteration(self) -> None:
        for seconds in self.seconds.values():
            seconds.append(0.0)

    @contextmanager
    def time(self, part: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        self.seconds.setdefault(part, [0.0])[-1] += time.perf_counter() - start

    def table(self) -> str:
        """Means and shares of their sum, without the first iterations; many patches are not moved, some take long."""
        means = {part: float(np.mean(seconds[WARM_UP:])) for part, seconds in self.seconds.items()}
        longest = {part: max(seconds[WARM_UP:]) for part, seconds in self.seconds.items()}
        total = sum(means.values())
        lines = [f"{'part':14}{'mean ms':>10}{'longest ms':>12}{'share':>8}"]
        lines += [
            f"{part:14}{1e3 * s:10.1f}{1e3 * longest[part]:12.1f}{s / total:8.1%}"
            for part, s in means.items()
        ]
        return "\n".join([*lines, f"{'sum':14}{1e3 * total:10.1f}"])


def main(arguments: list[str] | None = None) -> int:
    args = parse_arguments(arguments)
    device = choose_device(args.device)
    recipe = read_recipe(args.recipe) if args.recipe else Recipe()
    data = read_plan(args.config)
    plan = TrainPlan(
        data, args.iterations, loss=recipe.loss, augmentation=recipe.augmentation, sampling=recipe.sampling
    )
    with tempfile.TemporaryDirectory() as name, kept_memory():
        cases = phantoms(Path(name), data)
        state, parts, transfer = fresh_state(plan, device), Parts(device), Transfer(device)
        state.network.to(memory_format=memory_format(device, exact=False))  # type: ignore[call-overload]
        for iteration in range(WARM_UP + args.iterations):
            parts.begin_iteration()
            samples = [
                prepared(plan, cases, (iteration, number), transfer, parts) for number in range(data.batch)
            ]
            images, labels = zip(*samples, strict=True)
            trained(plan, state, (torch.stack(images), torch.stack(labels).long()), parts)
    print(f"{device}, {state.dtype}, {torch.get_num_threads()} threads, {args.iterations} iterations")
    print(parts.table())
    return 0


def phantoms(folder: Path, plan: DataPlan) -> list[CachedCase]:
    """Small ones, brought to the plan's grid."""
    for k in range(CASES):
        write_folder(make_phantom(5, k, "small"), folder / "raw" / f"case{k}")
    cases = []
    for case in find_training_cases(folder / "raw"):
        pair, label = read_training_case(case)
        cache_case(folder / case.name, pair, label, plan.spacing_zyx, plan.normalisation)
        cases.append(load_case(folder / case.name))
    return cases


def prepared(
    plan: TrainPlan, cases: list[CachedCase], sample: Sample, transfer: Transfer, parts: Parts
) -> tuple[Tensor, Tensor]:
    """As batches.sample_from does it."""
    data = plan.data
    with parts.time("cut"):
        source = source_of(plan, cases, sample, transfer)
    with parts.time("move"):
        image, label = transfer.to_device(source.image), transfer.to_device(source.label)
        image, label = move(image.float(), label, source.motion, source.centre, source.patch_zyx)
    with parts.time("intensities"):
        image = change_intensities(image, data.normalisation, plan.augmentation, source.rng)
    return image, label


def trained(plan: TrainPlan, state: State, batch: tuple[Tensor, Tensor], parts: Parts) -> None:
    """As step does it."""
    images, targets = batch
    dtype = state.dtype
    with parts.time("forward"), torch.autocast(images.device.type, dtype, enabled=dtype != torch.float32):
        outputs = state.network(images)
    with parts.time("loss"):
        loss = deep_supervision_loss(outputs, targets, plan.loss)
    with parts.time("backward"):
        norm = gradient_norm(state, loss)
    with parts.time("optimiser"):
        float(norm)  # where the host waits
        state.optimiser.step()
        state.scaler.update()


if __name__ == "__main__":
    sys.exit(main())
