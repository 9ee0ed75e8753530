"""Cropping, resampling and normalisation as nnU-Net (v1 and v2) does them, for weights imported from it.

Crop to where any CT that the network sees is not zero → normalise → resample (v1: resample → normalise). Resampling is
cubic, or, where the spacing along one axis is more than three times another one (of the scan, else of the network),
cubic within the slices and nearest across them. On the way back it is linear instead of cubic. All arrays are
(z, y, x).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from model.images.pair import Pair
from model.network.bundle import Bundle, Normalisation
from model.network.placement import image_dtype
from model.network.plan import triple
from model.preprocessing.body import body_box, outside_circle
from model.preprocessing.gtvseg import normalise_hu
from model.preprocessing.region import Box, Region, box_from
from model.preprocessing.splines import (
    LINEAR,
    NEAREST,
    Normaliser,
    cubic_resampling,
    resample,
    separate_axis,
    spline_matrix,
)


@dataclass(frozen=True)
class Version:
    """In what nnU-Net's versions differ here.

    normalise_first: before resampling, not after. home_by_network: on the way back it is the network's spacing that
    first decides which axis is resampled apart, not the scan's.
    """

    normalise_first: bool
    home_by_network: bool


V1 = Version(normalise_first=False, home_by_network=False)
V2 = Version(normalise_first=True, home_by_network=True)


def find_region(pair: Pair, bundle: Bundle, version: Version) -> tuple[Region, Box] | None:
    """Where the network's grid lies, and the box on it that has to be sampled: the body's. None: there is no body.

    Where figures for normalisation are taken from the whole resampled scan, as v1 does, the box is the whole grid.
    """
    box = nonzero_box(seen(pair, bundle))
    first_seen = pair.ct if "ct" in bundle.channels else pair.ce
    body = box and body_box(first_seen, outside_circle(first_seen), pair.spacing_zyx)
    if box is None or body is None:
        return None
    lengths = [axis.stop - axis.start for axis in box]
    shape = triple(
        round(s / t * n) for s, t, n in zip(pair.spacing_zyx, bundle.spacing_zyx, lengths, strict=True)
    )
    first, second = pair.spacing_zyx, bundle.spacing_zyx
    if version.home_by_network:
        first, second = second, first
    apart = separate_axis(first, second)
    z, y, x = (
        spline_matrix(shape[axis], lengths[axis], NEAREST if axis == apart else LINEAR) for axis in range(3)
    )
    region = Region(triple(pair.ct.shape), box, shape, (z, y, x))
    if not version.normalise_first and any(scheme.scheme != "ct" for scheme in bundle.normalisation):
        return region, box_from(slice(0, m) for m in shape)
    scales = [m / n for m, n in zip(shape, lengths, strict=True)]
    return region, box_from(
        slice(
            max(0, int((inner.start - outer.start) * scale) - 1),
            min(m, int(np.ceil((inner.stop - outer.start) * scale)) + 1),
        )
        for inner, outer, scale, m in zip(body, box, scales, shape, strict=True)
    )


def sample(pair: Pair, bundle: Bundle, region: Region, part: Box, version: Version) -> Tensor:
    """Both CTs, normalised, on a part of the network's grid: (channels, z, y, x), in its image_dtype.

    The channels are in the bundle's order.
    """
    resampling = cubic_resampling(
        triple(axis.stop - axis.start for axis in region.box),
        region.network_shape,
        part,
        separate_axis(pair.spacing_zyx, bundle.spacing_zyx),
    )
    dtype = image_dtype(math.prod(resampling.shape))
    image = torch.empty((len(bundle.channels), *resampling.shape), dtype=dtype)
    for out, name, scheme in zip(image, bundle.channels, bundle.normalisation, strict=True):
        array = getattr(pair, name)[region.box]
        if version.normalise_first:
            mask = nonzero_mask(seen(pair, bundle))[region.box] if scheme.scheme == "masked-zscore" else None
            resample(array, resampling, normaliser(scheme, array, mask), out)
        else:
            # Not yet in float16, whose steps are 0.5 from 512 HU on.
            hu = out if out.dtype == torch.float32 else torch.empty(out.shape)
            resample(array, resampling, lambda plane, index: plane, hu)
            out.copy_(normaliser(scheme, hu.numpy(), None)(hu, ()))
    return image


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


def seen(pair: Pair, bundle: Bundle) -> list[np.ndarray]:
    """The CTs that the network is given (z, y, x): nnU-Net knows of no others."""
    return [getattr(pair, name) for name in bundle.channels]


def nonzero_box(cts: Sequence[np.ndarray]) -> Box | None:
    """The smallest box with all voxels at which any of these CTs (z, y, x) is not zero."""

    def anything(axis: int, index: int) -> bool:
        plane = (slice(None),) * axis + (index,)
        return any(ct[plane].any() for ct in cts)

    bounds = []
    for axis, n in enumerate(cts[0].shape):  # from the outside, since most scans have no such margin
        first = next((k for k in range(n) if anything(axis, k)), None)
        if first is None:
            return None
        last = next(k for k in reversed(range(n)) if anything(axis, k))
        bounds.append(slice(first, last + 1))
    return box_from(bounds)


def nonzero_mask(cts: Sequence[np.ndarray]) -> np.ndarray:
    """Bool (z, y, x): where any of these CTs is not zero, holes filled."""
    return ndimage.binary_fill_holes(np.any([ct != 0 for ct in cts], axis=0))
