"""nnU-Net v2 models, against nnU-Net's own networks."""

import json

import pytest
import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet, ResidualEncoderUNet
from torch import nn

from model.errors import InputError
from model.network.plain import quoted

KERNELS, STRIDES = [[1, 3, 3], [3, 3, 3], [3, 3, 3]], [[1, 1, 1], [1, 2, 2], [2, 2, 2]]
PATCH, SPACING = (8, 16, 24), (3.0, 0.9, 0.8)


@pytest.mark.parametrize("kind", [PlainConvUNet, ResidualEncoderUNet])
def test_v2_networks_give_the_same_logits(v2_network, v2_folder, imported, kind, tmp_path):
    networks = [v2_network(kind) for _ in range(2)]
    bundle = imported(v2_folder(tmp_path / "m", networks), ("0", "1"))
    assert bundle.patch_zyx == PATCH and bundle.spacing_zyx == SPACING
    assert (bundle.pipeline, bundle.channels, bundle.mirror_axes) == ("nnunet-v2", ("ct", "ce"), (0, 1, 2))
    ct, masked = bundle.normalisation
    assert (ct.scheme, ct.lower, ct.upper, ct.mean, ct.std) == ("ct", -150, 220, 30, 60)
    assert masked.scheme == "masked-zscore"
    x = torch.randn(1, 2, *PATCH)
    with torch.no_grad():
        for ours, theirs in zip(bundle.build_networks(), networks, strict=True):
            torch.testing.assert_close(ours(x), theirs(x), atol=1e-5, rtol=1e-5)


def test_v2_plans_of_the_older_form(v2_network, v2_folder, imported, tmp_path):
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
        *(
            ({f"configuration__{key}_kwargs": {"order": order, "force_separate_z": None} | more}, message)
            for key, order in (("resampling_fn_data", 3), ("resampling_fn_probabilities", 1))
            for more, message in (
                ({"separate_z_anisotropy_threshold": 2}, "threshold' 2"),
                ({"is_seg": True}, "is_seg' True"),
                ({"order": 2}, "order' 2"),
                ({"order_z": 1}, "order_z' 1"),
                ({"mine": 1}, "mine' 1"),
                ({"force_separate_z": False}, "force_separate_z' False"),
            )
        ),
        # nnU-Net's function has a default of its own, which its planner never leaves to it.
        ({"configuration__resampling_fn_data_kwargs": {"order": 3}}, "force_separate_z' False"),
        ({"configuration__resampling_fn_probabilities_kwargs": {"force_separate_z": None}}, "order' 3"),
        ({"network__nonlin_first": True}, "nonlin_first is True"),
        ({"network__nonlin": None}, "nonlin is None.*LeakyReLU"),
        ({"network__nonlin": "my_lab.LeakyReLU"}, "my_lab.LeakyReLU"),
        ({"network__norm_op": None}, "norm_op is None"),
        ({"network__norm_op_kwargs": {"eps": 1e-3}}, "eps' 0.001"),
        ({"network__conv_bias": False}, "conv_bias is False"),
        ({"network__conv_bias": 1}, "conv_bias is 1"),
        ({"network__dropout_op": "torch.nn.Dropout3d"}, "dropout_op is"),
        ({"network__stem_channels": 4}, "stem_channels is 4"),
        ({"network__mine": 1}, "built with 'mine' 1"),
        (
            {
                "configuration__architecture": {
                    "network_class_name": "my_lab.networks.PlainConvUNet",
                    "arch_kwargs": {},
                }
            },
            "my_lab.networks",
        ),
        ({"configuration__normalization_schemes": ["CTNormalization", "Mine"]}, "Mine"),
        ({"plans__image_reader_writer": "NibabelIOWithReorient"}, "NibabelIOWithReorient"),
        ({"dataset__channel_names": {"0": "CT"}}, "say which with --channels"),
        ({"configuration__strides": 1, "configuration__spacing": None}, "not a complete"),
        ({"told__trainer_name": "nnUNetTrainerBN"}, "nnUNetTrainerBN.*norm"),
        ({"told__trainer_name": "nnUNetTrainer_mine"}, "nnUNetTrainer_mine.*--trainer"),
        ({"told__trainer_name": None}, "trainer None"),
    ],
)
def test_what_is_not_supported_is_refused(v2_network, v2_folder, imported, change, message, tmp_path):
    with pytest.raises(InputError, match=message):
        imported(v2_folder(tmp_path / "m", [v2_network(PlainConvUNet)], **change))


