"""The network against nnU-Net's own class."""

import pytest
import torch
from torch import nn

from model.network import unet
from model.network.plan import NetworkPlan
from model.network.unet import Conv, UNet

PLANS = [
    NetworkPlan(
        2,
        3,
        (4, 8, 16),
        ((1, 3, 3), (3, 3, 3), (3, 3, 3)),
        ((1, 1, 1), (1, 2, 2), (2, 2, 2)),
        (2, 2, 2),
        (2, 2),
    ),
    NetworkPlan(
        1,
        2,
        (6, 6, 12, 12),
        ((3, 3, 3),) * 4,
        ((1, 1, 1), (2, 2, 2), (2, 1, 2), (1, 2, 2)),
        (1, 2, 3, 1),
        (3, 1, 2),
    ),
]


def reference_network(plan: NetworkPlan) -> nn.Module:
    architectures = pytest.importorskip("dynamic_network_architectures.architectures.unet")
    return architectures.PlainConvUNet(
        plan.in_channels,
        len(plan.features),
        plan.features,
        nn.Conv3d,
        plan.kernels,
        plan.strides,
        plan.encoder_convs,
        plan.num_classes,
        plan.decoder_convs,
        conv_bias=True,
        norm_op=nn.InstanceNorm3d,
        norm_op_kwargs={"eps": 1e-5, "affine": True},
        nonlin=nn.LeakyReLU,
        nonlin_kwargs={"inplace": True},
        deep_supervision=True,
    )


@pytest.mark.parametrize("plan", PLANS)
def test_equals_plainconvunet_with_the_same_weights(plan):
    torch.manual_seed(0)
    theirs, ours = reference_network(plan), UNet(plan)
    for (
        parameter
    ) in theirs.parameters():  # their default biases and norms are trivial: make all of them count
        nn.init.normal_(parameter, std=0.3)
    weights = {
        name: tensor
        for name, tensor in theirs.state_dict().items()
        if "all_modules" not in name and not name.startswith("decoder.encoder.")
    }
    ours.load_state_dict(weights)
    image = torch.randn(2, plan.in_channels, 16, 24, 32)
    with torch.no_grad():
        for a, b in zip(ours.train()(image), theirs.train()(image), strict=True):
            torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)
        expected = theirs(image)[0]
        torch.testing.assert_close(ours.eval()(image), expected, atol=1e-5, rtol=1e-5)


def test_total_stride_is_the_product_of_strides():
    assert PLANS[0].total_stride_zyx == (2, 4, 4)


def test_plan_with_unequal_lengths_is_refused():
    with pytest.raises(ValueError, match="stages"):
        NetworkPlan(2, 3, (4, 8), ((3, 3, 3),), ((1, 1, 1), (2, 2, 2)), (2, 2), (2,))


@pytest.mark.parametrize("onednn", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("stride", [(1, 1, 1), (1, 2, 2)])
def test_convolution_equals_torchs_with_its_gradients(dtype, stride, onednn, monkeypatch):
    if not onednn:
        monkeypatch.setattr(unet, "ONEDNN", [])
    torch.manual_seed(0)
    ours = Conv(2, 6, (1, 3, 3), stride).to(dtype)
    results = []
    for convolve in (ours, lambda x: nn.functional.conv3d(x, ours.weight, ours.bias, stride, (0, 1, 1))):
        image = torch.randn(1, 2, 4, 8, 8, dtype=dtype, generator=torch.manual_seed(1), requires_grad=True)
        result = convolve(image)
        results.append([result, *torch.autograd.grad(result.square().sum(), (image, *ours.parameters()))])
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b)


def test_convolution_leaves_autocast_its_way():
    with torch.autocast("cpu", torch.bfloat16):
        assert Conv(2, 4, (3, 3, 3), (1, 1, 1))(torch.randn(1, 2, 4, 8, 8)).dtype == torch.bfloat16
