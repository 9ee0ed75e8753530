"""One iteration."""

import numpy as np
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

    With scaled losses (float16) infinite gradients are usual: the scaler leaves the step out and scales less.
    """
    images, targets = batch
    for group in state.optimiser.param_groups:
        group["lr"] = plan.learning_rate_at(state.iteration, done)
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