def test_a_nonlinearity_before_the_norm_is_told_by_the_weights_too(v2_network, v2_folder, imported, tmp_path):
    """A network that was built otherwise than its plans say: the modules in a row have other numbers."""
    folder = v2_folder(tmp_path / "m", [v2_network(PlainConvUNet)])
    path = folder / "fold_0" / "checkpoint_final.pth"
    content = torch.load(path, weights_only=False)
    state = {
        k.replace(".all_modules.1.", ".all_modules.2."): v for k, v in content["network_weights"].items()
    }
    torch.save(content | {"network_weights": state}, path)
    with pytest.raises(InputError, match=r"are not those.*all_modules\.2"):
        imported(folder)


@pytest.mark.parametrize(
    ("trainer", "axes", "expected"),
    [
        ("nnUNetTrainer", (0, 1, 2), (0, 1, 2)), ("nnUNetTrainer", (0, 1), (0, 1)), ("nnUNetTrainer", None, ()),
        ("nnUNetTrainerNoMirroring", None, ()), ("nnUNetTrainer_onlyMirror01", (0, 1), (0, 1)),
        ("nnUNetTrainerNoDA", (0, 1, 2), ()),  # as its first version allowed
    ],
)  # fmt: skip
def test_mirrors_are_those_of_the_training(
    v2_network, v2_folder, imported, trainer, axes, expected, tmp_path
):
    changes = {"told__trainer_name": trainer, "told__inference_allowed_mirroring_axes": axes}
    folder = v2_folder(tmp_path / "m", [v2_network(PlainConvUNet)], **changes)
    assert imported(folder).mirror_axes == expected


def test_an_own_trainer_may_be_taken_as_a_known_one(v2_network, v2_folder, imported, tmp_path):
    folder = v2_folder(tmp_path / "m", [v2_network(PlainConvUNet)], told__trainer_name="mine")
    assert imported(folder, trainer="nnUNetTrainer").provenance["trainer"] == "'mine', taken as nnUNetTrainer"


def test_folds_of_different_trainers_are_refused(v2_network, v2_folder, imported, tmp_path):
    folder = v2_folder(tmp_path / "m", [v2_network(PlainConvUNet) for _ in range(2)])
    path = folder / "fold_1" / "checkpoint_final.pth"
    content = torch.load(path, weights_only=False)
    torch.save(content | {"trainer_name": "nnUNetTrainerNoMirroring"}, path)
    with pytest.raises(InputError, match="different trainers"):
        imported(folder, ("0", "1"))


BIG, NAN = "x" * 10**6, float("nan")


