"""The weights file: network, plan, normalisation and provenance in one file of plain tensors and plain values."""

import pickle
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from model.unet import NetworkPlan, Triple, UNet
from model.volume import InputError

SCHEMA = "gtvseg-weights-1"
LABELS = {"GTVp": 1, "GTVnd": 2}


@dataclass(frozen=True)
class Normalisation:
    """One channel: HU are clipped to [lower, upper], then (HU - mean) / std."""

    lower: float
    upper: float
    mean: float
    std: float


@dataclass(frozen=True)
class Bundle:
    """All that inference needs. patch_zyx in voxels, spacing_zyx in mm, mirror_axes index (z, y, x)."""

    network: NetworkPlan
    patch_zyx: Triple
    spacing_zyx: tuple[float, float, float]
    normalisation: tuple[Normalisation, ...]
    mirror_axes: tuple[int, ...]
    provenance: dict[str, Any]
    state: dict[str, Tensor]

    def build_network(self) -> UNet:
        """The network in evaluation mode with these weights, float32 on the CPU."""
        network = UNet(self.network)
        network.load_state_dict({name: tensor.float() for name, tensor in self.state.items()})
        return network.eval()


def save_bundle(bundle: Bundle, path: Path) -> None:
    """Write atomically; weights are stored as float16 (their rounding is far below that of the fp16/bf16 passes)."""
    content = {
        "schema": SCHEMA,
        "network": {name: _plain(value) for name, value in asdict(bundle.network).items()},
        "patch_zyx": list(bundle.patch_zyx),
        "spacing_zyx": list(bundle.spacing_zyx),
        "normalisation": [asdict(channel) for channel in bundle.normalisation],
        "labels": LABELS,
        "mirror_axes": list(bundle.mirror_axes),
        "provenance": bundle.provenance,
        "state": {name: tensor.detach().cpu().half().contiguous() for name, tensor in bundle.state.items()},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    torch.save(content, temporary)
    torch.load(temporary, weights_only=True)  # refuses here, not at the user's, a value that is no plain one
    temporary.replace(path)


def load_bundle(path: Path) -> Bundle:
    """Read a weights file without executing anything in it.

    Raises InputError where the file is missing, no weights file, of another schema, or inconsistent in itself.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such weights file; give one with --weights")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, OSError, ValueError, KeyError) as error:
        raise InputError(
            f"{path}: not a readable weights file ({_first_line(error)}); train or import one"
        ) from None
    schema = content.get("schema") if isinstance(content, dict) else None
    if schema != SCHEMA:
        raise InputError(
            f"{path}: weights schema is {schema!r}, this version reads {SCHEMA!r}; train or import anew"
        )
    try:
        bundle = _from_content(content)
        bundle.build_network()
    except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
        raise InputError(
            f"{path}: damaged weights file ({_first_line(error)}); train or import anew"
        ) from None
    return bundle


def _from_content(content: dict[str, Any]) -> Bundle:
    if content["labels"] != LABELS:
        raise ValueError(f"labels are {content['labels']}, expected {LABELS}")
    bundle = Bundle(
        network=NetworkPlan(**{name: _frozen(value) for name, value in content["network"].items()}),
        patch_zyx=_frozen(content["patch_zyx"]),
        spacing_zyx=_frozen(content["spacing_zyx"]),
        normalisation=tuple(Normalisation(**channel) for channel in content["normalisation"]),
        mirror_axes=_frozen(content["mirror_axes"]),
        provenance=content["provenance"],
        state=content["state"],
    )
    if len(bundle.normalisation) != bundle.network.in_channels:
        raise ValueError(
            f"{len(bundle.normalisation)} normalisations for {bundle.network.in_channels} channels"
        )
    if any(p % s for p, s in zip(bundle.patch_zyx, bundle.network.total_stride_zyx, strict=True)):
        raise ValueError(
            f"patch {bundle.patch_zyx} is no multiple of the stride {bundle.network.total_stride_zyx}"
        )
    return bundle


def _plain(value: Any) -> Any:
    return [_plain(item) for item in value] if isinstance(value, (tuple, list)) else value


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, (tuple, list)) else value


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]
