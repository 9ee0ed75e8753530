"""nnU-Net v2 models, against nnU-Net's own networks."""

import json

import pytest
import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet, ResidualEncoderUNet
from torch import nn

from model.errors import InputError

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
        ({"configuration__normalization_schemes": ["CTNormalization", "Mine"]}, "Mine"),
        ({"plans__image_reader_writer": "NibabelIOWithReorient"}, "NibabelIOWithReorient"),
        ({"dataset__channel_names": {"0": "CT"}}, "say which with --channels"),
        ({"configuration__strides": 1, "configuration__spacing": None}, "not a complete"),
    ],
)
def test_what_is_not_supported_is_refused(v2_network, v2_folder, imported, change, message, tmp_path):
    with pytest.raises(InputError, match=message):
        imported(v2_folder(tmp_path / "m", [v2_network(PlainConvUNet)], **change))
