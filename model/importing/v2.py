"""Turn a trained nnU-Net into a weights file: python -m model.importing MODEL_DIR --folds 0,1,2,3,4 --out FILE.

MODEL_DIR is a v2 trained-model folder (plans.json, dataset.json, fold_x/checkpoint_final.pth; PlainConvUNet and
ResidualEncoderUNet) or a v1 one (plans.pkl, fold_x/model_final_checkpoint.model and .model.pkl; Generic_UNet). Several
folds become an ensemble. Nothing in the files is executed. Exit codes: 0 written, 2 it cannot be imported.
"""

import argparse
import datetime
import json
import sys
from argparse import ArgumentDefaultsHelpFormatter as DefaultsInHelp
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from model.errors import InputError, reason
from model.importing.pickles import load_tensors
from model.network.bundle import CHANNELS, Bundle, Normalisation, save_bundle
from model.network.plan import NetworkPlan, Triple
from model.network.unet import UNet
from model.structures import LABELS

SCHEMES = {
    "CTNormalization": "ct",
    "ZScoreNormalization": "zscore",
    "RescaleTo01Normalization": "rescale-0-1",
    "NoNormalization": "none",
}
RESAMPLING = {
    "resampling_fn_data": 3,
    "resampling_fn_probabilities": 1,
}  # order of the only supported function
HEADS = "decoder.seg_layers."
WRAPPERS = ("module.", "_orig_mod.")  # data-parallel and compiled networks
NAMES = {"gtvp": "GTVp", "gtvnd": "GTVnd"}


@dataclass(frozen=True)
class Model:
    """A model as read: every triple in nnU-Net's own axis order, states with gtvseg's parameter names.

    transpose: axis i of nnU-Net is axis transpose[i] of (z, y, x). labels: values of GTVp and GTVnd.
    """

    network: NetworkPlan
    patch: Triple
    spacing: tuple[float, float, float]
    normalisation: tuple[Normalisation, ...]
    mirror_axes: tuple[int, ...]
    transpose: Triple
    labels: tuple[int, int] | None
    states: tuple[dict[str, Tensor], ...]
    pipeline: str
    trainer: str


def main() -> int:
    args = arguments()
    try:
        model = read_model(args.model, args.folds.split(","), args.checkpoint)
        bundle = to_bundle(model, args.model, args.channels, args.labels)
        dtype = torch.float16 if args.half else torch.float32
        save_bundle(bundle, args.out, dtype)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for name in ("postprocessing.pkl", "postprocessing.json"):
        if list(args.model.rglob(name)):
            print(f"note: {name} is not applied: largest-component rules stay outside the container")
    size = args.out.stat().st_size / 1e6
    channels = ", ".join(bundle.channels)
    print(f"wrote {args.out}: {len(bundle.states)} network(s), channels {channels}, {size:.0f} MB")
    return 0


def read_model(folder: Path, folds: list[str], checkpoint: str) -> Model:
    """A v2 or v1 folder. Raises InputError where it is neither, unsupported or unreadable."""
    from model.importing.v1 import read_v1  # it needs Model

    if (folder / "plans.json").is_file():
        return read_v2(folder, folds, checkpoint)
    if (folder / "plans.pkl").is_file():
        return read_v1(folder, folds)
    raise InputError(
        folder, "neither plans.json (nnU-Net v2) nor plans.pkl (v1) in it", "give a trained-model folder"
    )


def read_v2(folder: Path, folds: list[str], checkpoint: str) -> Model:
    """nnU-Net v2: plans before and after the change of their form in 2.4."""
    plans, dataset = read_json(folder / "plans.json"), read_json(folder / "dataset.json")
    checkpoints = [load_tensors(folder / f"fold_{fold}" / checkpoint) for fold in folds]
    try:
        first = checkpoints[0]
        configuration = inherited(plans, first["init_args"]["configuration"])
        check_supported(folder / "plans.json", plans, configuration)
        labels = label_values(folder / "dataset.json", dataset["labels"])
        channels = len(dataset.get("channel_names") or dataset["modality"])
        network = network_plan(folder / "plans.json", configuration, channels, len(LABELS) + 1)
        properties = plans["foreground_intensity_properties_per_channel"]
        normalisation = []
        masks = configuration.get("use_mask_for_norm") or [False] * channels
        for channel, (name, mask) in enumerate(
            zip(configuration["normalization_schemes"], masks, strict=True)
        ):
            if name not in SCHEMES:
                raise InputError(
                    folder / "plans.json",
                    f"normalisation {name} is not supported",
                    f"only {', '.join(SCHEMES)} are",
                )
            figures = properties.get(str(channel), {}) if name == "CTNormalization" else {}
            scheme = f"masked-{SCHEMES[name]}" if mask and SCHEMES[name] == "zscore" else SCHEMES[name]
            normalisation.append(ct_figures(figures, "std") if figures else Normalisation(scheme=scheme))
        wanted = list(UNet(network).state_dict())
        states = tuple(
            pick_state(folder / f"fold_{fold}" / checkpoint, content["network_weights"], wanted)
            for fold, content in zip(folds, checkpoints, strict=True)
        )
        return Model(
            network,
            triple(configuration["patch_size"]),
            floats(configuration["spacing"]),
            tuple(normalisation),
            tuple(first.get("inference_allowed_mirroring_axes") or ()),
            triple(plans["transpose_forward"]),
            labels,
            states,
            "nnunet-v2",
            str(first.get("trainer_name")),
        )
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise InputError(
            folder,
            f"not a complete nnU-Net v2 model ({type(error).__name__}: {error})",
            "give a trained-model folder",
        ) from None


