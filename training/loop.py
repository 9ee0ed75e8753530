"""The training loop: by iterations or by minutes, checkpointed, resumable, on one process or several."""

import signal
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from types import FrameType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from tqdm import tqdm

from model.errors import InputError
from model.network.bundle import Bundle
from model.network.memory import kept_memory
from model.network.placement import choose_dtype, memory_format
from model.network.unet import UNet
from model.structures import LABELS
from training.augment import Augmentation, augment
from training.curves import write_curves, write_log
from training.dataset import CachedCase, draw_patch
from training.loss import LossPlan, deep_supervision_loss
from training.planning import DataPlan
from training.processes import FailedElsewhere, Processes

CHECKPOINT_SECONDS = 180.0
LOG_EVERY = 25  # iterations
EPOCH = 250  # iterations, as in nnU-Net; the online validation comes after each
VALIDATION_PATCHES = 16
WARM_UP = 50  # iterations
CLIP_NORM = 12.0
POWER = 0.9
MOMENTUM = 0.99
AHEAD = 3  # batches under preparation
MOST_OVERFLOWS = 5  # losses in a row that are no numbers, where 16-bit floats may overflow


class TrainingError(InputError):
    """Training cannot go on: where, what happened, what to do."""


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
    names: tuple[str, ...] = ()  # of the cases, in their order

    @property
    def identity(self) -> dict[str, Any]:
        """What must be the same where a run goes on, as plain values. Its length and learning rate may change."""
        return {
            "network and patch": [asdict(self.data.network), list(self.data.patch_zyx), self.data.batch],
            "preprocessing": [list(self.data.spacing_zyx), [asdict(n) for n in self.data.normalisation]],
            "optimiser": self.optimiser,
            "loss": asdict(self.loss),
            "seed": self.seed,
            "cases or fold": list(self.names),
        }


@dataclass
class State:
    """Where a run is: the one mutable thing, saved whole in a checkpoint. history: one row per log line."""

    network: UNet
    optimiser: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    iteration: int = 0
    seconds: float = 0.0
    history: list[dict[str, float]] = field(default_factory=list)
    recent: list[float] = field(default_factory=list)  # losses since the last log line
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

    start gives the first weights of a run that is not resumed.

    The learning rate falls polynomially (power 0.9). SIGTERM and Ctrl-C leave a checkpoint and end the run early.
    With a number of iterations, a resumed run gives what an uninterrupted one gives. Raises TrainingError where the
    first weights are another network's, the checkpoint another run's or an unfinished one's that is not resumed, on
    losses that are no numbers, and when a checkpoint cannot be written: the last one is then still good.
    """
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint = folder / "checkpoint.pt"
    state = fresh_state(plan, team.device)
    found = _read_checkpoint(checkpoint, team.device) if checkpoint.exists() else None
    if found and resume:
        _restore(state, found, plan, checkpoint)
    elif found and not found["finished"]:
        raise TrainingError(
            checkpoint,
            f"of a run that is not finished ({found['iteration']} iterations)",
            "--resume goes on with it, another --work starts anew",
        )
    elif resume and team.first:
        print(f"{checkpoint}: not there; starting anew", flush=True)
    if start is not None and not (found and resume):
        if start.network != plan.data.network:
            raise TrainingError("--start", "its network is not the plan's", "give its plan with --config")
        state.network.load_state_dict(start.states[0])
    network: nn.Module = state.network
    network.to(memory_format=memory_format(team.device, exact=False))  # type: ignore[call-overload]
    if team.count > 1:
        devices = [team.device] if team.device.type == "cuda" else None
        network = DistributedDataParallel(network, devices)
    saved, wrong = state.seconds, 0
    failure: TrainingError | None = None
    total = plan.iterations or round(60 * (plan.minutes or 0))
    stream = batches(plan, cases, team, state.iteration)
    with (
        kept_memory(),
        _signals() as asked,
        tqdm(total=total, unit="" if plan.iterations else "s", disable=not team.first) as bar,
    ):
        while True:
            done, stop, failed = team.largest(_share(plan, state), bool(asked), failure is not None)
            if failed:
                raise failure or FailedElsewhere
            if done >= 1 or stop:
                state.finished = done >= 1
                break
            began = time.perf_counter()
            loss = step(plan, state, network, next(stream), done)
            wrong = 0 if np.isfinite(loss) else wrong + 1
            if wrong > (MOST_OVERFLOWS if state.scaler.is_enabled() else 0):
                names = " and ".join(drawn(plan, cases, team, state.iteration))
                raise TrainingError(
                    f"iteration {state.iteration}",
                    f"loss or gradient is no number (loss {loss:g}), with {names}",
                    f"{checkpoint} is still good: look at these or lower the learning rate, then --resume",
                )
            if not wrong:
                state.recent.append(loss)
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
                mean = round(float(np.mean(state.recent)), 5) if state.recent else float("nan")
                state.history.append(row | {"loss": mean} | scores)
                bar.set_postfix(
                    {k: f"{v:.3g}" for k, v in state.history[-1].items() if k not in ("lr", "seconds")}
                )
                state.recent.clear()
            state.seconds += time.perf_counter() - began
            bar.update((state.iteration if plan.iterations else min(round(state.seconds), total)) - bar.n)
            if state.seconds - saved > CHECKPOINT_SECONDS and team.first:
                try:
                    _save(state, plan, folder)
                except TrainingError as error:  # told to the other processes at the next turn
                    failure = error
                saved = state.seconds
        team.once(lambda: _save(state, plan, folder))
    return state


def fresh_state(plan: TrainPlan, device: torch.device) -> State:
    """The seed's initial weights and an optimiser."""
    torch.manual_seed(plan.seed)
    network = UNet(plan.data.network).to(device).train()
    for module in network.modules():
        if isinstance(module, (nn.Conv3d, nn.ConvTranspose3d)):
            nn.init.kaiming_normal_(module.weight, a=0.01)
            nn.init.zeros_(module.bias)  # type: ignore[arg-type]
    if len(network.decoder.seg_layers) > 1:
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
    """One iteration; returns the loss, or NaN for a gradient that is no number. Neither changes anything.

    With scaled losses (float16) infinite gradients are usual: the scaler leaves the step out and scales less.
    """
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
        norm = nn.utils.clip_grad_norm_(state.network.parameters(), CLIP_NORM)
        if not state.scaler.is_enabled() and not norm.isfinite():
            return float("nan")
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


