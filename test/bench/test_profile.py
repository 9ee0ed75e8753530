"""What the profile counts, against closed forms."""

import pytest
import torch
from torch import nn

from bench.profile import Cost, Limits, Operators, draw, table
from model.network.unet import Conv

CPU = torch.device("cpu")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])  # oneDNN's convolution and torch's
def test_convolutions_are_counted_by_kernel_with_their_arithmetic_and_bytes(dtype):
    conv, up = Conv(2, 4, (1, 3, 3), (1, 2, 2)).to(dtype), nn.ConvTranspose3d(4, 3, 2, 2).to(dtype)
    image = torch.zeros(1, 2, 4, 8, 8, dtype=dtype)
    with torch.no_grad(), Operators(CPU) as operators:
        result = conv(image)
        risen = up(result)
    plain = operators.costs["convolution 1 x 3 x 3"]
    assert plain.count == 1 and plain.seconds > 0
    assert plain.flop == 2 * result.numel() * 2 * 9
    weights = sum(tensor.nbytes for tensor in conv.parameters())
    assert plain.moved_bytes == image.nbytes + result.nbytes + weights
    # Strides are as large as the kernel: every value of the result is of one product for each channel.
    assert operators.costs["transposed convolution 2 x 2 x 2"].flop == 2 * risen.numel() * 4


def test_views_move_nothing():
    with Operators(CPU) as operators:
        torch.zeros(4, 4)[1:].flatten()
    assert operators.costs["slice"].moved_bytes == 0


def test_the_share_is_of_the_nearer_limit():
    limits = Limits(flop=100.0, moved_bytes=10.0)
    assert limits.share(Cost(seconds=2.0, flop=100.0, moved_bytes=1.0)) == 0.5
    assert limits.share(Cost(seconds=2.0, flop=1.0, moved_bytes=15.0)) == 0.75


def test_tables_have_the_slowest_first_and_a_picture_is_drawn(tmp_path):
    costs = {"norm": Cost(1.0, 0.0, 5.0, 2e9, 3), "convolution": Cost(3.0, 200.0, 1.0, 1e9, 2)}
    first, second, third, last = table(costs, Limits(100.0, 10.0)).splitlines()
    assert first.split() == ["count", "ms", "share", "GFLOP", "GB", "moved", "of", "limit"]
    assert second.split()[:4] == ["convolution", "2", "3000.0", "75.0%"] and second.endswith("67%")
    assert third.startswith("norm") and last.split() == ["sum", "4000.0"]
    assert table(costs, None).splitlines()[2].endswith("2.00")
    draw(costs, costs, Limits(100.0, 10.0), tmp_path / "new" / "profile.png")
    assert (tmp_path / "new" / "profile.png").read_bytes().startswith(b"\x89PNG")