def inherited(plans: dict[str, Any], name: str) -> dict[str, Any]:
    """A configuration with what it inherits."""
    configuration = plans["configurations"][name]
    if "inherits_from" not in configuration:
        return dict(configuration)
    return inherited(plans, configuration["inherits_from"]) | configuration


def check_supported(path: Path, plans: dict[str, Any], configuration: dict[str, Any]) -> None:
    """Raise InputError for what this container would not reproduce."""
    if len(configuration["patch_size"]) != 3:
        raise InputError(path, "a 2D configuration", "only 3D networks are supported")
    if configuration.get("previous_stage"):
        raise InputError(path, "a cascade", "only single-stage networks are supported")
    reader = plans.get("image_reader_writer", "SimpleITKIO")
    if reader not in ("SimpleITKIO", "NibabelIO"):
        raise InputError(
            path, f"images were read by {reader}", "only SimpleITKIO and NibabelIO are supported"
        )
    preprocessor = configuration.get("preprocessor_name", "DefaultPreprocessor")
    if preprocessor != "DefaultPreprocessor":
        raise InputError(path, f"{preprocessor} is not supported", "only DefaultPreprocessor is")
    for key, order in RESAMPLING.items():
        arguments = configuration.get(f"{key}_kwargs", {})
        asked = (configuration.get(key, "resample_data_or_seg_to_shape"), arguments.get("order", order))
        asked_z = (arguments.get("order_z", 0), arguments.get("force_separate_z"))
        if asked != ("resample_data_or_seg_to_shape", order) or asked_z != (0, None):
            raise InputError(
                path, f"{key} is not nnU-Net's default", "only the default resampling is supported"
            )


def label_values(path: Path, labels: dict[str, Any]) -> tuple[int, int] | None:
    """Values of GTVp and GTVnd by their names; None where the names do not tell."""
    if any(isinstance(value, (list, tuple)) for value in labels.values()):
        raise InputError(path, "region-based labels are not supported", "train with plain labels")
    values = {name: int(value) for name, value in labels.items() if name != "ignore" and int(value) != 0}
    if sorted(values.values()) != [1, 2]:
        raise InputError(
            path, f"labels {values}", "exactly two are needed, GTVp and GTVnd, with values 1 and 2"
        )
    known = {
        NAMES.get("".join(c for c in name.lower() if c.isalnum())): value for name, value in values.items()
    }
    return (known["GTVp"], known["GTVnd"]) if set(known) == set(NAMES.values()) else None


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
        }
    else:
        name, kwargs = architecture["network_class_name"].rsplit(".", 1)[-1], architecture["arch_kwargs"]
    if name not in ("PlainConvUNet", "ResidualEncoderUNet"):
        raise InputError(
            path, f"architecture {name} is not supported", "PlainConvUNet and ResidualEncoderUNet are"
        )
    settings = (kwargs.get("norm_op_kwargs") or {}) | (kwargs.get("nonlin_kwargs") or {})
    if settings.get("eps", 1e-5) != 1e-5 or settings.get("negative_slope", 0.01) != 0.01:
        raise InputError(path, f"norm or nonlinearity with {settings} is not supported", "nnU-Net's own is")
    usual = {"conv_bias": True, "dropout_op": None, "norm_op": "InstanceNorm3d", "nonlin": "LeakyReLU"}
    for key, value in usual.items():
        given = kwargs.get(key, value)
        if (str(given).rsplit(".", 1)[-1] if given is not None else None) != (str(value) if value else None):
            raise InputError(path, f"{key} is {given}", f"only {value} is supported")
    residual = name == "ResidualEncoderUNet"
    stages = len(kwargs["features_per_stage"])
    encoder = kwargs["n_blocks_per_stage"] if "n_blocks_per_stage" in kwargs else kwargs["n_conv_per_stage"]
    return NetworkPlan(
        channels,
        classes,
        tuple(kwargs["features_per_stage"]),
        tuple(triple(kernel) for kernel in kwargs["kernel_sizes"]),
        tuple(triple(stride) for stride in kwargs["strides"]),
        each(encoder, stages),
        each(kwargs["n_conv_per_stage_decoder"], stages - 1),
        residual=residual,
    )


