"""Importing nnU-Net models: the networks against nnU-Net's own (v2: its package; v1: a stand-in with its names)."""

import json
import os
import pickle
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet, ResidualEncoderUNet
from torch import nn

from model.errors import InputError
from model.importing import v2 as import_nnunet
from model.importing.v2 import read_model, to_bundle
from model.network.bundle import load_bundle

ROOT = Path(__file__).parents[2]
FEATURES, KERNELS = [4, 6, 8], [[1, 3, 3], [3, 3, 3], [3, 3, 3]]
STRIDES, PATCH, SPACING = [[1, 1, 1], [1, 2, 2], [2, 2, 2]], [8, 16, 24], [3.0, 0.9, 0.8]
FIGURES = {"mean": 30.0, "std": 60.0, "percentile_00_5": -150.0, "percentile_99_5": 220.0}
CLASSES = {
    PlainConvUNet: ("n_conv_per_stage", [2, 1, 2]),
    ResidualEncoderUNet: ("n_blocks_per_stage", [1, 2, 2]),
}


def v2_network(kind) -> nn.Module:
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


def v2_folder(folder: Path, networks: list[nn.Module], **changes) -> Path:
    """A trained-model folder in today's form; changes: configuration, plans or dataset entries by 'where.key'."""
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
        }
        (folder / f"fold_{fold}").mkdir()
        torch.save(content, folder / f"fold_{fold}" / "checkpoint_final.pth")
    return folder


def imported(folder: Path, folds=("0",), channels=None, labels=None):
    return to_bundle(read_model(folder, list(folds), "checkpoint_final.pth"), folder, channels, labels)


@pytest.mark.parametrize("kind", [PlainConvUNet, ResidualEncoderUNet])
def test_v2_networks_give_the_same_logits(kind, tmp_path):
    networks = [v2_network(kind) for _ in range(2)]
    bundle = imported(v2_folder(tmp_path / "m", networks), ("0", "1"))
    assert bundle.patch_zyx == tuple(PATCH) and bundle.spacing_zyx == tuple(SPACING)
    assert (bundle.pipeline, bundle.channels, bundle.mirror_axes) == ("nnunet-v2", ("ct", "ce"), (0, 1, 2))
    ct, masked = bundle.normalisation
    assert (ct.scheme, ct.lower, ct.upper, ct.mean, ct.std) == ("ct", -150, 220, 30, 60)
    assert masked.scheme == "masked-zscore"
    x = torch.randn(1, 2, *PATCH)
    with torch.no_grad():
        for ours, theirs in zip(bundle.build_networks(), networks, strict=True):
            torch.testing.assert_close(ours(x), theirs(x), atol=1e-5, rtol=1e-5)


def test_v2_with_other_axis_order(tmp_path):
    """transpose_forward [2, 0, 1]: nnU-Net's first axis is x. The network must see (z, y, x) here."""
    network = v2_network(PlainConvUNet)
    bundle = imported(v2_folder(tmp_path / "m", [network], plans__transpose_forward=[2, 0, 1]))
    assert bundle.spacing_zyx == (0.9, 0.8, 3.0) and bundle.patch_zyx == (16, 24, 8)
    image_zyx = torch.randn(1, 2, 16, 24, 8)
    theirs = image_zyx.permute(0, 1, 4, 2, 3)
    with torch.no_grad():
        expected = network(theirs).permute(0, 1, 3, 4, 2)
        torch.testing.assert_close(bundle.build_networks()[0](image_zyx), expected, atol=1e-5, rtol=1e-5)


def test_v2_plans_of_the_older_form(tmp_path):
    network = v2_network(PlainConvUNet)
    folder = v2_folder(tmp_path / "m", [network])
    plans = json.loads((folder / "plans.json").read_text())
    base = plans["configurations"]["base"]
    del base["architecture"]
    base |= {
        "UNet_class_name": "PlainConvUNet", "UNet_base_num_features": 4, "unet_max_num_features": 8,
        "n_conv_per_stage_encoder": [2, 1, 2], "n_conv_per_stage_decoder": [1, 2],
        "pool_op_kernel_sizes": STRIDES, "conv_kernel_sizes": KERNELS,
    }  # fmt: skip
    (folder / "plans.json").write_text(json.dumps(plans))
    with pytest.raises(InputError, match="do not fit|not those"):
        imported(folder)  # 4, 8, 8 features are not the weights' 4, 6, 8
    base["UNet_base_num_features"], base["unet_max_num_features"] = 4, 8
    state = torch.load(folder / "fold_0" / "checkpoint_final.pth", weights_only=False)
    fitting = PlainConvUNet(
        input_channels=2, num_classes=3, n_stages=3, features_per_stage=[4, 8, 8], conv_op=nn.Conv3d,
        kernel_sizes=KERNELS, strides=STRIDES, n_conv_per_stage=[2, 1, 2], n_conv_per_stage_decoder=[1, 2],
        conv_bias=True, norm_op=nn.InstanceNorm3d, norm_op_kwargs={"affine": True}, nonlin=nn.LeakyReLU,
    ).eval()  # fmt: skip
    torch.save(state | {"network_weights": fitting.state_dict()}, folder / "fold_0" / "checkpoint_final.pth")
    x = torch.randn(1, 2, *PATCH)
    with torch.no_grad():
        torch.testing.assert_close(imported(folder).build_networks()[0](x), fitting(x), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("by_option", [True, False])
def test_labels_in_the_other_order_are_put_right(by_option, tmp_path):
    network = v2_network(PlainConvUNet)
    names = {"background": 0, "GTV_nd": 1, "gtvp": 2} if not by_option else {"background": 0, "a": 1, "b": 2}
    folder = v2_folder(tmp_path / "m", [network], dataset__labels=names)
    if by_option:
        with pytest.raises(InputError, match="which label is GTVp"):
            imported(folder)
    (ours,) = imported(folder, labels="2,1" if by_option else None).build_networks()
    x = torch.randn(1, 2, *PATCH)
    with torch.no_grad():
        torch.testing.assert_close(ours(x), network(x)[:, [0, 2, 1]], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dataset__labels": {"background": 0, "all": [1, 2], "GTVp": 1}}, "region-based"),
        ({"dataset__labels": {"background": 0, "a": 1, "b": 2, "c": 3}}, "exactly two"),
        ({"configuration__previous_stage": "3d_lowres"}, "cascade"),
        ({"configuration__patch_size": [64, 64]}, "2D"),
        ({"network__nonlin_kwargs": {"negative_slope": 0.2}}, "negative_slope"),
        ({"configuration__preprocessor_name": "Mine"}, "Mine"),
        ({"configuration__resampling_fn_data": "resample_torch_fornnunet"}, "resampling"),
        ({"configuration__normalization_schemes": ["CTNormalization", "Mine"]}, "Mine"),
        ({"plans__image_reader_writer": "NibabelIOWithReorient"}, "NibabelIOWithReorient"),
        ({"dataset__channel_names": {"0": "CT"}}, "say which with --channels"),
        ({"configuration__strides": 1, "configuration__spacing": None}, "not a complete"),
    ],
)
def test_what_is_not_supported_is_refused(change, message, tmp_path):
    with pytest.raises(InputError, match=message):
        imported(v2_folder(tmp_path / "m", [v2_network(PlainConvUNet)], **change))


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


