"""The weights file: network, plan, normalisation and provenance in one file of plain tensors and plain values.

It holds a SHA-256 of all that, which is compared when it is read; older files have none.
"""

from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from model.errors import InputError, reason
from model.network.checkpoints import read_checkpoint
from model.network.plain import check_number, check_whole, plain, quoted
from model.network.plan import NetworkPlan, Triple, as_lists, as_tuples
from model.network.states import check_states, fingerprint
from model.network.unet import UNet
from model.structures import LABELS
from model.writing import whole_file

SCHEMA = "gtvseg-weights-3"
# Whose cropping, resampling and averaging the weights expect: see model/preprocessing/pipelines.py.
PIPELINE_NAMES = ("gtvseg", "nnunet-v2", "nnunet-v1")
# Non-contrast and contrast-enhanced.
CHANNELS = ("ct", "ce")
SCHEMES = ("ct", "zscore", "masked-zscore", "rescale-0-1", "none")
CHECKSUM = "sha256"
# Entries that a file need not have.
PERHAPS = ("confidence",)
# Beyond these a value is no CT's: mm, voxels of a patch, HU, cm³. A head has 4000 cm³, and no lesion half of it.
SPACING_MM, MOST_PATCH_VOXELS, MOST_HU, MOST_CM3 = (0.05, 50.0), 2**25, 1e6, 1000.0
LEAST_STD = 1e-8
MOST_CALIBRATION = 100.0
MOST_NETWORKS = 100


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
    confidence: for each label the numbers of its calibration, what `calibrated` in model/inference/confidence.py takes
    (offset and slope alone in older files); None: none.
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
    confidence: tuple[tuple[float, ...], ...] | None = None

    def build_networks(self) -> list[UNet]:
        """The networks in evaluation mode with these weights, float32 on the CPU.

        Weights that are float32 here are not copied: whoever changes the networks' changes them here, too.
        """
        networks = []
        for state in self.states:
            with torch.device("meta"):  # neither memory nor random values, since all of them are given
                networks.append(UNet(self.network).eval())
            values = {name: tensor.float() for name, tensor in state.items()}
            networks[-1].load_state_dict(values, assign=True)
        return networks

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256, in hexadecimal, of all plain values and all tensors as they are here; they must be on the CPU."""
        return fingerprint(self.values(), self.states)

    @cached_property
    def fingerprint_of_tensors(self) -> str:
        """The same of the tensors alone: it stays where scores or least volumes are noted in the file."""
        return fingerprint(None, self.states)

    def values(self) -> dict[str, Any]:
        """All but the tensors as plain values, as the file holds them. Raises ValueError where one is no plain one."""
        values = {
            "schema": SCHEMA,
            "labels": LABELS,
            "network": {name: as_lists(value) for name, value in asdict(self.network).items()},
            "normalisation": [asdict(channel) for channel in self.normalisation],
            "provenance": self.provenance,
            "pipeline": self.pipeline,
        }
        for name in ("patch_zyx", "spacing_zyx", "mirror_axes", "channels", "least_cm3"):
            values[name] = list(getattr(self, name))
        if self.confidence is not None:
            values["confidence"] = as_lists(self.confidence)
        copy: dict[str, Any] = plain(values)
        return copy


def save_bundle(bundle: Bundle, path: Path, dtype: torch.dtype | None = torch.float16) -> None:
    """Write atomically, or raise InputError, also where load_bundle would refuse what was written.

    float16 rounds weights far less than 16-bit passes do; None: as is.
    """
    stored = as_stored(bundle, dtype)
    try:
        check_bundle(stored)
        content = stored.values() | {"states": list(stored.states), CHECKSUM: stored.fingerprint}
    except ValueError as error:
        remedy = "these weights are of no use; train or import anew"
        raise InputError(path, f"not written: {reason(error)}", remedy) from None
    remedy = "choose another --out or free space"
    try:
        if path.exists() and not path.is_file():
            raise ValueError("not a regular file")  # a device would be replaced
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as temporary:
            with temporary.open("wb") as file:  # by its name torch would call the archive's folder after it
                torch.save(content, file)
            load_bundle(temporary)
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError(path, f"cannot be written ({reason(error)})", remedy) from None
    except InputError as error:
        raise InputError(path, f"cannot be written ({error.fact})", remedy) from None


def as_stored(bundle: Bundle, dtype: torch.dtype | None = torch.float16) -> Bundle:
    """With tensors on the CPU, in a number format (None: as they are), each in memory of its own."""
    states = tuple(
        # A copy, since torch would write all of the tensor of which one is a part.
        {
            name: tensor.detach().cpu().to(dtype or tensor.dtype).contiguous().clone()
            for name, tensor in state.items()
        }
        for state in bundle.states
    )
    return replace(bundle, states=states)


def load_bundle(path: Path) -> Bundle:
    """Read a weights file without executing anything in it.

    Raises InputError where the file is missing, no weights file, of another schema, damaged, or inconsistent in itself.
    """
    try:
        content = read_checkpoint(path)
    except FileNotFoundError:
        raise InputError(path, "no such weights file", "give one with --weights") from None
    except (OSError, ValueError) as error:
        fact = f"not a readable weights file ({reason(error)})"
        raise InputError(path, fact, "give one that was trained or imported") from None
    schema = content.get("schema") if isinstance(content, dict) else None
    if schema != SCHEMA:
        fact = f"weights schema is {quoted(schema)}, this version reads {SCHEMA!r}"
        raise InputError(path, fact, "train or import anew")
    try:
        states = content.pop("states")
        bundle = _from_content(plain(content), states)
        check_bundle(bundle)
        if content.get(CHECKSUM, bundle.fingerprint) != bundle.fingerprint:
            raise ValueError("its content does not fit its checksum")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(path, f"damaged weights file ({reason(error)})", "train or import anew") from None
    return bundle


def _from_content(values: dict[str, Any], states: Any) -> Bundle:
    """Raises KeyError, TypeError or ValueError where the file's content is of another form."""
    expected = {"schema", "labels"} | {field.name for field in fields(Bundle)} - {"states", *PERHAPS}
    other = sorted(set(values) - {CHECKSUM, *PERHAPS} ^ expected, key=str)
    if other:
        raise ValueError(f"{len(other)} entries missing or unknown, first: {quoted(other[0])}")
    if repr(values["labels"]) != repr(LABELS):
        raise ValueError(f"labels are {quoted(values['labels'])}, expected {LABELS}")
    if not isinstance(states, (list, tuple)) or not 1 <= len(states) <= MOST_NETWORKS:
        raise ValueError(f"networks are {quoted(states)}, expected 1 to {MOST_NETWORKS}")
    return Bundle(
        network=NetworkPlan(**{name: as_tuples(value) for name, value in values["network"].items()}),
        patch_zyx=as_tuples(values["patch_zyx"]),
        spacing_zyx=as_tuples(values["spacing_zyx"]),
        normalisation=tuple(Normalisation(**channel) for channel in values["normalisation"]),
        mirror_axes=as_tuples(values["mirror_axes"]),
        provenance=values["provenance"],
        states=tuple(states),
        pipeline=values["pipeline"],
        channels=as_tuples(values["channels"]),
        least_cm3=as_tuples(values["least_cm3"]),
        confidence=as_tuples(values["confidence"]) if "confidence" in values else None,
    )


