"""Dice in the Tversky form plus focal loss, over every decoder resolution.

Tversky: Salehi et al., MLMI 2017; focal: Lin et al., ICCV 2017; deep supervision with halved weights: Isensee et
al., Nature Methods 2021. Logits are (batch, classes, z, y, x), targets int64 (batch, z, y, x) with the classes'
numbers, or IGNORED: such voxels count nowhere. At lower resolutions targets may be shares instead, float (batch,
classes, z, y, x): how much of a voxel each class has; what is missing to 1 is ignored.
"""

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, distributed
from torch.nn import functional

from model.network.plan import triple
from training.data.sources import IGNORED

# How a target comes to a lower resolution: the nearest voxel's class; each class's share of the voxels; tumour where
# any of them is tumour, the label that has most of it.
NEAREST, SHARES, ANY = LOWER_TARGETS = ("nearest", "shares", "any")


@dataclass(frozen=True)
class LossPlan:
    """alpha weighs false positives, beta false negatives (0.5 and 0.5: Dice); gamma 0 makes focal cross-entropy.

    smooth: voxels that count as true positives of every class, so that what is drawn where a class is absent has a
    gradient; absent: such voxels of classes that are in no part of the batch, and of no others, so that a trace costs
    little; focal_weight: of the focal term; background: whether it is among the Tversky term's classes; lower_target:
    one of LOWER_TARGETS. The defaults are the published form.
    """

    alpha: float = 0.5
    beta: float = 0.5
    gamma: float = 2.0
    smooth: float = 0.0
    absent: float = 0.0
    focal_weight: float = 1.0
    background: bool = True
    lower_target: str = NEAREST


PUBLISHED = LossPlan()


def tversky_loss(logits: Tensor, target: Tensor, plan: LossPlan, *, together: bool = True) -> Tensor:
    """Mean over classes of 1 - TP / (TP + alpha FP + beta FN), summed over batch and voxels.

    plan.smooth is added above and below, and so is plan.absent for a class without a voxel of truth; without
    plan.background the first class is left out.

    Where several processes train together, the batch is that of all; without together, this process's alone.

    A class absent from both sides would be 0 / 0; the tiny constant makes its term 1 - 0 = 1 with a zero gradient.
    """
    if target.is_floating_point():
        truth, counted = target, target.sum(1, keepdim=True)
    else:
        truth, counted = _one_hot(target, logits.shape[1], logits.dtype), (target != IGNORED)[:, None]
    probabilities = logits.softmax(1)
    axes = (0, 2, 3, 4)
    predicted = (probabilities * counted).sum(axes)
    sums = torch.stack([(probabilities * truth).sum(axes), predicted, truth.sum(axes)])
    true_positive, predicted, present = _SumOverProcesses.apply(sums) if together else sums
    false_positive = predicted - true_positive
    false_negative = present - true_positive
    tiny = torch.finfo(probabilities.dtype).tiny
    denominator = true_positive + plan.alpha * false_positive + plan.beta * false_negative
    smooth = plan.smooth + plan.absent * (present == 0)
    terms = 1 - (true_positive + smooth) / (denominator + smooth).clamp(min=tiny)
    return (terms if plan.background else terms[1:]).mean()


def focal_loss(logits: Tensor, target: Tensor, gamma: float, *, together: bool = True) -> Tensor:
    """Mean over counted voxels of -(1 - p)^gamma log p for the probability p of the true class.

    Where several processes train together, over the mean number that they count: they may ignore more or fewer, and
    the mean of their gradients is then that of the whole batch. Without together, over this process's alone.
    """
    log_p = functional.log_softmax(logits, 1)
    if target.is_floating_point():
        counted = target
    else:
        known = target != IGNORED
        log_p, counted = log_p.gather(1, (target * known)[:, None])[:, 0], known.to(log_p.dtype)
    # Not 0, where a gamma between 0 and 1 would have an infinite gradient.
    wrong = (1 - log_p.exp()).clamp(min=torch.finfo(log_p.dtype).tiny)
    number = counted.sum()
    return -(wrong**gamma * log_p * counted).sum() / (_mean(number) if together else number).clamp(min=1)


def deep_supervision_loss(
    outputs: list[Tensor], target: Tensor, plan: LossPlan, *, together: bool = True
) -> Tensor:
    """Weighted sum over resolutions, full one first: 1, 1/2, 1/4, … normalised, the lowest dropped.

    plan.lower_target says how the target is brought to each resolution.
    """
    used = outputs[:-1] if len(outputs) > 1 else outputs
    weights = [0.5**level for level in range(len(used))]
    total = torch.zeros((), device=target.device)
    for logits, weight in zip(used, weights, strict=True):
        truth = at_resolution(target, logits.shape, plan.lower_target)
        logits = logits.float()
        share = logits[:, 0].numel() / target.numel()
        of_level = replace(plan, smooth=plan.smooth * share, absent=plan.absent * share)
        dice = tversky_loss(logits, truth, of_level, together=together)
        focal = plan.focal_weight * focal_loss(logits, truth, plan.gamma, together=together)
        total = total + weight / sum(weights) * (dice + focal)
    return total


def at_resolution(target: Tensor, shape: tuple[int, ...], how: str) -> Tensor:
    """The target for logits of a shape, which is the target's own or lower, by one of LOWER_TARGETS.

    With ANY, what is partly ignored and has no tumour is ignored: nobody knows whether it has some.
    """
    classes, size = shape[1], triple(shape[2:])
    if how == NEAREST or size == target.shape[1:]:
        return functional.interpolate(target[:, None].float(), size, mode="nearest-exact")[:, 0].long()
    shares = functional.adaptive_avg_pool3d(_one_hot(target, classes, torch.float32), size)
    if how == SHARES:
        return shares
    most, label = shares[:, 1:].max(1)
    ignored = functional.adaptive_avg_pool3d((target == IGNORED).float(), size) > 0
    return torch.where(most > 0, label + 1, IGNORED * ignored)


class _SumOverProcesses(torch.autograd.Function):
    """Sum of a tensor over all training processes; so is its gradient, which DistributedDataParallel then averages."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        return _all_reduced(tensor)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return _all_reduced(gradients[0])


def _all_reduced(tensor: Tensor) -> Tensor:
    if not (distributed.is_available() and distributed.is_initialized()):
        return tensor
    total = tensor.contiguous().clone()
    distributed.all_reduce(total)
    return total


def _mean(number: Tensor) -> Tensor:
    """Over all training processes; without a gradient."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return number
    return _all_reduced(number) / distributed.get_world_size()


def _one_hot(target: Tensor, classes: int, dtype: torch.dtype) -> Tensor:
    """Of IGNORED: no class."""
    known = functional.one_hot(target.clamp(max=classes), classes + 1)[..., :classes]
    return known.movedim(-1, 1).to(dtype)
