"""Where the network's grid lies in the input, and linear interpolation as matrices. All arrays are (z, y, x)."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from model.network.plan import Triple

# Rows of a matrix that are applied together, to the columns that any of them needs.
BLOCK = 32

Box = tuple[slice, slice, slice]
# Of a matrix whose entries lie around its diagonal: blocks of rows, each with the columns where it is not zero.
Blocks = list[tuple[Tensor, slice]]


def box_from(slices: Iterable[slice]) -> Box:
    """Three slices (z, y, x) as a tuple."""
    z, y, x = slices
    return (z, y, x)


@dataclass(frozen=True)
class Region:
    """Where the network's grid lies in the input: box of input voxels, shape of the network's grid, both (z, y, x).

    home: interpolation from that grid back to the box, one matrix (input voxels, network voxels) per axis; linear if
    None.
    """

    input_shape: Triple
    box: Box
    network_shape: Triple
    home: tuple[Tensor, Tensor, Tensor] | None = None

    def way_home(self, axis: int) -> Tensor:
        """The matrix of one axis (0 z, 1 y, 2 x)."""
        if self.home is not None:
            return self.home[axis]
        return interpolation_matrix(self.network_shape[axis], self.box[axis].stop - self.box[axis].start)


def interpolation_matrix(n_in: int, n_out: int) -> Tensor:
    """Linear resampling of n_in samples to n_out over the same extent, float32 (n_out, n_in); rows sum to one.

    Triangle filter, widened to the output's spacing when it is the coarser one, so that noise and fine structure
    are averaged rather than aliased. Beyond the outermost centres the edge value holds.
    """
    scale = n_in / n_out
    centres = ((np.arange(n_out) + 0.5) * scale - 0.5).clip(0, n_in - 1)
    weights = 1 - np.abs(np.arange(n_in)[None] - centres[:, None]) / max(1.0, scale)
    weights = weights.clip(min=0)
    return torch.from_numpy((weights / weights.sum(1, keepdims=True)).astype(np.float32))


def blocks(matrix: Tensor) -> Blocks:
    """The same matrix; most of a product with it as a whole would be with zeros."""
    result = []
    for rows in matrix.split(BLOCK):
        columns = (rows != 0).any(0).nonzero().flatten()
        used = slice(int(columns[0]), int(columns[-1]) + 1)
        result.append((rows[:, used].contiguous(), used))
    return result


def in_plane(to_rows: Blocks, plane: Tensor, to_columns: Blocks) -> Tensor:
    """to_rows @ plane @ to_columns.T, of (y, x)."""
    rows = torch.cat([weights @ plane[used] for weights, used in to_rows])
    return torch.cat([rows[:, used] @ weights.T for weights, used in to_columns], 1)
