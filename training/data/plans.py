"""What is planned for a data set; and a plan from plain values that somebody wrote, checked value by value.

All triples are (z, y, x).
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from math import prod
from typing import Any

from model.network.bundle import CHANNELS, Normalisation
from model.network.plain import check_number, check_whole, quoted
from model.network.plan import NetworkPlan, Spacing, Triple
from model.options import MOST_FEATURES, SPACING_MM
from model.structures import LABELS

# What a plan may ask for. A patch of that many voxels takes some 100 GB for each feature of the first stage.
MOST_PATCH_VOXELS = 2**28
MOST_BATCH = 64
# Residual blocks per stage, from nnU-Net's presets; every further stage has as many as the last.
BLOCKS = (1, 3, 4, 6)
LARGEST_KERNEL, LARGEST_STRIDE, LONGEST_SIDE = 7, 8, 4096
# Of HU, or what stands for them.
LARGEST_VALUE = 1e6
LEAST_STD = 1e-3


@dataclass(frozen=True)
class DataPlan:
    """What the planning decides and a user may override; the content of plan.json."""

    spacing_zyx: Spacing
    patch_zyx: Triple
    batch: int
    features: tuple[int, ...]
    kernels: tuple[Triple, ...]
    strides: tuple[Triple, ...]
    normalisation: tuple[Normalisation, ...]
    residual: bool = False

    @property
    def network(self) -> NetworkPlan:
        """Two convolutions per stage, both ways; or residual blocks on the way down, then one per stage up."""
        stages = len(self.features)
        blocks = BLOCKS + BLOCKS[-1:] * stages
        return NetworkPlan(
            in_channels=len(self.normalisation),
            num_classes=1 + len(LABELS),
            features=self.features,
            kernels=self.kernels,
            strides=self.strides,
            encoder_convs=blocks[:stages] if self.residual else (2,) * stages,
            decoder_convs=(1 if self.residual else 2,) * (stages - 1),
            residual=self.residual,
        )


def checked_plan(content: dict[str, Any]) -> DataPlan:
    """A plan from its plain values. Raises ValueError, with the key, for any that makes no sense."""
    content = {"residual": False} | content  # plans of older runs have none
    keys = {field.name for field in fields(DataPlan)}
    if content.keys() != keys:
        unknown, missing = sorted(content.keys() - keys), sorted(keys - content.keys())
        raise ValueError(f"no such key: {unknown[0]:.40}" if unknown else f"{missing[0]} is missing")
    plan = DataPlan(
        spacing_zyx=_three(content, "spacing_zyx", real(*SPACING_MM)),
        patch_zyx=_three(content, "patch_zyx", _whole(1, LONGEST_SIDE)),
        batch=_whole(1, MOST_BATCH)(content["batch"], "batch"),
        features=tuple(_several(content, "features", _whole(1, MOST_FEATURES))),
        kernels=tuple(_several(content, "kernels", three_of(_odd))),
        strides=tuple(_several(content, "strides", three_of(_whole(1, LARGEST_STRIDE)))),
        normalisation=tuple(_several(content, "normalisation", _channel)),
        residual=_boolean(content["residual"], "residual"),
    )
    if len(plan.normalisation) != len(CHANNELS):
        raise ValueError(f"normalisation of {len(plan.normalisation)} channels, there are {len(CHANNELS)}")
    stride = plan.network.total_stride_zyx
    if any(p % s for p, s in zip(plan.patch_zyx, stride, strict=True)):
        raise ValueError(f"patch_zyx {plan.patch_zyx} is no multiple of the strides' product {stride}")
    if prod(plan.patch_zyx) < 2 * prod(stride):
        raise ValueError(f"patch_zyx {plan.patch_zyx} leaves one voxel at the lowest resolution")
    if prod(plan.patch_zyx) > MOST_PATCH_VOXELS:
        raise ValueError(f"patch_zyx {plan.patch_zyx} has more voxels than memory has room for")
    return plan


# Reads a value of this key, or raises ValueError.
Reader = Callable[[Any, str], Any]


def _whole(least: int, most: int) -> Reader:
    def read(value: Any, key: str) -> int:
        check_whole(key, value, least, most)
        return int(value)

    return read


def _boolean(value: Any, key: str) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{key} is {quoted(value)}, expected true or false")
    return value


def _odd(value: Any, key: str) -> int:
    size: int = _whole(1, LARGEST_KERNEL)(value, key)
    if size % 2 == 0:
        raise ValueError(f"{key} has {size}, which is even")
    return size


def real(least: float, most: float) -> Reader:
    """Reads a number within these bounds."""

    def read(value: Any, key: str) -> float:
        check_number(key, value, least, most)
        return float(value)

    return read


def three_of(read: Reader) -> Reader:
    """Reads three values of that kind, (z, y, x)."""

    def read_three(value: Any, key: str) -> tuple[Any, Any, Any]:
        if not isinstance(value, (list, tuple)) or len(value) != 3:
            raise ValueError(f"{key} has {quoted(value)}, not three numbers (z, y, x)")
        z, y, x = (read(item, key) for item in value)
        return (z, y, x)

    return read_three


def _three(content: dict[str, Any], key: str, read: Reader) -> Any:
    return three_of(read)(content[key], key)


def _several(content: dict[str, Any], key: str, read: Reader) -> list[Any]:
    if not isinstance(content[key], (list, tuple)):
        raise ValueError(f"{key} is {quoted(content[key])}, not a list")
    return [read(item, key) for item in content[key]]


def _channel(value: Any, key: str) -> Normalisation:
    figures = {"lower": -LARGEST_VALUE, "upper": -LARGEST_VALUE, "mean": -LARGEST_VALUE, "std": LEAST_STD}
    if not isinstance(value, dict) or value.keys() - {"scheme"} != figures.keys():
        raise ValueError(f"{key} has {quoted(value)}, not {', '.join(figures)} for each channel")
    if value.get("scheme", "ct") != "ct":
        raise ValueError(f"{key} has scheme {quoted(value['scheme'])}, only ct is trained with")
    read = {
        name: real(least, LARGEST_VALUE)(value[name], f"{key} ({name})") for name, least in figures.items()
    }
    if read["lower"] >= read["upper"]:  # the weights file would be refused after the training
        raise ValueError(f"{key} has lower {read['lower']:g}, upper {read['upper']:g}")
    return Normalisation(**read)