def v1_folder(folder: Path, network: nn.Module, trainer: str = "nnUNetTrainerV2", **changes) -> Path:
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


def test_v1_network_gives_the_same_logits(tmp_path):
    network = V1().eval()
    bundle = imported(v1_folder(tmp_path / "m", network))
    assert (bundle.pipeline, bundle.patch_zyx, bundle.spacing_zyx) == (
        "nnunet-v1",
        tuple(PATCH),
        tuple(SPACING),
    )
    assert bundle.normalisation[1].std == 60 and bundle.network.decoder_kernels == ((3, 3, 3), (3, 3, 3))
    x = torch.randn(1, 2, *PATCH)
    with torch.no_grad():
        torch.testing.assert_close(bundle.build_networks()[0](x), network(x), atol=1e-5, rtol=1e-5)


def test_v1_without_mirroring_stays_without(tmp_path):
    assert imported(v1_folder(tmp_path / "m", V1())).mirror_axes == (0, 1, 2)
    assert imported(v1_folder(tmp_path / "n", V1(), "nnUNetTrainerV2_noMirroring")).mirror_axes == ()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"preprocessor_name": "Mine"}, "Mine"),
        ({"use_mask_for_norm": {0: True}}, "mask"),
        ({"normalization_schemes": {0: "CT2", 1: "CT"}}, "CT2"),
        ({"plans_per_stage": {}}, "not a complete"),
        ({"trainer": "nnUNetTrainerV2_ReLU"}, "nonlinearity"),
    ],
)
def test_unsupported_v1_is_refused(change, message, tmp_path):
    with pytest.raises(InputError, match=message):
        imported(v1_folder(tmp_path / "m", V1(), **change))


class Malice:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("where", ["v2 checkpoint", "v1 plans", "v1 checkpoint", "v1 description"])
def test_malicious_pickle_is_refused_unexecuted(where, tmp_path):
    mark, folder = tmp_path / "executed", tmp_path / "m"
    if where.startswith("v2"):
        path = v2_folder(folder, [v2_network(PlainConvUNet)]) / "fold_0" / "checkpoint_final.pth"
        torch.save({"network_weights": {}, "x": Malice(mark)}, path)
    else:
        v1_folder(folder, V1())
        name = {"plans": "plans.pkl", "checkpoint": "fold_0/model_final_checkpoint.model"}.get(
            where.split()[1], "fold_0/model_final_checkpoint.model.pkl"
        )
        path = folder / name
        if where == "v1 checkpoint":
            torch.save({"state_dict": {}, "x": Malice(mark)}, path)
        else:
            path.write_bytes(pickle.dumps({"x": Malice(mark)}))
    with pytest.raises(InputError, match=rf"{path.name}.*(refer|plain).*mkdir"):
        imported(folder)
    assert not mark.exists()


def test_command_line(tmp_path):
    folder = v2_folder(tmp_path / "m", [v2_network(PlainConvUNet), v2_network(PlainConvUNet)])
    command = [sys.executable, "-m", "model.import_nnunet", str(folder)]
    out = tmp_path / "w.pt"
    done = subprocess.run(
        [*command, "--folds", "0,1", "--channels", "ce,ct", "--half", "--out", str(out)],
        capture_output=True, encoding="utf-8", cwd=ROOT, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    bundle = load_bundle(out)
    assert len(bundle.states) == 2 and bundle.channels == ("ce", "ct")
    assert "2 network(s)" in done.stdout


@pytest.mark.parametrize(
    "wrong",
    [["--folds", "7"], ["--channels", "ct"], ["--channels", "ct,ct"], ["--labels", "1,1"], ["--labels", "a,b"],
     ["--out", "dataset.json/x.pt"], ["--out", "fold_0"]],
)  # fmt: skip
def test_wrong_arguments_are_one_line_and_leave_nothing(wrong, tmp_path, monkeypatch, capsys):
    folder = v2_folder(tmp_path / "m", [v2_network(PlainConvUNet)])
    before = sorted(folder.rglob("*"))
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["import_nnunet", ".", "--out", "x.pt", *wrong])
    assert import_nnunet.main() == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert sorted(folder.rglob("*")) == before