def drawn(plan: TrainPlan, cases: list[CachedCase], team: Processes, iteration: int) -> list[str]:
    """Names of the cases in this process's share of an iteration's batch."""
    places = [(iteration, team.rank * plan.data.batch + k) for k in range(plan.data.batch)]
    indices = [int(_rng(plan, place).integers(len(cases))) for place in places]
    return [plan.names[k] if plan.names else f"case {k}" for k in indices]


def _rng(plan: TrainPlan, place: tuple[int, int]) -> np.random.Generator:
    """Of one sample: (iteration, place in the whole batch)."""
    return np.random.default_rng((plan.seed, 0, *place))


def _sample(
    plan: TrainPlan, cases: list[CachedCase], place: tuple[int, int], device: torch.device
) -> tuple[Tensor, Tensor]:
    rng = _rng(plan, place)
    image, label = draw_patch(cases[rng.integers(len(cases))], plan.data.patch_zyx, rng)
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    images, labels = torch.from_numpy(image)[None].to(device), torch.from_numpy(label)[None].to(device)
    data = plan.data
    return augment(images, labels, data.spacing_zyx, data.normalisation, plan.augmentation, generator)


def _save(state: State, plan: TrainPlan, folder: Path) -> None:
    """Checkpoint, log and curves; the old checkpoint stays until the new one is whole."""
    content = {
        "network": state.network.state_dict(),
        "optimiser": state.optimiser.state_dict(),
        "scaler": state.scaler.state_dict(),
        "iteration": state.iteration,
        "seconds": state.seconds,
        "history": state.history,
        "recent": state.recent,
        "finished": state.finished,
        "run": plan.identity,
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
            folder,
            f"cannot write the checkpoint ({reason})",
            "the last one is still good: free space, then --resume",
        ) from None


def _read_checkpoint(path: Path, device: torch.device) -> dict[str, Any]:
    try:
        content: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
        if not {"run", "finished", "recent"} <= content.keys():
            raise ValueError("written by an older version")
    except (OSError, RuntimeError, ValueError, EOFError, AttributeError, UnpicklingError) as error:
        reason = str(error).splitlines()[0]
        raise TrainingError(
            path, f"cannot be used ({reason})", "delete it or choose another --work"
        ) from None
    return content


def _restore(state: State, content: dict[str, Any], plan: TrainPlan, path: Path) -> None:
    for what, value in plan.identity.items():
        if content["run"][what] != value:
            raise TrainingError(
                path, f"of a run that differs in {what}", "choose another --work or leave --resume"
            )
    state.network.load_state_dict(content["network"])
    state.optimiser.load_state_dict(content["optimiser"])
    if content["scaler"] and state.scaler.is_enabled():  # empty where the run began in another precision
        state.scaler.load_state_dict(content["scaler"])
    state.iteration, state.seconds = content["iteration"], content["seconds"]
    state.history, state.recent = content["history"], content["recent"]


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
