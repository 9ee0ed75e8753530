"""A trained nnU-Net model as it was read, whatever its version; and how its values are read."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from model.network.bundle import LEAST_STD, Normalisation
from model.network.plain import quoted
from model.network.plan import NetworkPlan, Spacing, Triple, triple, whole

# Prefixes that data-parallel and compiled networks give to parameters.
WRAPPERS = ("module.", "_orig_mod.")


@dataclass(frozen=True)
class Model:
    """A model as read: every triple in nnU-Net's own axis order, states with gtvseg's parameter names.

    transpose: axis i of nnU-Net is axis transpose[i] of (z, y, x). labels: values of GTVp and GTVnd. channels: what the
    inputs are by their names, as model.structures.channel_kinds has it; empty where they have none.
    """

    network: NetworkPlan
    patch: Triple
    spacing: Spacing
    normalisation: tuple[Normalisation, ...]
    mirror_axes: tuple[int, ...]
    transpose: Triple
    labels: tuple[int, int] | None
    states: tuple[dict[str, Tensor], ...]
    pipeline: str
    trainer: str
    channels: tuple[str | None, ...] = ()


def triple_of(value: Any) -> Triple:
    """Three whole numbers, given as such or as one for all axes."""
    return triple([value] * 3 if isinstance(value, int) else value)


def number_of(value: Any) -> float:
    """A number. Raises ValueError for text and booleans."""
    if isinstance(value, (bool, str)):
        raise ValueError(f"{quoted(value)} is no number")
    return float(value)


def spacing_of(values: Any) -> Spacing:
    """Three numbers in mm."""
    first, second, third = (number_of(value) for value in values)
    return (first, second, third)


def per_stage(value: Any, stages: int) -> tuple[int, ...]:
    """One whole number per stage, given as such or as one for all. Raises ValueError where the number is another."""
    values = [value] * stages if isinstance(value, int) else value
    if len(values) != stages:
        raise ValueError(f"{len(values)} entries for {stages} stages")
    return tuple(whole(v) for v in values)


def state_of(content: Any) -> dict[str, Tensor]:
    """A checkpoint's parameters by name, without what wrappers put before the names.

    Raises ValueError where they are no parameters, or claim more values than the file holds.
    """
    if not isinstance(content, dict):
        raise ValueError(f"weights are {quoted(content)}")
    state = {}
    for name, tensor in content.items():
        for wrapper in WRAPPERS:
            name = name.removeprefix(wrapper)
        dense = isinstance(tensor, Tensor) and tensor.layout == torch.strided and tensor.device.type == "cpu"
        if not dense or not tensor.is_floating_point() or tensor.untyped_storage().nbytes() < tensor.nbytes:
            raise ValueError(f"{quoted(name)} is no tensor of weights")
        state[name] = tensor
    return state


def ct_normalisation(figures: dict[str, float], std_key: str) -> Normalisation:
    """From nnU-Net's foreground intensity properties of one channel."""
    names = ("percentile_00_5", "percentile_99_5", "mean", std_key)
    lower, upper, mean, std = (number_of(figures[name]) for name in names)
    return Normalisation(lower, upper, mean, LEAST_STD if 0 <= std < LEAST_STD else std)
