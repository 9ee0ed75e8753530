"""Cropping, resampling and normalisation as nnU-Net (v1 and v2) does them, for weights imported from it.

Crop to where any CT is not zero → normalise → resample (v1: resample → normalise). Resampling is cubic, or, where the
spacing along one axis is more than three times another one (of the scan, else of the network), cubic within the
slices and nearest across them; results are limited to the range of what they came from. On the way back it is linear
instead of cubic. nnU-Net calls skimage.transform.resize for that (Isensee et al., Nature Methods 2021, supplement);
since splines are linear in the data and separable, the same comes out of one matrix per axis, which only needs to be
applied where the network will look. All arrays are (z, y, x).
"""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from model.images.pair import Pair
from model.network.bundle import Bundle, Normalisation
from model.network.plan import triple
from model.preprocessing.gtvseg import Region, body_box, normalise_hu, outside_circle

ANISOTROPIC = 3.0  # nnU-Net's threshold: spacings further apart than this are resampled slice by slice
NEAREST, LINEAR, CUBIC = 0, 1, 3  # spline orders
NEGLIGIBLE = (
    1e-8  # weight below which a sample is not read; a spline's fall to a quarter from each to the next
)
BLOCK = 32  # rows of a matrix that are applied together, to the columns that any of them needs

Box = tuple[slice, slice, slice]
Index = tuple[slice | int, ...]
Normaliser = Callable[[Tensor, Index], Tensor]


def find_region(pair: Pair, bundle: Bundle) -> tuple[Region, Box] | None:
    """Where the network's grid lies, and the body's box on that grid (z, y, x); None where there is no body."""
    box = nonzero_box(pair)
    body = box and body_box(pair.ct, outside_circle(pair.ct), pair.spacing_zyx)
    if box is None or body is None:
        return None
    lengths = [axis.stop - axis.start for axis in box]
    shape = triple(
        round(s / t * n) for s, t, n in zip(pair.spacing_zyx, bundle.spacing_zyx, lengths, strict=True)
    )
    spacings = (
        bundle.spacing_zyx,
        pair.spacing_zyx,
    )  # on the way back v2 looks at the network's first, v1 does not
    across = separate_axis(*(reversed(spacings) if bundle.pipeline == "nnunet-v1" else spacings))
    z, y, x = (
        spline_matrix(shape[axis], lengths[axis], NEAREST if axis == across else LINEAR) for axis in range(3)
    )
    scales = [m / n for m, n in zip(shape, lengths, strict=True)]
    bounds = [
        (max(0, int((b.start - o.start) * f) - 1), min(m, int(np.ceil((b.stop - o.start) * f)) + 1))
        for b, o, f, m in zip(body, box, scales, shape, strict=True)
    ]
    input_z, input_y, input_x = pair.ct.shape
    if bundle.pipeline == "nnunet-v1" and any(scheme.scheme != "ct" for scheme in bundle.normalisation):
        bounds = [(0, m) for m in shape]  # figures are taken from the whole resampled scan
    return Region((input_z, input_y, input_x), box, shape, (z, y, x)), _box(slice(*pair) for pair in bounds)


def sample(pair: Pair, bundle: Bundle, region: Region, part: Box) -> Tensor:
    """Both CTs, normalised, on a part of the network's grid: float32 (channels, z, y, x), in the bundle's order."""
    lengths = [axis.stop - axis.start for axis in region.box]
    across = separate_axis(pair.spacing_zyx, bundle.spacing_zyx)
    matrices = [
        spline_matrix(n, m, NEAREST if axis == across else CUBIC)[part[axis]]
        for axis, (n, m) in enumerate(zip(lengths, region.network_shape, strict=True))
    ]
    changed = tuple(lengths) != region.network_shape
    image = torch.empty((len(bundle.channels), *(len(matrix) for matrix in matrices)))
    for out, name, scheme in zip(image, bundle.channels, bundle.normalisation, strict=True):
        array = getattr(pair, name)[region.box]
        if bundle.pipeline == "nnunet-v1":
            resample(array, lambda plane, index: plane, matrices, across, changed, out)
            normaliser(scheme, out.numpy(), None)(out, ())
        else:
            mask = nonzero_mask(pair)[region.box] if scheme.scheme == "masked-zscore" else None
            resample(array, normaliser(scheme, array, mask), matrices, across, changed, out)
    return image