def pick_state(path: Path, state: dict[str, Tensor], wanted: list[str]) -> dict[str, Tensor]:
    """The wanted tensors; nnU-Net stores most of them again under the names of modules that share them."""
    plain = {}
    for name, tensor in state.items():
        for wrapper in WRAPPERS:
            name = name.removeprefix(wrapper)
        plain[name] = tensor
    missing = [name for name in wanted if name not in plain]
    other = [
        n
        for n in plain
        if n not in wanted and ".all_modules." not in n and not n.startswith("decoder.encoder.")
    ]
    if missing or other:
        raise InputError(
            path,
            f"its weights are not those of the network in plans.json ({len(missing)} missing, "
            f"{len(other)} unknown, first: {(missing + other)[0]})",
            "give the checkpoint that belongs to the plans",
        )
    return {name: plain[name] for name in wanted}


def to_bundle(model: Model, source: Path, channels: str | None, labels: str | None) -> Bundle:
    """Bring axes to (z, y, x) and classes to the order background, GTVp, GTVnd."""
    count = model.network.in_channels
    names = tuple(channels.split(",")) if channels else CHANNELS
    if len(names) != count or len(set(names)) != count or not set(names) <= set(CHANNELS):
        raise InputError(
            source,
            f"the network has {count} channel(s)",
            f"say which with --channels, for example {'ct,ce or ce,ct' if count == 2 else 'ce'}"
            " (ct: non-contrast, ce: contrast-enhanced)",
        )
    values = {"1,2": (1, 2), "2,1": (2, 1)}.get(labels) if labels else model.labels
    if values is None or sorted(values) != [1, 2]:
        raise InputError(
            source,
            "the labels' names do not say which is GTVp and which GTVnd",
            "say it with --labels 1,2 or --labels 2,1 (GTVp first)",
        )
    classes = [0, *values]
    back = [model.transpose.index(axis) for axis in range(3)]

    def turned(value: Any) -> Any:
        return tuple(value[back[axis]] for axis in range(3))

    def moved(name: str, tensor: Tensor) -> Tensor:
        tensor = tensor.permute(0, 1, *(2 + axis for axis in back)) if tensor.ndim == 5 else tensor
        return tensor[classes] if name.startswith(HEADS) else tensor

    network = replace(
        model.network,
        kernels=tuple(turned(k) for k in model.network.kernels),
        strides=tuple(turned(s) for s in model.network.strides),
        decoder_kernels=tuple(turned(k) for k in model.network.decoder_kernels),
    )
    bundle = Bundle(
        network,
        turned(model.patch),
        turned(model.spacing),
        model.normalisation,
        tuple(sorted(model.transpose[axis] for axis in model.mirror_axes)),
        {
            "data": f"imported from {source.resolve().name}",
            "command": "python -m model.importing " + " ".join(sys.argv[1:]),
            "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
            "trainer": model.trainer,
            "torch": str(torch.__version__),
        },
        tuple({name: moved(name, tensor) for name, tensor in state.items()} for state in model.states),
        model.pipeline,
        names,
    )
    try:
        bundle.build_networks()
    except RuntimeError as error:
        raise InputError(
            source,
            f"weights and plans do not fit ({str(error).splitlines()[-1].strip()})",
            "give the checkpoint that belongs to the plans",
        ) from None
    return bundle


def ct_figures(figures: dict[str, float], std: str) -> Normalisation:
    """nnU-Net's foreground intensity properties of one channel."""
    lower, upper = float(figures["percentile_00_5"]), float(figures["percentile_99_5"])
    return Normalisation(lower, upper, float(figures["mean"]), max(float(figures[std]), 1e-8))


def read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InputError(
            path, f"cannot be read as JSON ({reason(error)})", "give a trained-model folder"
        ) from None


def triple(values: Any) -> Triple:
    z, y, x = (int(v) for v in ([values] * 3 if isinstance(values, int) else values))
    return (z, y, x)


def floats(values: Any) -> tuple[float, float, float]:
    z, y, x = (float(v) for v in values)
    return (z, y, x)


def each(value: Any, count: int) -> tuple[int, ...]:
    """One number per stage, whether given once or per stage."""
    values = tuple(int(v) for v in ([value] * count if isinstance(value, int) else value))
    if len(values) != count:
        raise ValueError(f"{len(values)} entries for {count} stages")
    return values


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=DefaultsInHelp)
    add = parser.add_argument
    add("model", type=Path, metavar="MODEL_DIR")
    add("--folds", default="0", help="comma-separated, or all")
    add("--out", type=Path, required=True, help="the weights file to write")
    add(
        "--channels",
        help="what the input channels are, ct,ce or ce,ct (ct: non-contrast); ct,ce if not given",
    )
    add("--labels", help="values of GTVp and GTVnd, 1,2 or 2,1; by their names in dataset.json if not given")
    add("--checkpoint", default="checkpoint_final.pth", help="v2: file in each fold's folder")
    add("--half", action="store_true", help="store weights in half precision: half the size")
    return parser.parse_args()
