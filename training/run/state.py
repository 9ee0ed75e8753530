"""Where a run is: network, optimiser, counters."""

from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from model.network.placement import choose_dtype
from model.network.unet import ResidualBlock, UNet
from training.run.plan import TrainPlan

MOMENTUM = 0.99
# Iterations.
MOST_AVERAGED = 1000.0


@dataclass
class State:
    """Where a run is: the one mutable thing, saved whole in a checkpoint. history: one row per log line."""

    network: UNet
    optimiser: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    averaged: UNet  # its weights follow the network's, see follow
    dtype: torch.dtype = torch.float32  # in which convolutions work; not saved
    iteration: int = 0
    seconds: float = 0.0
    history: list[dict[str, float]] = field(default_factory=list)
    recent: list[tuple[float, float]] = field(
        default_factory=list
    )  # loss and seconds since the last log line
    skipped: list[tuple[int, str]] = field(default_factory=list)  # iterations left out, by loss or gradient
    start: dict[str, Any] = field(default_factory=dict)  # Start.origin of the weights it began with
    finished: bool = False  # by the clock of the slowest process; saved, but not what a run goes on by
    kept: bool = False  # a checkpoint of this run is in the work folder; not saved
    averaged_wins: bool = False  # the averaged weights are the result, not the last; not saved

    @property
    def result(self) -> UNet:
        """The network with the weights that the run gives."""
        return self.averaged if self.averaged_wins else self.network

    def follow(self) -> None:
        """Bring the averaged weights nearer to the network's, an exponential average over about averaged_over.

        Over few at first, so that a short run's is of use, and the initial weights are soon forgotten.
        """
        with torch.no_grad():
            weights = zip(self.averaged.parameters(), self.network.parameters(), strict=True)
            mine, new = (list(parts) for parts in zip(*weights, strict=True))
            torch._foreach_lerp_(mine, new, 1 / self.averaged_over)

    @property
    def averaged_over(self) -> float:
        """Iterations: a ninth of those done, at most MOST_AVERAGED."""
        return min(MOST_AVERAGED, (10 + self.iteration) / 9)


def fresh_state(plan: TrainPlan, device: torch.device) -> State:
    """The seed's initial weights and an optimiser."""
    torch.manual_seed(plan.seed)
    network = UNet(plan.data.network).to(device).train()
    for module in network.modules():
        if isinstance(module, (nn.Conv3d, nn.ConvTranspose3d)):
            nn.init.kaiming_normal_(module.weight, a=0.01)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        if isinstance(module, ResidualBlock):  # each begins as its skip alone, as nnU-Net has it
            nn.init.zeros_(module.conv2.norm.weight)
            nn.init.zeros_(module.conv2.norm.bias)
    if len(network.decoder.seg_layers) > 1:
        network.decoder.seg_layers[0].requires_grad_(False)  # the loss leaves out the lowest resolution
    parameters, rate, decay = network.parameters(), plan.learning_rate, plan.weight_decay
    optimiser: torch.optim.Optimizer
    if plan.optimiser == "adamw":
        optimiser = torch.optim.AdamW(parameters, rate, weight_decay=decay)
    else:
        optimiser = torch.optim.SGD(parameters, rate, momentum=MOMENTUM, nesterov=True, weight_decay=decay)
    dtype = training_dtype(device)
    scaler = torch.amp.GradScaler(device.type, enabled=dtype == torch.float16)
    return State(network, optimiser, scaler, deepcopy(network).requires_grad_(False), dtype)


def training_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where the hardware gains by it (it needs no loss scaling), else float16 on a GPU, float32 on a CPU."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.get_device_capability(device) >= (8, 0) else torch.float16
    return choose_dtype(device, "auto")
