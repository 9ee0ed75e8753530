"""The stream of batches, and which samples are in it."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from training.data.augment import augment
from training.data.cache import CachedCase
from training.data.patches import draw_patch
from training.run.plan import TrainPlan
from training.run.processes import Processes

# Batches under preparation.
AHEAD = 3

# Of a sample: its iteration and its number in the whole batch, over all processes.
Sample = tuple[int, int]


def batches(
    plan: TrainPlan, cases: list[CachedCase], team: Processes, iteration: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """This process's share of the batches, without end, some prepared ahead.

    A sample depends on the seed, the iteration and its number in the whole batch alone: so a resumed run sees what an
    uninterrupted one sees, and several processes what one with the whole batch sees.
    """
    size = plan.data.batch

    def make(k: int) -> tuple[Tensor, Tensor]:
        samples = [
            _sample(plan, cases, (k, team.rank * size + number), team.device) for number in range(size)
        ]
        images, labels = zip(*samples, strict=True)
        return torch.cat(images), torch.cat(labels)

    with ThreadPoolExecutor(AHEAD if team.device.type == "cuda" else 1) as pool:
        ahead: deque[Future[tuple[Tensor, Tensor]]] = deque()
        while True:
            while len(ahead) < AHEAD:
                ahead.append(pool.submit(make, iteration + len(ahead)))
            iteration += 1
            yield ahead.popleft().result()


def names_in_batch(plan: TrainPlan, cases: list[CachedCase], team: Processes, iteration: int) -> list[str]:
    """Names of the cases in this process's share of an iteration's batch."""
    samples = [(iteration, team.rank * plan.data.batch + k) for k in range(plan.data.batch)]
    indices = [int(_random_numbers(plan, sample).integers(len(cases))) for sample in samples]
    return [plan.names[k] if plan.names else f"case {k}" for k in indices]


def _random_numbers(plan: TrainPlan, sample: Sample) -> np.random.Generator:
    return np.random.default_rng((plan.seed, 0, *sample))


def _sample(
    plan: TrainPlan, cases: list[CachedCase], sample: Sample, device: torch.device
) -> tuple[Tensor, Tensor]:
    rng = _random_numbers(plan, sample)
    image, label = draw_patch(cases[rng.integers(len(cases))], plan.data.patch_zyx, rng)
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    images, labels = torch.from_numpy(image)[None].to(device), torch.from_numpy(label)[None].to(device)
    data = plan.data
    return augment(images, labels, data.spacing_zyx, data.normalisation, plan.augmentation, generator)