@pytest.mark.parametrize(
    "change",
    [
        {"configuration__patch_size": [0, 0, 0]}, {"configuration__patch_size": [2**40] * 3},
        {"configuration__patch_size": [8, 16, 25]}, {"configuration__patch_size": [10**400] * 3},
        {"configuration__patch_size": BIG}, {"configuration__patch_size": ["8", 16, 24]},
        {"configuration__spacing": [0, 1, 1]}, {"configuration__spacing": [-3, 1, 1]},
        {"configuration__spacing": [NAN, 1, 1]},
        {"configuration__spacing": [1e30, 1, 1]}, {"configuration__spacing": [float("inf"), 1, 1]},
        {"configuration__spacing": ["3", 1, 1]}, {"configuration__spacing": [True, 1, 1]},
        {"configuration__inherits_from": "base"}, {"configuration__inherits_from": BIG},
        {"configuration__inherits_from": "3d_fullres"}, {"configuration__preprocessor_name": BIG},
        {"configuration__normalization_schemes": [BIG, BIG]}, {"configuration__use_mask_for_norm": [True] * 10**5},
        {"network__strides": [[1, 1, 1], [0, 2, 2], [2, 2, 2]]}, {"network__strides": [[10**9] * 3] * 3},
        {"network__strides": [[2, 2, 2]] * 10**5}, {"network__kernel_sizes": [[2, 2, 2]] * 3},
        {"network__features_per_stage": [10**9] * 3}, {"network__features_per_stage": [32] * 10**5},
        {"network__features_per_stage": [4.5, 6, 8]}, {"network__n_conv_per_stage": 10**9},
        {"network__n_conv_per_stage": [10**9] * 3}, {"network__n_conv_per_stage_decoder": [0, 2]},
        {"network__norm_op": BIG}, {"network__nonlin_kwargs": {"negative_slope": BIG}},
        {"network__nonlin_kwargs": BIG}, {"plans__foreground_intensity_properties_per_channel": {}},
        {"plans__transpose_forward": [0, 0, 1]}, {"plans__transpose_forward": [0, 1, 2, 3]},
        {"plans__image_reader_writer": BIG}, {"plans__configurations": {}}, {"plans__configurations": BIG},
        *({"plans__foreground_intensity_properties_per_channel": {"0": change}} for change in (
            None, {}, BIG, {"mean": 1}, *({
                "mean": 30.0, "std": 60.0, "percentile_00_5": -150.0, "percentile_99_5": 220.0,
            } | figures for figures in ({"std": NAN}, {"std": -60}, {"mean": "30"}, {"percentile_00_5": 400})),
        )),
        {"dataset__labels": {"background": 0, "GTVp": 1, "GTVnd": float("inf")}},
        {"dataset__labels": {BIG: 1, "b": 3}},
        {"dataset__labels": dict.fromkeys(map(str, range(10**4)), 1)}, {"dataset__labels": BIG},
        {"dataset__labels": None},
        {"dataset__channel_names": BIG}, {"dataset__channel_names": 3},
        {"told__inference_allowed_mirroring_axes": (0, 1, 2.5)}, {"told__inference_allowed_mirroring_axes": "all"},
        {"told__inference_allowed_mirroring_axes": (0, 0)}, {"told__init_args": None}, {"told__trainer_name": BIG},
        {"told__init_args": {"configuration": "4d"}}, {"told__init_args": {"configuration": ["base"]}},
        {"told__network_weights": None}, {"told__network_weights": {}}, {"told__network_weights": {3: torch.ones(3)}},
        {"told__network_weights": {"x": torch.ones(1).expand(2**20, 2**20)}},
        {"told__network_weights": {BIG: torch.ones(1)}},
    ],
    ids=quoted,
)  # fmt: skip
def test_nonsense_in_a_v2_model_is_one_line(v2_network, v2_folder, imported, change, tmp_path):
    folder = v2_folder(tmp_path / "m", [v2_network(PlainConvUNet)], **change)
    with pytest.raises(InputError) as refused:
        imported(folder)
    assert len(str(refused.value)) < 800 + len(str(folder)) and "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["plans.json", "dataset.json"])
@pytest.mark.parametrize(
    "text",
    ["[" * 10**6, '{"a":' * 10**5, "", "null", "3", "[]", "nonsense",
    '"' + "x" * 10**6 + '"', "1" * 10**5, "{}", "\x00",
     " " * 20_000_000],
    ids=lambda text: text[:10],
)  # fmt: skip
def test_json_that_describes_no_model_is_one_line(v2_network, v2_folder, imported, name, text, tmp_path):
    folder = v2_folder(tmp_path / "m", [v2_network(PlainConvUNet)])
    (folder / name).write_text(text)
    with pytest.raises(InputError) as refused:
        imported(folder)
    assert len(str(refused.value)) < 800 + len(str(folder)) and "\n" not in str(refused.value)
