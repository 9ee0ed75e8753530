"""nnU-Net models to import: v2 with the networks of its own package, v1 with a stand-in that has its names."""

import json
import pickle
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet, ResidualEncoderUNet
from torch import nn

from model.importing.convert import to_bundle
from model.importing.read import read_model

FEATURES, KERNELS = [4, 6, 8], [[1, 3, 3], [3, 3, 3], [3, 3, 3]]
STRIDES, PATCH, SPACING = [[1, 1, 1], [1, 2, 2], [2, 2, 2]], [8, 16, 24], [3.0, 0.9, 0.8]
FIGURES = {"mean": 30.0, "std": 60.0, "percentile_00_5": -150.0, "percentile_99_5": 220.0}
CLASSES = {
    PlainConvUNet: ("n_conv_per_stage", [2, 1, 2]),
    ResidualEncoderUNet: ("n_blocks_per_stage", [1, 2, 2]),
}


def _v2_network(kind) -> nn.Module:
    blocks, counts = CLASSES[kind]
    network = kind(
        input_channels=2, num_classes=3, n_stages=3, features_per_stage=FEATURES, conv_op=nn.Conv3d,
        kernel_sizes=KERNELS, strides=STRIDES, n_conv_per_stage_decoder=[1, 2], conv_bias=True,
        norm_op=nn.InstanceNorm3d, norm_op_kwargs={"eps": 1e-5, "affine": True}, nonlin=nn.LeakyReLU,
        nonlin_kwargs={"inplace": True}, deep_supervision=False, **{blocks: counts},
    )  # fmt: skip
    for parameter in network.parameters():  # so that norms and biases count
        nn.init.normal_(parameter, 0.05, 0.3)
    return network.eval()


def _v2_folder(folder: Path, networks: list[nn.Module], **changes) -> Path:
    """A trained-model folder in today's form; changes: configuration, plans, dataset or (told) checkpoint entries."""
    kind = type(networks[0])
    blocks, counts = CLASSES[kind]
    configuration = {
        "preprocessor_name": "DefaultPreprocessor",
        "patch_size": PATCH,
        "spacing": SPACING,
        "normalization_schemes": ["CTNormalization", "ZScoreNormalization"],
        "use_mask_for_norm": [False, True],
        "resampling_fn_data": "resample_data_or_seg_to_shape",
        "resampling_fn_data_kwargs": {"is_seg": False, "order": 3, "order_z": 0, "force_separate_z": None},
        "architecture": {
            "network_class_name": f"{kind.__module__}.{kind.__name__}",
            "arch_kwargs": {
                "n_stages": 3, "features_per_stage": FEATURES, "kernel_sizes": KERNELS, "strides": STRIDES,
                blocks: counts, "n_conv_per_stage_decoder": [1, 2], "conv_bias": True,
                "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d", "dropout_op": None,
                "nonlin": "torch.nn.LeakyReLU",
            },
        },
    }  # fmt: skip
    plans = {
        "transpose_forward": [0, 1, 2],
        "image_reader_writer": "SimpleITKIO",
        "configurations": {"base": configuration, "3d_fullres": {"inherits_from": "base"}},
        "foreground_intensity_properties_per_channel": {"0": FIGURES, "1": FIGURES},
    }
    dataset = {"channel_names": {"0": "CT", "1": "CE"}, "labels": {"background": 0, "GTVp": 1, "GTVnd": 2}}
    told = {key.removeprefix("told__"): changes.pop(key) for key in list(changes) if key.startswith("told__")}
    for key, value in changes.items():
        where, name = key.split("__")
        network = configuration["architecture"]["arch_kwargs"]
        places = {"configuration": configuration, "plans": plans, "dataset": dataset, "network": network}
        places[where][name] = value
    folder.mkdir()
    (folder / "plans.json").write_text(json.dumps(plans))
    (folder / "dataset.json").write_text(json.dumps(dataset))
    for fold, network in enumerate(networks):
        content = {
            "network_weights": OrderedDict((f"module.{k}", v) for k, v in network.state_dict().items()),
            "init_args": {"configuration": "3d_fullres", "fold": fold, "device": torch.device("cpu")},
            "logging": {"mean_fg_dice": [np.float64(0.5), np.float32(0.6)], "epoch": np.arange(3)},
            "trainer_name": "nnUNetTrainer",
            "inference_allowed_mirroring_axes": (0, 1, 2),
        } | told
        (folder / f"fold_{fold}").mkdir()
        torch.save(content, folder / f"fold_{fold}" / "checkpoint_final.pth")
    return folder


