"""The stream of batches, and which samples are in it."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from model.network.plan import Triple
from training.data.cache import CachedCase
from training.data.geometry import Motion, draw_motion, move, source_box
from training.data.intensities import change_intensities
from training.data.patches import cut, place_patch
from training.run.plan import TrainPlan
from training.run.processes import Processes
from training.run.transfer import Prepared, Transfer

# Batches under preparation.
AHEAD = 3

# Of a sample: its iteration and its number in the whole batch, over all processes.
Sample = tuple[int, int]


@dataclass(frozen=True)
class Source:
    """What a sample is made from: float16 image and uint8 label, its motion, the patch and its centre in their voxels.

    rng: of the sample, for what is still to be drawn.
    """

    image: np.ndarray
    label: np.ndarray
    motion: Motion
    centre: tuple[float, ...]
    patch_zyx: Triple
    rng: np.random.Generator


def batches(
    plan: TrainPlan, cases: list[CachedCase], team: Processes, iteration: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """This process's share of the batches, without end, some prepared ahead: images float32, labels int64.

    A sample depends on the seed, the iteration and its number in the whole batch alone: so a resumed run sees what an
    uninterrupted one sees, and several processes what one with the whole batch sees.
    """
    transfer = Transfer(team.device)

    def make(k: int) -> Prepared:
        size = plan.data_at(k).batch
        with torch.no_grad(), transfer.beside():
            samples = [
                sample_from(plan, source_of(plan, cases, (k, team.rank * size + number), transfer), transfer)
                for number in range(size)
            ]
            images, labels = zip(*samples, strict=True)
            return transfer.prepared(torch.stack(images), torch.stack(labels).long())

    threads = AHEAD if team.device.type == "cuda" else 1
    with ThreadPoolExecutor(threads, initializer=transfer.begin_thread) as pool:
        ahead: deque[Future[Prepared]] = deque()
        while True:
            while len(ahead) < AHEAD:
                ahead.append(pool.submit(make, iteration + len(ahead)))
            iteration += 1
            yield transfer.take(ahead.popleft().result())


def names_in_batch(plan: TrainPlan, cases: list[CachedCase], team: Processes, iteration: int) -> list[str]:
    """Names of the cases in this process's share of an iteration's batch."""
    size = plan.data_at(iteration).batch
    samples = [(iteration, team.rank * size + k) for k in range(size)]
    indices = [int(_random_numbers(plan, sample).integers(len(cases))) for sample in samples]
    return [plan.names[k] if plan.names else f"case {k}" for k in indices]


def source_of(plan: TrainPlan, cases: list[CachedCase], sample: Sample, transfer: Transfer) -> Source:
    """A sample's part of its case, cut on the host."""
    rng, patch = _random_numbers(plan, sample), plan.data_at(sample[0]).patch_zyx
    case = cases[rng.integers(len(cases))]
    start = place_patch(case, patch, plan.sampling, _lot(plan, sample), rng)
    motion = draw_motion(plan.augmentation, plan.data.patch_zyx, plan.data.spacing_zyx, rng)
    z, y, x = case.label.shape
    low, high = source_box(motion, start, patch, (z, y, x))
    image, label = cut(case, low, high, transfer.empty)
    centre = tuple(s + (p - 1) / 2 - first for s, p, first in zip(start, patch, low, strict=True))
    return Source(image, label, motion, centre, patch, rng)


def sample_from(plan: TrainPlan, source: Source, transfer: Transfer) -> tuple[Tensor, Tensor]:
    """The sample on the training device: float32 image, uint8 label."""
    image, label = transfer.to_device(source.image), transfer.to_device(source.label)
    image, label = move(image.float(), label, source.motion, source.centre, source.patch_zyx)
    return change_intensities(image, plan.data.normalisation, plan.augmentation, source.rng), label


def _random_numbers(plan: TrainPlan, sample: Sample) -> np.random.Generator:
    return np.random.default_rng((plan.seed, 0, *sample))


def _lot(plan: TrainPlan, sample: Sample) -> float:
    """From 0 to 1, evenly spread over each batch, so that kinds of patches have their shares in every one.

    One random number for the iteration; to it come 0, 1/2, 1/4, 3/4, 1/8, … for the samples.
    """
    iteration, number = sample
    step, offset = 0.5, 0.0
    while number:
        number, bit = divmod(number, 2)
        offset += bit * step
        step /= 2
    return float((np.random.default_rng((plan.seed, 2, iteration)).random() + offset) % 1)
