"""nnU-Net v1 models (Generic_UNet): plans.pkl, fold_x/model_final_checkpoint.model and .model.pkl."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from model.errors import InputError
from model.importing.model import Model, ct_normalisation, spacing_of, state_of, triple_of
from model.importing.pickles import load_plain, load_tensors
from model.importing.trainers import mirrors_of
from model.network.bundle import Normalisation
from model.network.plain import quoted
from model.network.plan import NetworkPlan

CHECKPOINT = "model_final_checkpoint.model"
# How probabilities are resampled where the plans say nothing of it.
EXPORT = {"force_separate_z": None, "interpolation_order": 1, "interpolation_order_z": 0}
# Index of the stage among the trainer's arguments.
STAGE = 5
# nnU-Net's normalisations without figures, and their names here.
SCHEMES = {"nonCT": "zscore", "noNorm": "none"}
# What a convolution block consists of: names there and here.
LAYERS = (("conv", "conv"), ("instnorm", "norm"))


def read_v1(folder: Path, folds: list[str], trainer: str | None = None) -> Model:
    """trainer: as for read_model. Raises InputError for what is unreadable or unsupported, others for other plans."""
    plans = load_plain(folder / "plans.pkl")
    paths = [folder / (fold if fold == "all" else f"fold_{fold}") / CHECKPOINT for fold in folds]
    abouts = [load_plain(path.with_name(path.name + ".pkl")) for path in paths]
    own, number = abouts[0]["name"], abouts[0]["init"][STAGE]
    if any((about["name"], about["init"][STAGE]) != (own, number) for about in abouts):
        raise InputError(
            folder, "the folds are of different trainers or stages", "import one fold with --fold"
        )
    mirrors = mirrors_of(folder, "nnunet-v1", own, trainer)
    stage = plans["plans_per_stage"][max(plans["plans_per_stage"]) if number is None else number]
    check_supported(folder, plans, stage)
    strides = [(1, 1, 1), *(triple_of(pool) for pool in stage["pool_op_kernel_sizes"])]
    states, networks = [], []
    for path in paths:
        state = state_of(load_tensors(path)["state_dict"])
        networks.append(network_plan(state, strides))
        states.append(renamed(state, networks[-1]))
    if len(set(networks)) > 1:
        raise InputError(folder, "the folds are different networks", "import one fold with --fold")
    return Model(
        network=networks[0],
        patch=triple_of(stage["patch_size"]),
        spacing=spacing_of(stage["current_spacing"]),
        normalisation=channel_schemes(folder, plans),
        mirror_axes=mirrors,
        transpose=triple_of(plans["transpose_forward"]),
        labels=(1, 2),  # v1 keeps no names; SegRap's baseline has them in this order
        states=tuple(states),
        pipeline="nnunet-v1",
        trainer=own if trainer is None else f"{quoted(own)}, taken as {trainer}",
    )


def check_supported(folder: Path, plans: dict[str, Any], stage: dict[str, Any]) -> None:
    """Raise InputError for what this container would not reproduce."""
    if len(stage["patch_size"]) != 3:
        raise InputError(folder, "a 2D configuration", "only 3D networks are supported")
    preprocessor = plans.get("preprocessor_name")
    if preprocessor not in (None, "GenericPreprocessor"):
        raise InputError(folder, f"{quoted(preprocessor)} is not supported", "only GenericPreprocessor is")
    if any(dict(plans["use_mask_for_norm"]).values()):
        raise InputError(folder, "normalisation within a mask", "only v2 models may have it")
    export = plans.get("segmentation_export_params")
    if export is not None and dict(export) != EXPORT:
        fact = f"probabilities are resampled with {quoted(export)}"
        raise InputError(folder, fact, "only nnU-Net's default is supported")


def channel_schemes(folder: Path, plans: dict[str, Any]) -> tuple[Normalisation, ...]:
    figures = plans["dataset_properties"]["intensityproperties"]
    schemes = []
    for channel in range(plans["num_modalities"]):
        name = plans["normalization_schemes"][channel]
        if name not in ("CT", *SCHEMES):
            fact = f"normalisation {quoted(name)} is not supported"
            raise InputError(folder, fact, f"only CT, {' and '.join(SCHEMES)} are")
        if name == "CT":
            schemes.append(ct_normalisation(figures[channel], "sd"))
        else:
            schemes.append(Normalisation(scheme=SCHEMES[name]))
    return tuple(schemes)


def network_plan(state: dict[str, Tensor], strides: list[Any]) -> NetworkPlan:
    """From the weights' shapes. A decoder stage takes the kernel of the encoder stage below, as v1 has it."""
    levels = len(strides) - 1
    encoder = [level_convs(state, context(level, levels)) for level in range(levels + 1)]
    decoder = [level_convs(state, localization(level)) for level in range(levels)]
    return NetworkPlan(
        encoder[0][0].shape[1],
        state["seg_outputs.0.weight"].shape[0],
        tuple(convs[-1].shape[0] for convs in encoder),
        tuple(triple_of(tuple(convs[0].shape[2:])) for convs in encoder),
        tuple(strides),
        tuple(len(convs) for convs in encoder),
        tuple(len(convs) for convs in decoder),
        tuple(triple_of(tuple(convs[0].shape[2:])) for convs in decoder),
    )


def renamed(state: dict[str, Tensor], plan: NetworkPlan) -> dict[str, Tensor]:
    """The parameters under gtvseg's names; v1's transposed convolutions and heads have no bias: zeros.

    Raises KeyError where something is missing, ValueError where something is left over.
    """
    levels, rest = len(plan.features) - 1, dict(state)
    result: dict[str, Tensor] = {}
    stacks = [(context(k, levels), f"encoder.stages.{k}.0") for k in range(levels + 1)]
    stacks += [(localization(k), f"decoder.stages.{k}") for k in range(levels)]
    for there, here in stacks:
        for at, block in enumerate(blocks(state, there)):
            for old, new in LAYERS:
                for kind in ("weight", "bias"):
                    result[f"{here}.convs.{at}.{new}.{kind}"] = rest.pop(f"{block}.{old}.{kind}")
    for k in range(levels):
        for old, new, axis in (("tu", "transpconvs", 1), ("seg_outputs", "seg_layers", 0)):
            weight = rest.pop(f"{old}.{k}.weight")
            result[f"decoder.{new}.{k}.weight"] = weight
            bias = rest.pop(f"{old}.{k}.bias", torch.zeros(weight.shape[axis]))
            result[f"decoder.{new}.{k}.bias"] = bias
    if rest:
        raise ValueError(f"unknown weights, first: {next(iter(rest))}")
    return result


def context(level: int, levels: int) -> tuple[str, ...]:
    """Prefixes of an encoder stage's stacks: the lowest is two of them."""
    name = f"conv_blocks_context.{level}"
    return (name,) if level < levels else (f"{name}.0", f"{name}.1")


def localization(level: int) -> tuple[str, ...]:
    return tuple(f"conv_blocks_localization.{level}.{stack}" for stack in (0, 1))


def blocks(state: dict[str, Tensor], stacks: tuple[str, ...]) -> list[str]:
    """Prefixes of the convolution blocks, in order."""
    prefixes = []
    for stack in stacks:
        number = 0
        while f"{stack}.blocks.{number}.conv.weight" in state:
            prefixes.append(f"{stack}.blocks.{number}")
            number += 1
    return prefixes


def level_convs(state: dict[str, Tensor], stacks: tuple[str, ...]) -> list[Tensor]:
    return [state[f"{block}.conv.weight"] for block in blocks(state, stacks)]