def resample(
    array: np.ndarray,
    normalise: Normaliser,
    matrices: list[Tensor],
    across: int | None,
    changed: bool,
    out: Tensor,
) -> None:
    """Apply one matrix per axis to an int16 volume, slice by slice, into `out` (z, y, x).

    normalise(plane, index) is applied to each float32 slice before. across: the axis that is resampled apart, if any.
    """
    first = across or 0
    order = (first, *(axis for axis in range(3) if axis != first))
    volume, result = array.transpose(order), out.permute(order)
    to_slice, to_row, to_column = (matrices[axis] for axis in order)
    row_blocks, column_blocks = blocks(to_row), blocks(to_column)
    used = (to_slice != 0).any(0)
    whole = across is None and changed  # the range is then the whole volume's, so every slice is looked at
    low, high = float("inf"), -float("inf")
    planes = torch.empty((int(used.sum()), len(to_row), len(to_column)))
    at = 0
    for k in range(len(volume)):
        if not (used[k] or whole):
            continue
        plane = torch.from_numpy(np.ascontiguousarray(volume[k], np.float32))
        plane = normalise(plane, (slice(None),) * first + (k,))
        if whole:
            low, high = min(low, float(plane.min())), max(high, float(plane.max()))
        if used[k]:
            rows = torch.cat([weights @ plane[needed] for weights, needed in row_blocks])
            planes[at] = torch.cat([rows[:, needed] @ weights.T for weights, needed in column_blocks], 1)
            if not whole:
                planes[at].clamp_(float(plane.min()), float(plane.max()))
            at += 1
    if across is not None or not changed:
        result.copy_(planes[to_slice[:, used].argmax(1)])  # one slice each
    else:
        result.copy_((to_slice[:, used] @ planes.flatten(1)).unflatten(1, planes.shape[1:]))
        result.clamp_(low, high)


@lru_cache(8)
def spline_matrix(n_in: int, n_out: int, order: int) -> Tensor:
    """What scipy's spline interpolation of n_in samples to n_out over the same extent is as a matrix (n_out, n_in)."""
    if n_in == n_out:
        return torch.eye(n_in)
    if order == NEAREST:
        centres = (np.arange(n_out) + 0.5) * n_in / n_out - 0.5
        taken = ndimage.map_coordinates(np.arange(n_in), [centres], order=0, mode="nearest")
        return torch.eye(n_in)[torch.from_numpy(taken)]
    columns = [
        ndimage.zoom(unit, n_out / n_in, order=order, mode="nearest", grid_mode=True) for unit in np.eye(n_in)
    ]
    weights = np.stack(columns, 1)
    return torch.from_numpy(np.where(np.abs(weights) > NEGLIGIBLE, weights, 0).astype(np.float32))


def blocks(matrix: Tensor) -> list[tuple[Tensor, slice]]:
    """A matrix whose entries lie around its diagonal in blocks of rows, each with the columns where it is not zero."""
    parts = []
    for rows in matrix.split(BLOCK):
        columns = (rows != 0).any(0).nonzero().flatten()
        needed = slice(int(columns[0]), int(columns[-1]) + 1)
        parts.append((rows[:, needed].contiguous(), needed))
    return parts


def separate_axis(first: tuple[float, float, float], second: tuple[float, float, float]) -> int | None:
    """The axis (0 z, 1 y, 2 x) that is resampled apart: the coarse one of the first anisotropic spacing, if single."""
    for spacing in (first, second):
        if max(spacing) / min(spacing) > ANISOTROPIC:
            coarse = [axis for axis in range(3) if spacing[axis] == max(spacing)]
            return coarse[0] if len(coarse) == 1 else None
    return None


def normaliser(scheme: Normalisation, array: np.ndarray, mask: np.ndarray | None) -> Normaliser:
    """Normalises, mostly in place, the float32 slice array[index] (z, y, x); the array's figures are taken here."""
    if scheme.scheme == "ct":
        return lambda plane, index: normalise_hu(plane, scheme)
    if scheme.scheme == "none":
        return lambda plane, index: plane
    if scheme.scheme == "rescale-0-1":
        low, extent = float(array.min()), max(float(np.ptp(array)), 1e-8)
        return lambda plane, index: plane.sub_(low).div_(extent)
    inside = array if mask is None else array[mask]
    mean, std = float(inside.mean(dtype=np.float64)), max(float(inside.std(dtype=np.float64)), 1e-8)
    if mask is None:
        return lambda plane, index: plane.sub_(mean).div_(std)
    return lambda plane, index: torch.where(torch.from_numpy(mask[index]), (plane - mean) / std, plane)


def nonzero_box(pair: Pair) -> Box | None:
    """The smallest box with all voxels at which any CT is not zero."""

    def anything(axis: int, index: int) -> bool:
        plane = (slice(None),) * axis + (index,)
        return bool(pair.ct[plane].any() or pair.ce[plane].any())

    bounds = []
    for axis, n in enumerate(pair.ct.shape):  # from the outside, since most scans have no such margin
        first = next((k for k in range(n) if anything(axis, k)), None)
        if first is None:
            return None
        last = next(k for k in reversed(range(n)) if anything(axis, k))
        bounds.append(slice(first, last + 1))
    return _box(bounds)


def nonzero_mask(pair: Pair) -> np.ndarray:
    """Bool (z, y, x): where any CT is not zero, holes filled."""
    return ndimage.binary_fill_holes((pair.ct != 0) | (pair.ce != 0))


def _box(slices) -> Box:  # type: ignore[no-untyped-def]
    z, y, x = slices
    return (z, y, x)
