"""Convolutions slab by slab: the same results, in the memory of what is not needed any more."""

from dataclasses import replace

import pytest
import torch

from model.network import slabs
from model.network.plan import NetworkPlan
from model.network.slabs import fits_slabs, risen
from model.network.unet import Conv, InstanceNorm, UNet

PLAN = NetworkPlan(
    in_channels=2,
    num_classes=3,
    features=(4, 8, 8, 8),
    kernels=((1, 3, 3), (3, 3, 3), (3, 3, 3), (3, 3, 3)),
    strides=((1, 1, 1), (1, 2, 2), (2, 2, 2), (3, 1, 1)),
    encoder_convs=(2, 3, 2, 1),
    decoder_convs=(1, 2, 2),
)


@pytest.fixture
def thin_slabs(monkeypatch):
    """Of four planes, whatever the size."""
    monkeypatch.setattr(slabs, "SLAB_BYTES", 1)


@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last_3d])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("residual", [False, True])
def test_a_network_says_the_same_slab_by_slab(residual, dtype, order, thin_slabs):
    """With gradients nothing is written over: that is the reference. Slabs of 4, of 4 and 2, and with one left over."""
    torch.manual_seed(0)
    network = UNet(replace(PLAN, residual=residual)).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    network = network.to(dtype).to(memory_format=order)
    for depth in (12, 18, 30):
        image = torch.randn(1, 2, depth, 8, 12).to(dtype)
        expected = network(image).detach()
        with torch.no_grad():
            torch.testing.assert_close(network(image), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("depth", [5, 8, 9, 13])
@pytest.mark.parametrize("kernel", [(1, 3, 3), (3, 3, 3)])
def test_the_result_lies_where_the_input_lay(kernel, depth, thin_slabs):
    conv, x = Conv(3, 3, kernel, (1, 1, 1)), torch.randn(1, 3, depth, 6, 6)
    with torch.no_grad():
        expected = conv(x)
        result = conv.over(x)
    assert result.data_ptr() == x.data_ptr()
    torch.testing.assert_close(result, expected)


def test_only_what_can_be_written_over_is(thin_slabs):
    x, fitting = torch.zeros(1, 4, 12, 4, 4), Conv(2, 4, (3, 3, 3), (1, 1, 1))
    assert not fits_slabs(x, fitting)  # with gradients
    with torch.no_grad():
        assert fits_slabs(x, fitting)
        assert not fits_slabs(x[:, :, :4], fitting)  # one slab alone
        assert not fits_slabs(torch.zeros(2, 4, 12, 4, 4), fitting)
        assert not fits_slabs(x.to("meta"), fitting)
        for other in (((3, 3, 3), (1, 2, 2), 4), ((5, 3, 3), (1, 1, 1), 4), ((3, 3, 3), (1, 1, 1), 5)):
            assert not fits_slabs(x, Conv(4, other[2], *other[:2]))
        strided = Conv(4, 4, (3, 3, 3), (2, 2, 2))
        torch.testing.assert_close(strided.over(x), strided(x))


@pytest.mark.parametrize("rate", [1, 2, 3])
def test_planes_brought_up_are_those_of_the_whole(rate):
    up, below = torch.nn.ConvTranspose3d(2, 3, (rate, 2, 2), (rate, 2, 2)), torch.randn(1, 2, 4, 3, 3)
    whole = up(below)
    for start, stop in ((0, 1), (1, 3), (2, whole.shape[2]), (0, whole.shape[2])):
        torch.testing.assert_close(risen(up, below, start, stop), whole[:, :, start:stop])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_norm_without_gradients_is_the_same_and_in_place(dtype):
    norm, x = InstanceNorm(3).to(dtype), torch.randn(1, 3, 4, 5, 6).to(dtype)
    expected = norm(x).detach()
    with torch.no_grad():
        result = norm(x)
    assert result is x
    torch.testing.assert_close(result, expected)
