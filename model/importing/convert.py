"""From a model as nnU-Net has it to a bundle: axes to (z, y, x), classes to background, GTVp, GTVnd."""

import datetime
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from model.errors import InputError, reason
from model.importing.model import Model
from model.network.bundle import CHANNELS, Bundle, check_bundle
from model.network.plain import quoted

# The layers whose output channels are classes.
HEADS = "decoder.seg_layers."


def _told(kinds: tuple[str | None, ...]) -> tuple[str, ...]:
    """What the inputs are, by their names; in the usual order where these do not tell.

    Empty where one is no CT, or both are said to be the same.
    """
    if None in kinds or kinds in (("ct", "ct"), ("ce", "ce")):
        return ()
    if kinds in (("ce", "ct"), ("ce", ""), ("", "ct")):
        return ("ce", "ct")
    return (kinds[0],) if len(kinds) == 1 and kinds[0] else CHANNELS


def to_bundle(
    model: Model, source: Path, *, channels: str | None = None, labels: str | None = None, command: str = ""
) -> Bundle:
    """Bring axes to (z, y, x) and classes to the order background, GTVp, GTVnd.

    source: the model's folder, for messages. channels: what the network's inputs are, such as "ce,ct". labels: values
    of GTVp and GTVnd, such as "2,1", where the model's own names do not tell. command: kept in the provenance. Raises
    InputError where these do not fit the model.
    """
    count = model.network.in_channels
    names = _told(model.channels) if channels is None else tuple(channels.split(","))
    if len(names) != count or len(set(names)) != count or not set(names) <= set(CHANNELS):
        raise InputError(
            source,
            f"the network has {count} channel(s), and their names do not tell what they are",
            f"say which with --channels, for example {'ct,ce or ce,ct' if count == 2 else 'ce'}"
            " (ct: non-contrast, ce: contrast-enhanced)",
        )
    values = {"1,2": (1, 2), "2,1": (2, 1)}.get(labels) if labels is not None else model.labels
    if values is None or sorted(values) != [1, 2]:
        raise InputError(
            source,
            "the labels' names do not say which is GTVp and which GTVnd",
            "say it with --labels 1,2 or --labels 2,1 (GTVp first)",
        )
    provenance = {
        "data": f"imported from {source.resolve().name}",
        "command": command,
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "trainer": model.trainer,
        "torch": str(torch.__version__),
    }
    try:
        bundle = replace(_reordered(model, [0, *values]), provenance=provenance, channels=names)
        check_bundle(bundle)
    except (ValueError, TypeError, IndexError, RuntimeError) as error:
        fact = f"weights and plans do not fit or are damaged ({reason(error)})"
        raise InputError(source, fact, "give the checkpoint that belongs to the plans") from None
    return bundle


def _reordered(model: Model, classes: list[int]) -> Bundle:
    """The model with its axes as (z, y, x) and its classes in this order. Raises ValueError where axes are none."""
    if sorted(model.transpose) != [0, 1, 2]:
        raise ValueError(f"the order of axes is {quoted(model.transpose)}")
    back = [model.transpose.index(axis) for axis in range(3)]

    def turned(value: Any) -> Any:
        return tuple(value[back[axis]] for axis in range(3))

    def moved(name: str, tensor: Tensor) -> Tensor:
        tensor = tensor.permute(0, 1, *(2 + axis for axis in back)) if tensor.ndim == 5 else tensor
        tensor = tensor[classes] if name.startswith(HEADS) else tensor
        return tensor.detach().to(torch.float32).clone(memory_format=torch.contiguous_format)

    network = replace(
        model.network,
        kernels=tuple(turned(kernel) for kernel in model.network.kernels),
        strides=tuple(turned(stride) for stride in model.network.strides),
        decoder_kernels=tuple(turned(kernel) for kernel in model.network.decoder_kernels),
    )
    return Bundle(
        network=network,
        patch_zyx=turned(model.patch),
        spacing_zyx=turned(model.spacing),
        normalisation=model.normalisation,
        mirror_axes=tuple(sorted(model.transpose[axis] for axis in model.mirror_axes)),
        provenance={},
        states=tuple({name: moved(name, tensor) for name, tensor in state.items()} for state in model.states),
        pipeline=model.pipeline,
    )