def check_bundle(bundle: Bundle) -> None:
    """Raises ValueError where a bundle is inconsistent in itself or has values that no weights have."""
    _check_names(bundle)
    _check_numbers(bundle)
    if not bundle.states:
        raise ValueError("no network in it")
    bundle.values()  # raises where the provenance is no plain one
    check_states(bundle.states, bundle.network)


def _check_names(bundle: Bundle) -> None:
    for value, known in (
        (bundle.pipeline, PIPELINE_NAMES),
        *((channel, CHANNELS) for channel in bundle.channels),
        *((channel.scheme, SCHEMES) for channel in bundle.normalisation),
    ):
        if value not in known:
            raise ValueError(f"{quoted(value)} is none of {', '.join(known)}")
    if len(set(bundle.channels)) < len(bundle.channels):
        raise ValueError(f"channels are {quoted(bundle.channels)}, one of them twice")
    if not isinstance(bundle.provenance, dict):
        raise ValueError(f"provenance is {quoted(bundle.provenance)}")


def _check_confidence(calibration: tuple[tuple[float, ...], ...] | None) -> None:
    if calibration is None:
        return
    if not isinstance(calibration, tuple) or len(calibration) != len(LABELS):
        raise ValueError(f"confidence is {quoted(calibration)}, expected numbers for {len(LABELS)}")
    for line in calibration:
        if not isinstance(line, tuple) or len(line) not in (2, 3, 4):
            raise ValueError(f"confidence has {quoted(line)}, expected two to four numbers")
        check_number("offset of a confidence", line[0], -MOST_CALIBRATION, MOST_CALIBRATION)
        check_number("slope of a confidence", line[1], 0, MOST_CALIBRATION)
        for number in line[2:3]:
            check_number("slope by volume of a confidence", number, -MOST_CALIBRATION, MOST_CALIBRATION)
        for number in line[3:]:
            check_number("confidence in an empty mask", number, 0, 1)


