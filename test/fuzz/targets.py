"""What is fuzzed: every reader of a file that somebody else made, each with good files to begin from.

A target takes bytes and an empty folder. It may return, or raise InputError; anything else is a find.
"""

import io
import json
import pickle
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
import torch
from faults.materials import PLAN, bundle
from fuzz import contours

from model.cases import find_cases
from model.errors import InputError
from model.images.read import read_grid, read_label_map, read_scan
from model.importing.convert import to_bundle
from model.importing.pickles import load_plain, load_tensors
from model.importing.read import read_model
from model.network.bundle import load_bundle, save_bundle
from model.network.unet import UNet
from training.data.sources import find_training_cases


@dataclass(frozen=True)
class Target:
    """seeds: good files, the first of which is read; feed(data, folder): read data as such a file in a folder."""

    seeds: list[bytes]
    feed: Callable[[bytes, Path], Any]


def images(suffix: str, *, compress: bool, shape=(3, 4, 5)) -> bytes:
    """A small CT as SimpleITK writes it."""
    image = sitk.GetImageFromArray(np.arange(np.prod(shape), dtype=np.int16).reshape(shape))
    image.SetSpacing((0.7, 0.7, 3.0))
    return written(lambda path: sitk.WriteImage(image, str(path), compress), f"x{suffix}")


def written(write: Callable[[Path], Any], name: str = "x.pt") -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / name)
        return (Path(folder) / name).read_bytes()


def read_image(suffix: str) -> Callable[[bytes, Path], Any]:
    """As a mask, then as a CT."""

    def feed(data: bytes, folder: Path) -> None:
        path = folder / f"x{suffix}"
        path.write_bytes(data)
        (folder / "x.raw").write_bytes(bytes(120))
        tolerant(read_label_map, path, 2, 2)
        tolerant(read_grid, path)
        read_scan(path)

    return feed


def tolerant(read: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return read(*arguments)
    except InputError as error:
        assert "\n" not in str(error), "an error of several lines"
        assert len(str(error)) < 1000, "an error that is too long"


def platform(data: bytes, folder: Path) -> None:
    for slug in ("head-neck-ct", "head-neck-contrast-enhanced-ct"):
        (folder / "images" / slug).mkdir(parents=True)
        (folder / "images" / slug / "a.mha").touch()
    (folder / "inputs.json").write_bytes(data)
    find_cases(folder, folder / "out", "exec")


def description(data: bytes, folder: Path) -> None:
    (folder / "imagesTr").mkdir()
    for channel in (0, 1):
        (folder / "imagesTr" / f"a_000{channel}.mha").touch()
    (folder / "dataset.json").write_bytes(data)
    find_training_cases(folder)


def v2_model(fuzzed: str) -> Callable[[bytes, Path], Any]:
    """A trained-model folder of which one file is fuzzed."""

    def feed(data: bytes, folder: Path) -> None:
        files = {"plans.json": PLANS, "dataset.json": DATASET, "fold_0/checkpoint_final.pth": CHECKPOINT}
        (folder / "fold_0").mkdir()
        for name, content in files.items():
            (folder / name).write_bytes(data if name == fuzzed else content)
        to_bundle(read_model(folder, ["0"], "checkpoint_final.pth"), folder, labels="1,2")

    return feed


def archive_with(template: bytes, pickled: bytes) -> bytes:
    """A file of torch's with another pickle in it, checksums right."""
    result = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(template)) as old, zipfile.ZipFile(result, "w") as new:
        for name in old.namelist():
            new.writestr(name, pickled if name.endswith("/data.pkl") else old.read(name))
    return result.getvalue()


def pickle_of(archive: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(archive)) as file:
        return file.read(next(name for name in file.namelist() if name.endswith("/data.pkl")))


def reader_of(read: Callable[[Path], Any], template: bytes | None = None) -> Callable[[bytes, Path], Any]:
    """Reads the bytes as a file; with a template as the pickle in such a file of torch's."""

    def feed(data: bytes, folder: Path) -> None:
        path = folder / "file.pt"
        path.write_bytes(data if template is None else archive_with(template, data))
        read(path)

    return feed