def _imported(folder: Path, folds=("0",), channels=None, labels=None, trainer=None):
    model = read_model(folder, list(folds), "checkpoint_final.pth", trainer)
    return to_bundle(model, folder, channels=channels, labels=labels)


class Block(nn.Module):
    def __init__(self, i, o, kernel, stride=1):
        super().__init__()
        self.conv = nn.Conv3d(i, o, kernel, stride, [k // 2 for k in kernel])
        self.instnorm = nn.InstanceNorm3d(o, affine=True)

    def forward(self, x):
        return nn.functional.leaky_relu(self.instnorm(self.conv(x)), 0.01)


class Stack(nn.Module):
    def __init__(self, *blocks):
        super().__init__()
        self.blocks = nn.Sequential(*blocks)

    def forward(self, x):
        return self.blocks(x)


class V1(nn.Module):
    """Two levels above the lowest; decoder kernels are those of the encoder stage below, as in v1."""

    def __init__(self):
        super().__init__()
        (a, b, c), (k0, k1, k2) = FEATURES, KERNELS
        self.conv_blocks_context = nn.ModuleList([
            Stack(Block(2, a, k0), Block(a, a, k0)),
            Stack(Block(a, b, k1, STRIDES[1]), Block(b, b, k1)),
            nn.Sequential(Stack(Block(b, c, k2, STRIDES[2])), Stack(Block(c, c, k2))),
        ])  # fmt: skip
        self.conv_blocks_localization = nn.ModuleList([
            nn.Sequential(Stack(Block(2 * b, b, k2)), Stack(Block(b, b, k2))),
            nn.Sequential(Stack(Block(2 * a, a, k1)), Stack(Block(a, a, k1))),
        ])  # fmt: skip
        self.tu = nn.ModuleList([
            nn.ConvTranspose3d(c, b, STRIDES[2], STRIDES[2], bias=False),
            nn.ConvTranspose3d(b, a, STRIDES[1], STRIDES[1], bias=False),
        ])  # fmt: skip
        self.seg_outputs = nn.ModuleList([nn.Conv3d(b, 3, 1, bias=False), nn.Conv3d(a, 3, 1, bias=False)])

    def forward(self, x):
        skips = []
        for stage in self.conv_blocks_context:
            x = stage(x)
            skips.append(x)
        for u in range(2):
            x = self.conv_blocks_localization[u](torch.cat((self.tu[u](x), skips[1 - u]), 1))
        return self.seg_outputs[-1](x)


def _v1_folder(folder: Path, network: nn.Module, trainer: str = "nnUNetTrainerV2", **changes) -> Path:
    figures = {
        "mean": np.float64(30),
        "sd": np.float64(60),
        "percentile_00_5": -150.0,
        "percentile_99_5": 220.0,
    }
    stage = {
        "patch_size": np.array(PATCH), "current_spacing": np.array(SPACING),
        "pool_op_kernel_sizes": STRIDES[1:], "conv_kernel_sizes": KERNELS,
    }  # fmt: skip
    plans = {
        "plans_per_stage": {0: stage}, "num_modalities": 2, "transpose_forward": [0, 1, 2],
        "normalization_schemes": OrderedDict([(0, "CT"), (1, "CT")]), "use_mask_for_norm": OrderedDict([(0, False)]),
        "dataset_properties": {"intensityproperties": {0: figures, 1: figures}}, "num_classes": 2,
    } | changes  # fmt: skip
    (folder / "fold_0").mkdir(parents=True)
    (folder / "plans.pkl").write_bytes(pickle.dumps(plans))
    losses = ([0.1], [np.float64(0.2)], [], [np.float32(0.3)])
    torch.save(
        {"state_dict": network.state_dict(), "epoch": 1000, "plot_stuff": losses},
        folder / "fold_0" / "model_final_checkpoint.model",
        _use_new_zipfile_serialization=False,  # as old torch wrote them
    )
    about = OrderedDict(init=("plans.pkl", 0, "out", "in", True, None, True, False, True), name=trainer)
    (folder / "fold_0" / "model_final_checkpoint.model.pkl").write_bytes(pickle.dumps(about))
    return folder


@pytest.fixture
def v2_network():
    """A network of nnU-Net's own classes, with random weights."""
    return _v2_network


@pytest.fixture
def v2_folder():
    """A trained-model folder of nnU-Net v2."""
    return _v2_folder


@pytest.fixture
def v1_network():
    """A stand-in for Generic_UNet, with its parameters' names."""
    return V1


@pytest.fixture
def v1_folder():
    """A trained-model folder of nnU-Net v1."""
    return _v1_folder


@pytest.fixture
def imported():
    """A folder's bundle."""
    return _imported
