"""The training loop: by iterations or by minutes, checkpointed, resumable, on one process or several."""

import signal
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from tqdm import tqdm

from model.bundle import LABELS, Bundle
from model.memory import kept_memory
from model.placement import choose_dtype, memory_format
from model.unet import UNet
from training.augment import Augmentation, augment
from training.curves import write_curves, write_log
from training.dataset import CachedCase, draw_patch
from training.loss import LossPlan, deep_supervision_loss
from training.planning import DataPlan
from training.processes import Processes

CHECKPOINT_SECONDS = 180.0
LOG_EVERY = 25  # iterations
EPOCH = 250  # iterations, as in nnU-Net; the online validation comes after each
VALIDATION_PATCHES = 16
WARM_UP = 50  # iterations
CLIP_NORM = 12.0
POWER = 0.9
MOMENTUM = 0.99
AHEAD = 3  # batches under preparation


class TrainingError(Exception):
    """Training cannot go on. The message is one line: what happened and what to do."""


@dataclass(frozen=True)
class TrainPlan:
    """What one run does, for so many iterations or, where that is None, minutes (all resumed parts together)."""

    data: DataPlan
    iterations: int | None
    minutes: float | None = None
    optimiser: str = "sgd"
    learning_rate: float = 1e-2
    weight_decay: float = 3e-5
    seed: int = 0
    loss: LossPlan = LossPlan()
    augmentation: Augmentation = Augmentation()


@dataclass
class State:
    """Where a run is: the one mutable thing, saved whole in a checkpoint. history: one row per log line."""

    network: UNet
    optimiser: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    iteration: int = 0
    seconds: float = 0.0
    history: list[dict[str, float]] = field(default_factory=list)
    finished: bool = False  # by the clock of the slowest process; not saved


def train(
    plan: TrainPlan,
    cases: list[CachedCase],
    validation: list[CachedCase],
    folder: Path,
    team: Processes,
    resume: bool,
    start: Bundle | None = None,
) -> State:
    """Train to the end or to a signal; checkpoint.pt, log.csv and curves.png lie in the folder.

    start gives the first weights of a run that is not resumed. Raises TrainingError where they belong to another plan.

    The learning rate falls polynomially (power 0.9). SIGTERM and Ctrl-C leave a checkpoint and end the run early.
    With a number of iterations, a resumed run gives what an uninterrupted one gives. Raises TrainingError on a loss
    that is no number and when a checkpoint cannot be written: the last one is then still good.
    """
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint = folder / "checkpoint.pt"
    state = fresh_state(plan, team.device)
    if resume and checkpoint.exists():
        _load(state, checkpoint, team.device)
    elif start is not None:
        if start.network != plan.data.network:
            raise TrainingError("--start: its network is not the plan's; give its plan with --config")
        state.network.load_state_dict(start.states[0])
    network: nn.Module = state.network
    network.to(memory_format=memory_format(team.device, exact=False))  # type: ignore[call-overload]
    if team.count > 1:
        devices = [team.device] if team.device.type == "cuda" else None
        network = DistributedDataParallel(network, devices)
    saved, recent = state.seconds, []
    total = plan.iterations or round(60 * (plan.minutes or 0))
    stream = batches(plan, cases, team, state.iteration)
    with (
        kept_memory(),
        _signals() as asked,
        tqdm(total=total, unit="" if plan.iterations else "s", disable=not team.first) as bar,
    ):
        while True:
            done, stop = team.largest(_share(plan, state), bool(asked))
            if done >= 1 or stop:
                state.finished = done >= 1
                break
            began = time.perf_counter()
            recent.append(step(plan, state, network, next(stream), done))
            if not np.isfinite(recent[-1]):
                raise TrainingError(
                    f"loss is {recent[-1]} in iteration {state.iteration}; {checkpoint} is still good: "
                    "lower the learning rate or look at the cases, then --resume"
                )
            state.iteration += 1
            if state.iteration % LOG_EVERY == 0:
                scores = {}
                if state.iteration % EPOCH == 0 and validation:
                    scores = patch_scores(plan, state.network, validation, team.device)
                row = {
                    "iteration": state.iteration,
                    "seconds": round(state.seconds, 1),
                    "lr": _rate(plan, state, done),
                }
                state.history.append(row | {"loss": round(float(np.mean(recent)), 5)} | scores)
                bar.set_postfix(
                    {k: f"{v:.3g}" for k, v in state.history[-1].items() if k not in ("lr", "seconds")}
                )
                recent.clear()
            state.seconds += time.perf_counter() - began
            bar.update((state.iteration if plan.iterations else min(round(state.seconds), total)) - bar.n)
            if state.seconds - saved > CHECKPOINT_SECONDS and team.first:
                _save(state, folder)
                saved = state.seconds
        if team.first:
            _save(state, folder)
    return state


