"""nnU-Net's resampling: splines as one matrix per axis, applied slice by slice. All arrays are (z, y, x).

nnU-Net calls skimage.transform.resize (Isensee et al., Nature Methods 2021, supplement). Splines are linear in the data
and separable, so the same comes out of one matrix per axis, which only needs to be applied where the network will look.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from model.network.plan import Spacing, Triple
from model.preprocessing.region import Box, blocks, in_plane

# nnU-Net's threshold: spacings further apart than this are resampled slice by slice.
ANISOTROPIC = 3.0
# Orders of splines.
NEAREST, LINEAR, CUBIC = 0, 1, 3
# Weight below which a sample is not read; a spline's weights fall to a quarter from each sample to the next.
NEGLIGIBLE = 1e-8

Index = tuple[slice | int, ...]
# normalise(slice, index): what array[index] becomes, float32, before it is resampled.
Normaliser = Callable[[Tensor, Index], Tensor]


@dataclass(frozen=True)
class Resampling:
    """From a box of the input to a part of the network's grid.

    matrices: one per axis (part's voxels, box's voxels). separate_axis: the axis (0 z, 1 y, 2 x) along which the
    nearest slice is taken, apart from the resampling within slices. same_grid: nothing needs resampling.
    """

    matrices: tuple[Tensor, Tensor, Tensor]
    separate_axis: int | None
    same_grid: bool

    @property
    def shape(self) -> Triple:
        z, y, x = (len(matrix) for matrix in self.matrices)
        return (z, y, x)


def cubic_resampling(
    box_shape: Triple, network_shape: Triple, part: Box, separate_axis: int | None
) -> Resampling:
    """Cubic, but for the separate axis, which takes the nearest slice."""
    z, y, x = (
        spline_matrix(n, m, NEAREST if axis == separate_axis else CUBIC)[part[axis]]
        for axis, (n, m) in enumerate(zip(box_shape, network_shape, strict=True))
    )
    return Resampling((z, y, x), separate_axis, box_shape == network_shape)


def resample(array: np.ndarray, resampling: Resampling, normalise: Normaliser, out: Tensor) -> None:
    """An int16 volume, normalised and resampled slice by slice into `out` (z, y, x), in its number format.

    The result is limited to the range of what it comes from: of the slice with a separate axis, else of the whole
    volume, which then has to be looked at everywhere.
    """
    first = resampling.separate_axis or 0
    order = (first, *(axis for axis in range(3) if axis != first))
    volume, result = array.transpose(order), out.permute(order)
    to_slice, to_row, to_column = (resampling.matrices[axis] for axis in order)
    row_blocks, column_blocks = blocks(to_row), blocks(to_column)
    used = (to_slice != 0).any(0)
    range_of_all = resampling.separate_axis is None and not resampling.same_grid
    low, high = float("inf"), -float("inf")
    nearest = to_slice.argmax(1)
    planes = torch.empty((int(used.sum()) * range_of_all, len(to_row), len(to_column)))
    done = 0
    for k in range(len(volume)):
        if not (used[k] or range_of_all):
            continue
        plane = torch.from_numpy(np.ascontiguousarray(volume[k], np.float32))
        plane = normalise(plane, (slice(None),) * first + (k,))
        if range_of_all:
            low, high = min(low, float(plane.min())), max(high, float(plane.max()))
        if used[k]:
            sampled = in_plane(row_blocks, plane, column_blocks)
            if range_of_all:
                planes[done] = sampled
                done += 1
            else:  # one slice each
                result[nearest == k] = sampled.clamp_(float(plane.min()), float(plane.max())).to(out.dtype)
    if range_of_all:
        result.copy_((to_slice[:, used] @ planes.flatten(1)).unflatten(1, planes.shape[1:]))
        result.clamp_(low, high)


@lru_cache(8)
def spline_matrix(n_in: int, n_out: int, order: int) -> Tensor:
    """What scipy's spline interpolation of n_in samples to n_out over the same extent is as a matrix (n_out, n_in)."""
    if n_in == n_out:
        return torch.eye(n_in)
    if order == NEAREST:
        centres = (np.arange(n_out) + 0.5) * n_in / n_out - 0.5
        nearest = ndimage.map_coordinates(np.arange(n_in), [centres], order=0, mode="nearest")
        return torch.eye(n_in)[torch.from_numpy(nearest)]
    columns = [
        ndimage.zoom(unit, n_out / n_in, order=order, mode="nearest", grid_mode=True) for unit in np.eye(n_in)
    ]
    weights = np.stack(columns, 1)
    return torch.from_numpy(np.where(np.abs(weights) > NEGLIGIBLE, weights, 0).astype(np.float32))


def separate_axis(first: Spacing, second: Spacing) -> int | None:
    """The axis (0 z, 1 y, 2 x) that is resampled apart: the coarse one of the first anisotropic spacing, if single."""
    for spacing in (first, second):
        if max(spacing) / min(spacing) > ANISOTROPIC:
            coarse = [axis for axis in range(3) if spacing[axis] == max(spacing)]
            return coarse[0] if len(coarse) == 1 else None
    return None
