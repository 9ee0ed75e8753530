"""Linear interpolation as matrices, against torch's own."""

import pytest
import torch
from torch.nn import functional

from model.preprocessing.region import Region, interpolation_matrix


@pytest.mark.parametrize(("n_in", "n_out"), [(10, 10), (10, 37), (40, 13), (100, 27), (5, 1)])
def test_interpolation_equals_torch_antialiased(n_in, n_out):
    signal = torch.randn(1, 1, 1, n_in, generator=torch.Generator().manual_seed(1))
    expected = functional.interpolate(signal, (1, n_out), mode="bilinear", antialias=True)
    torch.testing.assert_close(signal @ interpolation_matrix(n_in, n_out).T, expected)


def test_the_way_home_is_linear_unless_given():
    box = (slice(2, 12), slice(0, 7), slice(3, 8))
    region = Region((20, 7, 9), box, (5, 14, 5))
    for axis, (n, m) in enumerate(zip((10, 7, 5), (5, 14, 5), strict=True)):
        assert torch.equal(region.way_home(axis), interpolation_matrix(m, n))
    given = tuple(torch.eye(n) for n in (5, 14, 5))
    assert Region((20, 7, 9), box, (5, 14, 5), given).way_home(1) is given[1]