def fresh_state(plan: TrainPlan, device: torch.device) -> State:
    """The seed's initial weights and an optimiser."""
    torch.manual_seed(plan.seed)
    network = UNet(plan.data.network).to(device).train()
    for module in network.modules():
        if isinstance(module, (nn.Conv3d, nn.ConvTranspose3d)):
            nn.init.kaiming_normal_(module.weight, a=0.01)
            nn.init.zeros_(module.bias)  # type: ignore[arg-type]
    network.decoder.seg_layers[0].requires_grad_(False)  # the loss leaves out the lowest resolution
    parameters, rate, decay = network.parameters(), plan.learning_rate, plan.weight_decay
    optimiser: torch.optim.Optimizer
    if plan.optimiser == "adamw":
        optimiser = torch.optim.AdamW(parameters, rate, weight_decay=decay)
    else:
        optimiser = torch.optim.SGD(parameters, rate, momentum=MOMENTUM, nesterov=True, weight_decay=decay)
    scaler = torch.amp.GradScaler(device.type, enabled=training_dtype(device) == torch.float16)
    return State(network, optimiser, scaler)


def training_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where the hardware gains by it (it needs no loss scaling), else float16 on a GPU, float32 on a CPU."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.get_device_capability(device) >= (8, 0) else torch.float16
    return choose_dtype(device, "auto")


def patch_scores(
    plan: TrainPlan, network: UNet, cases: list[CachedCase], device: torch.device
) -> dict[str, float]:
    """DSC per structure over all voxels of patches that are the same each time: a quick look, not a result."""
    sums = torch.zeros(2, len(LABELS))
    dtype = training_dtype(device)
    network.eval()
    with torch.no_grad(), torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
        for k in range(VALIDATION_PATCHES):
            rng = np.random.default_rng((plan.seed, 1, k))
            image, label = draw_patch(cases[k % len(cases)], plan.data.patch_zyx, rng)
            found = network(torch.from_numpy(image)[None].to(device))[0].argmax(0).cpu()
            for at, value in enumerate(LABELS.values()):
                mine, truth = found == value, torch.from_numpy(label) == value
                sums[:, at] += torch.stack([(mine & truth).sum(), mine.sum() + truth.sum()])
    network.train()
    return {
        f"dsc_{name}": round(float(2 * hit / max(1, n)), 4)
        for name, hit, n in zip(LABELS, *sums, strict=True)
    }


def step(
    plan: TrainPlan, state: State, network: nn.Module, batch: tuple[Tensor, Tensor], done: float
) -> float:
    """One iteration; returns the loss. A loss that is no number changes nothing."""
    images, targets = batch
    for group in state.optimiser.param_groups:
        group["lr"] = _rate(plan, state, done)
    dtype = training_dtype(images.device)
    with torch.autocast(images.device.type, dtype, enabled=dtype != torch.float32):
        outputs = network(images)
    loss = deep_supervision_loss(outputs, targets, plan.loss)
    value = float(loss.detach())
    if np.isfinite(value):
        state.optimiser.zero_grad()
        state.scaler.scale(loss).backward()
        state.scaler.unscale_(state.optimiser)
        nn.utils.clip_grad_norm_(state.network.parameters(), CLIP_NORM)
        state.scaler.step(state.optimiser)
        state.scaler.update()
    return value