def weights_with_values(data: bytes, folder: Path) -> None:
    """JSON in place of the weights file's plain values; what is no JSON is no such file."""
    try:
        values = json.loads(data)
    except (ValueError, RecursionError):
        return
    if isinstance(values, dict):
        values = values | {"states": CONTENT["states"]}
    torch.save(values, folder / "w.pt")
    load_bundle(folder / "w.pt")


WEIGHTS = written(lambda path: save_bundle(bundle(), path))
CONTENT = torch.load(io.BytesIO(WEIGHTS), weights_only=True)
VALUES = {name: value for name, value in CONTENT.items() if name != "states"}
FIGURES = {"mean": 30.0, "std": 60.0, "percentile_00_5": -150.0, "percentile_99_5": 220.0}
CONFIGURATION = {
    "preprocessor_name": "DefaultPreprocessor",
    "patch_size": [24, 40, 32],
    "spacing": [6.0, 4.0, 4.0],
    "normalization_schemes": ["CTNormalization", "ZScoreNormalization"],
    "use_mask_for_norm": [False, True],
    "resampling_fn_data": "resample_data_or_seg_to_shape",
    "resampling_fn_data_kwargs": {"is_seg": False, "order": 3, "order_z": 0, "force_separate_z": None},
    "architecture": {
        "network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
        "arch_kwargs": {
            "n_stages": 2,
            "features_per_stage": list(PLAN.features),
            "kernel_sizes": PLAN.kernels,
            "strides": PLAN.strides,
            "n_conv_per_stage": [1, 1],
            "n_conv_per_stage_decoder": [1],
            "conv_bias": True,
            "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d",
            "nonlin": "torch.nn.LeakyReLU",
        },
    },
}
PLANS = json.dumps(
    {
        "transpose_forward": [0, 1, 2],
        "image_reader_writer": "SimpleITKIO",
        "configurations": {"base": CONFIGURATION, "3d_fullres": {"inherits_from": "base"}},
        "foreground_intensity_properties_per_channel": {"0": FIGURES, "1": FIGURES},
    },
    indent=1,
).encode()
DATASET = json.dumps(
    {"channel_names": {"0": "CT", "1": "CE"}, "labels": {"background": 0, "GTVp": 1, "GTVnd": 2}}, indent=1
).encode()
CHECKPOINT = written(
    lambda path: torch.save(
        {
            "network_weights": UNet(PLAN).state_dict(),
            "init_args": {"configuration": "3d_fullres", "fold": 0},
            "trainer_name": "nnUNetTrainer",
            "inference_allowed_mirroring_axes": (0, 1, 2),
        },
        path,
    )
)
INPUTS = json.dumps(
    [
        {
            "socket": {"slug": "head-neck-ct", "relative_path": "images/head-neck-ct"},
            "image": {"name": "a.mha"},
        }
    ],
    indent=1,
).encode()
PICKLES = [
    pickle.dumps({"plans_per_stage": {0: {"patch_size": np.array([8, 16]), "x": [1, 2.5, None]}}}, protocol)
    for protocol in (4, 3, 0)
]

TARGETS = {
    **{
        suffix.strip(".").replace(".", "-"): Target(
            [images(suffix, compress=compress) for compress in (False, True)], read_image(suffix)
        )
        for suffix in (".mha", ".mhd", ".nii", ".nii.gz", ".nrrd")
    },
    "rtstruct": Target(contours.FILES, contours.read_file),
    "rtstruct-values": Target(contours.VALUES, contours.read_values),
    "inputs": Target([INPUTS], platform),
    "dataset": Target([DATASET], description),
    "v2-plans": Target([PLANS], v2_model("plans.json")),
    "v2-dataset": Target([DATASET], v2_model("dataset.json")),
    "v2-checkpoint": Target([CHECKPOINT], v2_model("fold_0/checkpoint_final.pth")),
    "pickle": Target(PICKLES, reader_of(load_plain)),
    "tensors": Target([CHECKPOINT, *PICKLES], reader_of(load_tensors)),
    "tensors-pickle": Target([pickle_of(CHECKPOINT)], reader_of(load_tensors, CHECKPOINT)),
    "weights": Target([WEIGHTS], reader_of(load_bundle)),
    "weights-pickle": Target([pickle_of(WEIGHTS)], reader_of(load_bundle, WEIGHTS)),
    "weights-values": Target([json.dumps(VALUES, indent=1).encode()], weights_with_values),
}
