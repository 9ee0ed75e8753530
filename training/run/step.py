"""One iteration."""

from math import isfinite

import torch
from torch import Tensor, nn

from training.run.loss import deep_supervision_loss
from training.run.plan import TrainPlan
from training.run.state import State

CLIP_NORM = 12.0


def step(
    plan: TrainPlan, state: State, network: nn.Module, batch: tuple[Tensor, Tensor], done: float
) -> tuple[float, float]:
    """One iteration; returns the loss and the norm of the gradients, which change nothing where it is no number.

    The norm alone decides, as it is the same on all processes; a loss that is no number has gradients that are none.
    With scaled losses (float16) infinite gradients are usual: the step is left out and the scaler scales less. The
    host waits for the device once, to read both together.
    """
    for group in state.optimiser.param_groups:
        group["lr"] = plan.learning_rate_at(state.iteration, done)
    loss = loss_of(plan, network, batch, state.dtype)
    norm = gradient_norm(state, loss)
    value, length = torch.stack((loss.detach().double(), norm.double())).tolist()
    finish(state, length)
    return value, length


def loss_of(plan: TrainPlan, network: nn.Module, batch: tuple[Tensor, Tensor], dtype: torch.dtype) -> Tensor:
    """Through the network, in numbers of that format."""
    images, targets = batch
    with torch.autocast(images.device.type, dtype, enabled=dtype != torch.float32):
        outputs = network(images)
    return deep_supervision_loss(outputs, targets, plan.loss)


def gradient_norm(state: State, loss: Tensor) -> Tensor:
    """Leaves the gradients, clipped, in the parameters; their norm from before."""
    state.optimiser.zero_grad()
    state.scaler.scale(loss).backward()
    state.scaler.unscale_(state.optimiser)
    return nn.utils.clip_grad_norm_(state.network.parameters(), CLIP_NORM)


def finish(state: State, norm: float) -> None:
    """Change the weights and their average, unless the norm is no number."""
    if isfinite(norm):
        # Not by the scaler, which would read from the device again whether all gradients are numbers.
        state.optimiser.step()
        state.follow()
    state.scaler.update()