def _share(plan: TrainPlan, state: State) -> float:
    """How much of the run is done, 0 to 1."""
    if plan.iterations:
        return state.iteration / plan.iterations
    return state.seconds / (60 * (plan.minutes or 0))


def _rate(plan: TrainPlan, state: State, done: float) -> float:
    return plan.learning_rate * max(0.0, 1 - done) ** POWER * min(1.0, (state.iteration + 1) / WARM_UP)


def batches(
    plan: TrainPlan, cases: list[CachedCase], team: Processes, iteration: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """This process's share of the batches, without end, some prepared ahead.

    A sample depends on the seed, the iteration and its place in the whole batch alone: so a resumed run sees what an
    uninterrupted one sees, and several processes what one with the whole batch sees.
    """
    size = plan.data.batch

    def make(k: int) -> tuple[Tensor, Tensor]:
        samples = [_sample(plan, cases, (k, team.rank * size + place), team.device) for place in range(size)]
        images, labels = zip(*samples, strict=True)
        return torch.cat(images), torch.cat(labels)

    with ThreadPoolExecutor(AHEAD if team.device.type == "cuda" else 1) as pool:
        ahead: deque[Future[tuple[Tensor, Tensor]]] = deque()
        while True:
            while len(ahead) < AHEAD:
                ahead.append(pool.submit(make, iteration + len(ahead)))
            iteration += 1
            yield ahead.popleft().result()


def _sample(
    plan: TrainPlan, cases: list[CachedCase], place: tuple[int, int], device: torch.device
) -> tuple[Tensor, Tensor]:
    rng = np.random.default_rng((plan.seed, 0, *place))
    image, label = draw_patch(cases[rng.integers(len(cases))], plan.data.patch_zyx, rng)
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    images, labels = torch.from_numpy(image)[None].to(device), torch.from_numpy(label)[None].to(device)
    return augment(images, labels, plan.data.spacing_zyx, plan.augmentation, generator)


def _save(state: State, folder: Path) -> None:
    """Checkpoint, log and curves; the old checkpoint stays until the new one is whole."""
    content = {
        "network": state.network.state_dict(),
        "optimiser": state.optimiser.state_dict(),
        "scaler": state.scaler.state_dict(),
        "iteration": state.iteration,
        "seconds": state.seconds,
        "history": state.history,
    }
    temporary = folder / "checkpoint.tmp"
    try:
        torch.save(content, temporary)
        temporary.replace(folder / "checkpoint.pt")
        write_log(state.history, folder / "log.csv")
        write_curves(state.history, folder / "curves.png")
    except (OSError, RuntimeError) as error:
        temporary.unlink(missing_ok=True)
        reason = str(error).splitlines()[0]
        raise TrainingError(
            f"{folder}: cannot write the checkpoint ({reason}); the last one is still good: free space, then --resume"
        ) from None


def _load(state: State, path: Path, device: torch.device) -> None:
    content = torch.load(path, map_location=device, weights_only=True)
    try:
        state.network.load_state_dict(content["network"])
        state.optimiser.load_state_dict(content["optimiser"])
    except (RuntimeError, ValueError):
        raise TrainingError(
            f"{path}: it belongs to another plan; choose another --work or leave --resume"
        ) from None
    state.scaler.load_state_dict(content["scaler"])
    state.iteration, state.seconds, state.history = (
        content["iteration"],
        content["seconds"],
        content["history"],
    )


@contextmanager
def _signals() -> Iterator[list[int]]:
    """A list that is no longer empty once the process is asked to end."""
    asked: list[int] = []

    def ask(signum: int, frame: FrameType | None) -> None:
        asked.append(signum)

    before = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
