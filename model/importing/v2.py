"""nnU-Net v2 models: plans.json, dataset.json, fold_x/checkpoint_final.pth; PlainConvUNet and ResidualEncoderUNet."""

import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from model.described import channel_kinds
from model.documents import read_object
from model.errors import InputError
from model.importing.model import Model, ct_normalisation, per_stage, spacing_of, state_of, triple_of
from model.importing.pickles import load_tensors
from model.importing.trainers import mirrors_of
from model.network.bundle import Normalisation
from model.network.plain import plain, quoted
from model.network.plan import NetworkPlan, whole
from model.network.unet import UNet
from model.structures import LABELS, named_labels

REMEDY = "give a trained-model folder"
# nnU-Net's normalisations and their names here.
SCHEMES = {
    "CTNormalization": "ct",
    "ZScoreNormalization": "zscore",
    "RescaleTo01Normalization": "rescale-0-1",
    "NoNormalization": "none",
}
# The spline order of the only supported resampling function, and all that it can be given with its own defaults.
RESAMPLING = {"resampling_fn_data": 3, "resampling_fn_probabilities": 1}
RESAMPLING_DEFAULTS = {
    "is_seg": False,
    "order": 3,
    "order_z": 0,
    "force_separate_z": False,
    "separate_z_anisotropy_threshold": 3,
}
# The network classes that are known, and what they are built with besides what NetworkPlan has. A class says nothing
# that it does not have; where plans say nothing, its own default is another than nnU-Net's plans always say.
NETWORKS = "dynamic_network_architectures.architectures.unet."
PLAIN, RESIDUAL = "PlainConvUNet", "ResidualEncoderUNet"
SIZES = {
    "n_stages",
    "features_per_stage",
    "kernel_sizes",
    "strides",
    "n_conv_per_stage",
    "n_blocks_per_stage",
    "n_conv_per_stage_decoder",
}
SETTINGS: dict[str, tuple[Any, ...]] = {  # each with what it may be
    "conv_op": (None, "torch.nn.modules.conv.Conv3d", "torch.nn.Conv3d"),
    "conv_bias": (True,),
    "norm_op": ("torch.nn.modules.instancenorm.InstanceNorm3d", "torch.nn.InstanceNorm3d"),
    "nonlin": ("torch.nn.LeakyReLU", "torch.nn.modules.activation.LeakyReLU"),
    "dropout_op": (None,),
    "dropout_op_kwargs": (None, {}),
    "deep_supervision": (None, False, True),
    "nonlin_first": (None, False),
    "block": (None, "dynamic_network_architectures.building_blocks.residual.BasicBlockD"),
    "bottleneck_channels": (None,),
    "stem_channels": (None,),
}
# Of plans before 2.4, which did not say it.
BEFORE_2_4 = {key: SETTINGS[key][0] for key in ("conv_bias", "norm_op", "nonlin")}
# Parameters of a convolution, and of the norm right after it, once more.
AGAIN = re.compile(r"\.all_modules\.[01]\.\w+$")
# Of the norm and of the nonlinearity: what they may be. Where a norm says nothing it has no weights, which is noticed.
FIGURES: dict[str, dict[str, tuple[Any, ...]]] = {
    "norm_op_kwargs": {
        "eps": (1e-5,),
        "affine": (True,),
        "momentum": (0.1,),
        "track_running_stats": (False,),
    },
    "nonlin_kwargs": {"negative_slope": (0.01,), "inplace": (False, True)},
}


