"""The training loop: time-budgeted, checkpointed, resumable."""

import csv
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from model.predict import choose_dtype
from model.unet import NetworkPlan, Triple, UNet
from training.augment import augment
from training.dataset import CachedCase, draw_patch
from training.loss import LossPlan, deep_supervision_loss

CHECKPOINT_SECONDS = 180.0
LOG_EVERY = 20
WARM_UP = 50  # iterations
CLIP_NORM = 12.0


@dataclass(frozen=True)
class TrainPlan:
    """What one run does. minutes counts training time over all resumed parts."""

    network: NetworkPlan
    patch_zyx: Triple
    minutes: float
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    batch: int = 1
    seed: int = 0
    loss: LossPlan = LossPlan()


@dataclass
class State:
    """Where a run is: the one mutable thing, saved whole in a checkpoint."""

    network: UNet
    optimiser: torch.optim.Optimizer
    iteration: int = 0
    seconds: float = 0.0


def train(plan: TrainPlan, cases: list[CachedCase], folder: Path, device: torch.device, resume: bool) -> UNet:
    """Train until the minutes are used up; checkpoint.pt and losses.csv lie in the folder.

    The learning rate falls polynomially (power 0.9) with the share of the minutes used. SIGTERM and Ctrl-C leave a
    checkpoint. Raises FloatingPointError on a loss that is no number: the last checkpoint is then still good.
    """
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint = folder / "checkpoint.pt"
    state = _fresh_state(plan, device)
    if resume and checkpoint.exists():
        _load(state, checkpoint, device)
    stop = _stop_on_sigterm()
    patches = _patches(plan, cases, state.iteration)
    dtype = choose_dtype(device, "auto")
    scaler = torch.amp.GradScaler(device.type, enabled=dtype == torch.float16)
    saved, recent = state.seconds, []
    with tqdm(total=round(plan.minutes * 60), initial=round(state.seconds), unit="s") as bar:
        while state.seconds < plan.minutes * 60 and not stop:
            started = time.perf_counter()
            image, target = next(patches)
            for group in state.optimiser.param_groups:
                group["lr"] = _learning_rate(plan, state)
            with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
                outputs = state.network(image.to(device))
            loss = deep_supervision_loss(outputs, target.to(device), plan.loss)
            if not torch.isfinite(loss):
                raise FloatingPointError(
                    f"loss is {loss.item()} at iteration {state.iteration}; resume from {checkpoint}"
                )
            state.optimiser.zero_grad()
            scaler.scale(loss).backward()
            scaler.unscale_(state.optimiser)
            torch.nn.utils.clip_grad_norm_(state.network.parameters(), CLIP_NORM)
            scaler.step(state.optimiser)
            scaler.update()
            state.iteration += 1
            recent.append(loss.item())
            elapsed = time.perf_counter() - started
            state.seconds += elapsed
            bar.update(round(state.seconds) - bar.n)
            if state.iteration % LOG_EVERY == 0:
                _log(folder / "losses.csv", state, float(np.mean(recent)), bar)
                recent.clear()
            if state.seconds - saved > CHECKPOINT_SECONDS:
                _save(state, checkpoint)
                saved = state.seconds
    _save(state, checkpoint)
    return state.network


def _fresh_state(plan: TrainPlan, device: torch.device) -> State:
    torch.manual_seed(plan.seed)
    network = UNet(plan.network).to(device).train()
    for module in network.modules():
        if isinstance(module, (torch.nn.Conv3d, torch.nn.ConvTranspose3d)):
            torch.nn.init.kaiming_normal_(module.weight, a=0.01)
            torch.nn.init.zeros_(module.bias)  # type: ignore[arg-type]
    optimiser = torch.optim.AdamW(network.parameters(), plan.learning_rate, weight_decay=plan.weight_decay)
    return State(network, optimiser)


def _learning_rate(plan: TrainPlan, state: State) -> float:
    left = max(0.0, 1 - state.seconds / (plan.minutes * 60))
    return plan.learning_rate * left**0.9 * min(1.0, (state.iteration + 1) / WARM_UP)


def _patches(plan: TrainPlan, cases: list[CachedCase], iteration: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches without end, one prepared ahead; iteration k's batch depends on the seed and k alone."""

    def make(k: int) -> tuple[Tensor, Tensor]:
        rng = np.random.default_rng((plan.seed, k))
        drawn = [
            augment(*draw_patch(cases[rng.integers(len(cases))], plan.patch_zyx, rng), rng)
            for _ in range(plan.batch)
        ]
        images, labels = zip(*drawn, strict=True)
        return torch.from_numpy(np.stack(images)), torch.from_numpy(np.stack(labels))

    with ThreadPoolExecutor(1) as pool:
        ahead = pool.submit(make, iteration)
        while True:
            iteration += 1
            ready, ahead = ahead, pool.submit(make, iteration)
            yield ready.result()


def _save(state: State, path: Path) -> None:
    content = {
        "network": state.network.state_dict(),
        "optimiser": state.optimiser.state_dict(),
        "iteration": state.iteration,
        "seconds": state.seconds,
    }
    temporary = path.with_suffix(".tmp")
    torch.save(content, temporary)
    temporary.replace(path)


def _load(state: State, path: Path, device: torch.device) -> None:
    content = torch.load(path, map_location=device, weights_only=True)
    state.network.load_state_dict(content["network"])
    state.optimiser.load_state_dict(content["optimiser"])
    state.iteration, state.seconds = content["iteration"], content["seconds"]


def _log(path: Path, state: State, loss: float, bar: tqdm) -> None:
    fresh = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.writer(file)
        if fresh:
            writer.writerow(["iteration", "seconds", "loss"])
        writer.writerow([state.iteration, round(state.seconds, 1), round(loss, 5)])
    bar.set_postfix(iteration=state.iteration, loss=f"{loss:.3f}")


def _stop_on_sigterm() -> list[bool]:
    """A list that is no longer empty once the process is asked to end."""
    asked: list[bool] = []

    def ask(signum: int, frame: FrameType | None) -> None:
        asked.append(True)

    signal.signal(signal.SIGTERM, ask)
    signal.signal(signal.SIGINT, ask)
    return asked
