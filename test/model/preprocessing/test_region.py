"""Linear interpolation as matrices, against torch's own."""

import pytest
import torch
from torch.nn import functional

from model.preprocessing.region import Region, blocks, in_plane, interpolation_matrix
from model.preprocessing.splines import CUBIC, spline_matrix


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


def test_blocks_of_matrices_give_what_the_matrices_give():
    """And hold little else than their entries: that is what they are for."""
    to_rows, to_columns = spline_matrix(70, 190, CUBIC), interpolation_matrix(400, 90)
    plane = torch.randn(70, 400, generator=torch.Generator().manual_seed(0))
    expected = to_rows.double() @ plane.double() @ to_columns.double().T
    result = in_plane(blocks(to_rows), plane, blocks(to_columns))
    torch.testing.assert_close(result, expected.float())
    assert sum(weights.numel() for weights, _ in blocks(to_columns)) < to_columns.numel() / 2
