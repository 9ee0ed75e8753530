"""A trained nnU-Net model as it was read, whatever its version; and how its values are read."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from model.network.bundle import Normalisation
from model.network.plan import NetworkPlan, Spacing, Triple, triple


@dataclass(frozen=True)
class Model:
    """A model as read: every triple in nnU-Net's own axis order, states with gtvseg's parameter names.

    transpose: axis i of nnU-Net is axis transpose[i] of (z, y, x). labels: values of GTVp and GTVnd.
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


def triple_of(value: Any) -> Triple:
    """Three whole numbers, given as such or as one for all axes."""
    return triple([value] * 3 if isinstance(value, int) else value)


def spacing_of(values: Any) -> Spacing:
    """Three numbers in mm."""
    first, second, third = (float(value) for value in values)
    return (first, second, third)


def per_stage(value: Any, stages: int) -> tuple[int, ...]:
    """One whole number per stage, given as such or as one for all. Raises ValueError where the number is another."""
    values = tuple(int(v) for v in ([value] * stages if isinstance(value, int) else value))
    if len(values) != stages:
        raise ValueError(f"{len(values)} entries for {stages} stages")
    return values


def ct_normalisation(figures: dict[str, float], std_key: str) -> Normalisation:
    """From nnU-Net's foreground intensity properties of one channel."""
    lower, upper = float(figures["percentile_00_5"]), float(figures["percentile_99_5"])
    return Normalisation(lower, upper, float(figures["mean"]), max(float(figures[std_key]), 1e-8))