def read_v2(folder: Path, folds: list[str], checkpoint: str, trainer: str | None = None) -> Model:
    """Plans of either form, which changed in 2.4. trainer: as for read_model.

    Raises InputError for what is unreadable or unsupported, others for other plans.
    """
    plans, dataset = (read_object(folder / name, REMEDY) for name in ("plans.json", "dataset.json"))
    paths = [folder / f"fold_{fold}" / checkpoint for fold in folds]
    checkpoints = [load_tensors(path) for path in paths]
    told = [told_of(content) for content in checkpoints]
    if any(other != told[0] for other in told):
        fact = "the folds are of different trainers, mirrors or configurations"
        raise InputError(folder, fact, "import one fold with --fold")
    own, mirrors, name = told[0]
    trained = mirrors_of(folder, "nnunet-v2", own, trainer)
    configuration = inherited(plans, name)
    check_supported(folder / "plans.json", plans, configuration)
    kinds = channel_kinds(dataset.get("channel_names") or dataset["modality"])
    channels = len(kinds)
    network = network_plan(folder / "plans.json", configuration, channels, len(LABELS) + 1)
    with torch.device("meta"):
        names = list(UNet(network).state_dict())
    return Model(
        network=network,
        patch=triple_of(configuration["patch_size"]),
        spacing=spacing_of(configuration["spacing"]),
        normalisation=normalisations(folder / "plans.json", plans, configuration, channels),
        # Early versions without augmentation allowed mirrors that they had not trained with.
        mirror_axes=tuple(axis for axis in map(whole, mirrors or ()) if axis in trained),
        transpose=triple_of(plans["transpose_forward"]),
        labels=label_values(folder / "dataset.json", dataset["labels"]),
        states=tuple(
            pick_state(path, state_of(content["network_weights"]), names)
            for path, content in zip(paths, checkpoints, strict=True)
        ),
        pipeline="nnunet-v2",
        channels=tuple(kinds),
        trainer=own if trainer is None else f"{quoted(own)}, taken as {trainer}",
    )


def told_of(content: dict[str, Any]) -> list[Any]:
    """What a checkpoint tells: its trainer's name, the axes of mirrors (None without), the configuration's name."""
    axes = content.get("inference_allowed_mirroring_axes")
    told: list[Any] = plain([content["trainer_name"], axes, content["init_args"]["configuration"]])
    return told


def normalisations(
    path: Path, plans: dict[str, Any], configuration: dict[str, Any], channels: int
) -> tuple[Normalisation, ...]:
    """Of each channel."""
    properties = plans["foreground_intensity_properties_per_channel"]
    masks = configuration.get("use_mask_for_norm") or [False] * channels
    schemes = []
    for channel, (name, mask) in enumerate(zip(configuration["normalization_schemes"], masks, strict=True)):
        if name not in SCHEMES:
            raise InputError(
                path, f"normalisation {quoted(name)} is not supported", f"only {', '.join(SCHEMES)} are"
            )
        scheme = f"masked-{SCHEMES[name]}" if mask and SCHEMES[name] == "zscore" else SCHEMES[name]
        is_ct = scheme == "ct"
        schemes.append(
            ct_normalisation(properties[str(channel)], "std") if is_ct else Normalisation(scheme=scheme)
        )
    return tuple(schemes)


def inherited(plans: dict[str, Any], name: str) -> dict[str, Any]:
    """A configuration with what it inherits. Raises ValueError where it inherits from itself."""
    configuration, seen = dict(plans["configurations"][name]), {name}
    while "inherits_from" in configuration:
        name = configuration.pop("inherits_from")
        if name in seen:
            raise ValueError(f"configuration {quoted(name)} inherits from itself")
        seen.add(name)
        configuration = plans["configurations"][name] | configuration
    return configuration


def check_supported(path: Path, plans: dict[str, Any], configuration: dict[str, Any]) -> None:
    """Raise InputError for what this container would not reproduce."""
    if len(configuration["patch_size"]) != 3:
        raise InputError(path, "a 2D configuration", "only 3D networks are supported")
    if configuration.get("previous_stage"):
        raise InputError(path, "a cascade", "only single-stage networks are supported")
    reader = plans.get("image_reader_writer", "SimpleITKIO")
    if reader not in ("SimpleITKIO", "NibabelIO"):
        raise InputError(
            path, f"images were read by {quoted(reader)}", "only SimpleITKIO and NibabelIO are supported"
        )
    preprocessor = configuration.get("preprocessor_name", "DefaultPreprocessor")
    if preprocessor != "DefaultPreprocessor":
        raise InputError(path, f"{quoted(preprocessor)} is not supported", "only DefaultPreprocessor is")
    for key, order in RESAMPLING.items():
        check_resampling(path, configuration, key, order)


def check_resampling(path: Path, configuration: dict[str, Any], key: str, order: int) -> None:
    """Raise InputError where it is not as nnU-Net's planner has it. Plans that name neither are taken as its own."""
    usual = RESAMPLING_DEFAULTS | {"order": order, "force_separate_z": None}
    unsaid = not {key, f"{key}_kwargs"} & configuration.keys()
    asked = usual if unsaid else RESAMPLING_DEFAULTS | (configuration.get(f"{key}_kwargs") or {})
    name = configuration.get(key, "resample_data_or_seg_to_shape")
    if name != "resample_data_or_seg_to_shape":
        raise InputError(path, f"{key} is {quoted(name)}", "only the default resampling is supported")
    for what in asked:
        if what not in usual or asked[what] != usual[what]:
            fact = f"{key} with {quoted(what)} {quoted(asked[what])}"
            raise InputError(path, fact, "only the default resampling is supported")


