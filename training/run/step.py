"""One iteration."""

from math import isfinite

import torch
from torch import Tensor, nn

from training.run.loss import deep_supervision_loss
from training.run.plan import TrainPlan
from training.run.state import State, training_dtype

CLIP_NORM = 12.0


def step(
    plan: TrainPlan, state: State, network: nn.Module, batch: tuple[Tensor, Tensor], done: float
) -> float:
    """One iteration; returns the loss, or NaN for a gradient that is no number. Neither changes anything.

    With scaled losses (float16) infinite gradients are usual: the step is left out and the scaler scales less. The
    host waits for the device once, to read the loss and the gradients' norm together.
    """
    for group in state.optimiser.param_groups:
        group["lr"] = plan.learning_rate_at(state.iteration, done)
    loss = loss_of(plan, network, batch)
    norm = gradient_norm(state, loss)
    value, length = torch.stack((loss.detach().double(), norm.double())).tolist()
    return finish(state, value, length)


def loss_of(plan: TrainPlan, network: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    """Through the network, in the numbers that the device trains with."""
    images, targets = batch
    dtype = training_dtype(images.device)
    with torch.autocast(images.device.type, dtype, enabled=dtype != torch.float32):
        outputs = network(images)
    return deep_supervision_loss(outputs, targets, plan.loss)


def gradient_norm(state: State, loss: Tensor) -> Tensor:
    """Leaves the gradients, clipped, in the parameters; their norm from before."""
    state.optimiser.zero_grad()
    state.scaler.scale(loss).backward()
    state.scaler.unscale_(state.optimiser)
    return nn.utils.clip_grad_norm_(state.network.parameters(), CLIP_NORM)


def finish(state: State, loss: float, norm: float) -> float:
    """Change the weights unless loss or norm is no number; what `step` returns."""
    fine = isfinite(loss) and isfinite(norm)
    if fine:
        # Not by the scaler, which would read from the device again whether all gradients are numbers.
        state.optimiser.step()
    state.scaler.update()
    return loss if fine or state.scaler.is_enabled() else float("nan")
