"""nnU-Net v1 models (Generic_UNet): plans.pkl, fold_x/model_final_checkpoint.model and .model.pkl."""

import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from model.errors import InputError
from model.importing.pickles import load_plain, load_tensors
from model.importing.v2 import Model, ct_figures, floats, triple
from model.network.bundle import Normalisation
from model.network.plan import NetworkPlan

CHECKPOINT = "model_final_checkpoint.model"
STAGE = 5  # place of the stage among the trainer's arguments
OTHER_NETWORKS = re.compile("_(ReLU|GeLU|Mish|LReLU_slope)")  # in a trainer's name; weights do not tell
PARTS = (("conv", "conv"), ("instnorm", "norm"))  # their names there and here


def read_v1(folder: Path, folds: list[str]) -> Model:
    """Raises InputError for what is unreadable or unsupported."""
    try:
        plans = load_plain(folder / "plans.pkl")
        paths = [folder / (fold if fold == "all" else f"fold_{fold}") / CHECKPOINT for fold in folds]
        about = load_plain(paths[0].with_name(paths[0].name + ".pkl"))
        trainer = str(about["name"])
        if "cascade" in trainer.lower():
            raise InputError(folder, "a cascade", "only single-stage networks are supported")
        if OTHER_NETWORKS.search(trainer):
            raise InputError(folder, f"{trainer} has another nonlinearity", "only leaky ReLU is supported")
        given = about["init"][STAGE]
        stage = plans["plans_per_stage"][max(plans["plans_per_stage"]) if given is None else given]
        if len(stage["patch_size"]) != 3:
            raise InputError(folder, "a 2D configuration", "only 3D networks are supported")
        if plans.get("preprocessor_name") not in (None, "GenericPreprocessor"):
            raise InputError(
                folder, f"{plans['preprocessor_name']} is not supported", "GenericPreprocessor is"
            )
        if any(dict(plans["use_mask_for_norm"]).values()):
            raise InputError(folder, "normalisation within a mask", "only v2 models may have it")
        normalisation = channel_schemes(folder, plans)
        strides = [(1, 1, 1), *(triple(pool) for pool in stage["pool_op_kernel_sizes"])]
        states, networks = [], []
        for path in paths:
            state = load_tensors(path)["state_dict"]
            networks.append(network_plan(state, strides))
            states.append(renamed(state, networks[-1]))
        if len(set(networks)) > 1:
            raise InputError(
                folder, "the folds are different networks", "import them one by one with --folds"
            )
        return Model(
            networks[0],
            triple(stage["patch_size"]),
            floats(stage["current_spacing"]),
            normalisation,
            () if "nomirroring" in trainer.lower() else (0, 1, 2),
            triple(plans["transpose_forward"]),
            (1, 2),  # v1 keeps no names; SegRap's baseline has them in this order
            tuple(states),
            "nnunet-v1",
            trainer,
        )
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise InputError(
            folder,
            f"not a complete nnU-Net v1 model ({type(error).__name__}: {error})",
            "give a trained-model folder",
        ) from None


def channel_schemes(folder: Path, plans: dict[str, Any]) -> tuple[Normalisation, ...]:
    figures = plans["dataset_properties"]["intensityproperties"]
    schemes = []
    for channel in range(plans["num_modalities"]):
        name = plans["normalization_schemes"][channel]
        if name in ("CT2",):
            raise InputError(
                folder, f"normalisation {name} is not supported", "only CT, z-score and none are"
            )
        if name == "CT":
            schemes.append(ct_figures(figures[channel], "sd"))
        else:
            schemes.append(Normalisation(scheme="none" if name == "noNorm" else "zscore"))
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
        tuple(triple(tuple(convs[0].shape[2:])) for convs in encoder),
        tuple(strides),
        tuple(len(convs) for convs in encoder),
        tuple(len(convs) for convs in decoder),
        tuple(triple(tuple(convs[0].shape[2:])) for convs in decoder),
    )


def renamed(state: dict[str, Tensor], plan: NetworkPlan) -> dict[str, Tensor]:
    """The parameters under gtvseg's names; v1's transposed convolutions and heads have no bias: zeros.

    Raises KeyError where something is missing, ValueError where something is left over.
    """
    levels, rest, found = len(plan.features) - 1, dict(state), {}
    stacks = [(context(k, levels), f"encoder.stages.{k}.0") for k in range(levels + 1)]
    stacks += [(localization(k), f"decoder.stages.{k}") for k in range(levels)]
    for there, here in stacks:
        for at, block in enumerate(blocks(state, there)):
            for old, new in PARTS:
                for kind in ("weight", "bias"):
                    found[f"{here}.convs.{at}.{new}.{kind}"] = rest.pop(f"{block}.{old}.{kind}")
    for k in range(levels):
        for old, new, axis in (("tu", "transpconvs", 1), ("seg_outputs", "seg_layers", 0)):
            weight = rest.pop(f"{old}.{k}.weight")
            found[f"decoder.{new}.{k}.weight"] = weight
            bias = rest.pop(f"{old}.{k}.bias", torch.zeros(weight.shape[axis]))
            found[f"decoder.{new}.{k}.bias"] = bias
    if rest:
        raise ValueError(f"unknown weights, first: {next(iter(rest))}")
    return found


def context(level: int, levels: int) -> tuple[str, ...]:
    """Prefixes of an encoder stage's stacks: the lowest is two of them."""
    name = f"conv_blocks_context.{level}"
    return (name,) if level < levels else (f"{name}.0", f"{name}.1")


def localization(level: int) -> tuple[str, ...]:
    return tuple(f"conv_blocks_localization.{level}.{part}" for part in (0, 1))


def blocks(state: dict[str, Tensor], stacks: tuple[str, ...]) -> list[str]:
    """Prefixes of the convolution blocks, in order."""
    found = []
    for stack in stacks:
        at = 0
        while f"{stack}.blocks.{at}.conv.weight" in state:
            found.append(f"{stack}.blocks.{at}")
            at += 1
    return found


def level_convs(state: dict[str, Tensor], stacks: tuple[str, ...]) -> list[Tensor]:
    return [state[f"{block}.conv.weight"] for block in blocks(state, stacks)]