def label_values(path: Path, labels: Any) -> tuple[int, int] | None:
    """Values of GTVp and GTVnd by their names; None where the names do not tell."""
    try:
        values = named_labels(labels)
    except ValueError as error:
        raise InputError(path, str(error), "train with plain labels") from None
    if sorted(values.values()) != [1, 2]:
        raise InputError(
            path, f"labels {values}", "exactly two are needed, GTVp and GTVnd, with values 1 and 2"
        )
    return (values["GTVp"], values["GTVnd"]) if set(values) == set(LABELS) else None


def network_plan(path: Path, configuration: dict[str, Any], channels: int, classes: int) -> NetworkPlan:
    """From either form of a v2 configuration. Raises InputError for another architecture."""
    architecture = configuration.get("architecture")
    if architecture is None:  # the form before 2.4
        stages = len(configuration["conv_kernel_sizes"])
        name = configuration["UNet_class_name"]
        base, most = configuration["UNet_base_num_features"], configuration["unet_max_num_features"]
        kwargs: dict[str, Any] = {
            "features_per_stage": [min(base * 2**stage, most) for stage in range(stages)],
            "kernel_sizes": configuration["conv_kernel_sizes"],
            "strides": configuration["pool_op_kernel_sizes"],
            "n_conv_per_stage": configuration["n_conv_per_stage_encoder"],
            "n_conv_per_stage_decoder": configuration["n_conv_per_stage_decoder"],
            **BEFORE_2_4,
        }
    else:
        name, kwargs = architecture["network_class_name"], architecture["arch_kwargs"]
        name = name.removeprefix(NETWORKS)
    check_architecture(path, name, kwargs)
    stages = len(kwargs["features_per_stage"])
    encoder = kwargs["n_blocks_per_stage"] if "n_blocks_per_stage" in kwargs else kwargs["n_conv_per_stage"]
    return NetworkPlan(
        channels,
        classes,
        per_stage(kwargs["features_per_stage"], stages),
        tuple(triple_of(kernel) for kernel in kwargs["kernel_sizes"]),
        tuple(triple_of(stride) for stride in kwargs["strides"]),
        per_stage(encoder, stages),
        per_stage(kwargs["n_conv_per_stage_decoder"], stages - 1),
        residual=name == RESIDUAL,
    )


def check_architecture(path: Path, name: Any, kwargs: dict[str, Any]) -> None:
    """Raise InputError where the network would not be built as it is here, whatever its weights are called."""
    if name not in (PLAIN, RESIDUAL):
        fact = f"architecture {quoted(name)} is not supported"
        raise InputError(path, fact, f"{PLAIN} and {RESIDUAL} of nnU-Net are")
    for key in kwargs.keys() - SIZES - SETTINGS.keys() - FIGURES.keys():
        fact = f"the network is built with {quoted(key)} {quoted(kwargs[key])}, which is not known here"
        raise InputError(path, fact, "only nnU-Net's own options are supported")
    for key, allowed in SETTINGS.items():
        given = kwargs.get(key)
        if not any(type(given) is type(value) and given == value for value in allowed):
            fact = f"{key} is {quoted(given) if key in kwargs else 'not given'}"
            raise InputError(path, fact, f"only {allowed[0]} is supported")
    for key, known in FIGURES.items():
        for figure, given in (kwargs.get(key) or {}).items():
            if given not in known.get(figure, ()):
                fact = f"{key} with {quoted(figure)} {quoted(given)} is not supported"
                raise InputError(path, fact, "nnU-Net's own is")


def pick_state(path: Path, state: dict[str, Tensor], names: list[str]) -> dict[str, Tensor]:
    """The tensors of these names; nnU-Net stores most of them again under the names of modules that share them."""
    missing = [name for name in names if name not in state]
    other = [
        n for n in state if n not in names and not AGAIN.search(n) and not n.startswith("decoder.encoder.")
    ]
    if missing or other:
        raise InputError(
            path,
            f"its weights are not those of the network in plans.json ({len(missing)} missing, "
            f"{len(other)} unknown, first: {quoted((missing + other)[0])})",
            "give the checkpoint that belongs to the plans",
        )
    return {name: state[name] for name in names}
