"""The weights file: network, plan, normalisation and provenance in one file of plain tensors and plain values."""

import pickle
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from model.errors import InputError, reason
from model.network.plan import NetworkPlan, Triple, as_lists, as_tuples
from model.network.unet import UNet
from model.structures import LABELS
from model.writing import whole_file

SCHEMA = "gtvseg-weights-3"
# Whose cropping, resampling and averaging the weights expect: see model/preprocessing/pipelines.py.
PIPELINE_NAMES = ("gtvseg", "nnunet-v2", "nnunet-v1")
# Non-contrast and contrast-enhanced.
CHANNELS = ("ct", "ce")
SCHEMES = ("ct", "zscore", "masked-zscore", "rescale-0-1", "none")


@dataclass(frozen=True)
class Normalisation:
    """One channel. Scheme ct: HU are clipped to [lower, upper], then (HU - mean) / std.

    The other schemes take their figures from each image and come with imported weights only: zscore, over the nonzero
    voxels alone with masked-zscore; rescale-0-1; none.
    """

    lower: float = 0.0
    upper: float = 0.0
    mean: float = 0.0
    std: float = 1.0
    scheme: str = "ct"


@dataclass(frozen=True)
class Bundle:
    """All that inference needs. patch_zyx in voxels, spacing_zyx in mm, mirror_axes index (z, y, x).

    states: the weights of each network, one or an ensemble. channels: which CT each input channel is; normalisation has
    the same order. least_cm3: for each label, the volume below which a separate piece is left out (0: none).
    """

    network: NetworkPlan
    patch_zyx: Triple
    spacing_zyx: tuple[float, float, float]
    normalisation: tuple[Normalisation, ...]
    mirror_axes: tuple[int, ...]
    provenance: dict[str, Any]
    states: tuple[dict[str, Tensor], ...]
    pipeline: str = PIPELINE_NAMES[0]
    channels: tuple[str, ...] = CHANNELS
    least_cm3: tuple[float, ...] = (0.0,) * len(LABELS)

    def build_networks(self) -> list[UNet]:
        """The networks in evaluation mode with these weights, float32 on the CPU."""
        networks = []
        for state in self.states:
            networks.append(UNet(self.network).eval())
            networks[-1].load_state_dict({name: tensor.float() for name, tensor in state.items()})
        return networks


def save_bundle(bundle: Bundle, path: Path, dtype: torch.dtype | None = torch.float16) -> None:
    """Write atomically, or raise InputError. float16 rounds weights far less than 16-bit passes do; None: as is."""
    content = {
        "schema": SCHEMA,
        "network": {name: as_lists(value) for name, value in asdict(bundle.network).items()},
        "patch_zyx": list(bundle.patch_zyx),
        "spacing_zyx": list(bundle.spacing_zyx),
        "normalisation": [asdict(channel) for channel in bundle.normalisation],
        "labels": LABELS,
        "mirror_axes": list(bundle.mirror_axes),
        "provenance": bundle.provenance,
        "pipeline": bundle.pipeline,
        "channels": list(bundle.channels),
        "least_cm3": list(bundle.least_cm3),
        "states": [
            {name: tensor.detach().cpu().to(dtype).contiguous() for name, tensor in state.items()}
            for state in bundle.states
        ],
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as temporary:
            torch.save(content, temporary)
            # Refuses a value that is no plain one here, not at the user's.
            torch.load(temporary, weights_only=True)
    except (OSError, RuntimeError) as error:
        remedy = "choose another --out or free space"
        raise InputError(path, f"cannot be written ({reason(error)})", remedy) from None


def load_bundle(path: Path) -> Bundle:
    """Read a weights file without executing anything in it.

    Raises InputError where the file is missing, no weights file, of another schema, or inconsistent in itself.
    """
    if not path.is_file():
        raise InputError(path, "no such weights file", "give one with --weights")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise InputError(
            path, "not a weights file, or one with more in it than plain values", "train or import one"
        ) from None
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise InputError(
            path, f"not a readable weights file ({reason(error)})", "train or import one"
        ) from None
    schema = content.get("schema") if isinstance(content, dict) else None
    if schema != SCHEMA:
        raise InputError(
            path, f"weights schema is {schema!r}, this version reads {SCHEMA!r}", "train or import anew"
        )
    try:
        bundle = _from_content(content)
        bundle.build_networks()
    except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
        raise InputError(path, f"damaged weights file ({reason(error)})", "train or import anew") from None
    return bundle


def _from_content(content: dict[str, Any]) -> Bundle:
    """Raises KeyError, TypeError or ValueError where the file's content is not a consistent bundle."""
    if content["labels"] != LABELS:
        raise ValueError(f"labels are {content['labels']}, expected {LABELS}")
    bundle = Bundle(
        network=NetworkPlan(**{name: as_tuples(value) for name, value in content["network"].items()}),
        patch_zyx=as_tuples(content["patch_zyx"]),
        spacing_zyx=as_tuples(content["spacing_zyx"]),
        normalisation=tuple(Normalisation(**channel) for channel in content["normalisation"]),
        mirror_axes=as_tuples(content["mirror_axes"]),
        provenance=content["provenance"],
        states=tuple(content["states"]),
        pipeline=content["pipeline"],
        channels=tuple(content["channels"]),
        least_cm3=tuple(float(volume) for volume in content["least_cm3"]),
    )
    _check(bundle)
    return bundle


def _check(bundle: Bundle) -> None:
    """Raises ValueError where a bundle is inconsistent in itself."""
    for value, known in (
        (bundle.pipeline, PIPELINE_NAMES),
        *((channel, CHANNELS) for channel in bundle.channels),
        *((channel.scheme, SCHEMES) for channel in bundle.normalisation),
    ):
        if value not in known:
            raise ValueError(f"{value!r} is none of {', '.join(known)}")
    if not bundle.states:
        raise ValueError("no network in it")
    if not set(bundle.mirror_axes) <= {0, 1, 2}:
        raise ValueError(f"mirror axes are {bundle.mirror_axes}, expected some of 0, 1, 2")
    if bundle.network.num_classes != len(LABELS) + 1:
        raise ValueError(f"{bundle.network.num_classes} classes for {len(LABELS)} labels and background")
    if len(bundle.least_cm3) != len(LABELS):
        raise ValueError(f"{len(bundle.least_cm3)} least volumes for {len(LABELS)} labels")
    counts = {len(bundle.normalisation), len(bundle.channels), bundle.network.in_channels}
    if len(counts) > 1:
        raise ValueError(f"normalisations, channels and the network's inputs differ in number: {counts}")
    if any(p % s for p, s in zip(bundle.patch_zyx, bundle.network.total_stride_zyx, strict=True)):
        raise ValueError(
            f"patch {bundle.patch_zyx} is no multiple of the stride {bundle.network.total_stride_zyx}"
        )