def _check_numbers(bundle: Bundle) -> None:
    network = bundle.network
    if network.num_classes != len(LABELS) + 1:
        raise ValueError(f"{network.num_classes} classes for {len(LABELS)} labels and background")
    counts = {len(bundle.normalisation), len(bundle.channels), network.in_channels}
    if len(counts) > 1:
        raise ValueError(f"normalisations, channels and the network's inputs differ in number: {counts}")
    for name, values, count in (
        ("patch", bundle.patch_zyx, 3),
        ("spacing", bundle.spacing_zyx, 3),
        ("least volume", bundle.least_cm3, len(LABELS)),
    ):
        if len(values) != count:
            raise ValueError(f"{name} is {quoted(values)}, expected {count} values")
    for side, stride in zip(bundle.patch_zyx, network.total_stride_zyx, strict=True):
        check_whole("side of the patch", side, 1, MOST_PATCH_VOXELS)
        if side % stride:
            raise ValueError(
                f"patch {bundle.patch_zyx} is no multiple of {network.total_stride_zyx}, the stride"
            )
    if prod(bundle.patch_zyx) > MOST_PATCH_VOXELS:
        raise ValueError(f"patch {bundle.patch_zyx} is too large")
    for spacing in bundle.spacing_zyx:
        check_number("spacing in mm", spacing, *SPACING_MM)
    for volume in bundle.least_cm3:
        check_number("least volume in cm³", volume, 0, MOST_CM3)
    _check_confidence(bundle.confidence)
    for axis in bundle.mirror_axes:
        check_whole("mirror axis", axis, 0, 2)
    if len(set(bundle.mirror_axes)) < len(bundle.mirror_axes):
        raise ValueError(f"mirror axes are {quoted(bundle.mirror_axes)}, one of them twice")
    for channel in bundle.normalisation:
        check_number("lower HU", channel.lower, -MOST_HU, MOST_HU)
        check_number("upper HU, not below the lower,", channel.upper, channel.lower, MOST_HU)
        if channel.scheme == "ct" and channel.upper == channel.lower:
            raise ValueError(f"lower and upper HU are both {channel.lower:g}: every image would be one value")
        check_number("mean", channel.mean, -MOST_HU, MOST_HU)
        check_number("standard deviation", channel.std, LEAST_STD, MOST_HU)
