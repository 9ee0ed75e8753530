"""gtvseg's own preprocessing: crop to the body, resample, normalise.

The network's grid covers the body's box edge to edge: along each axis n voxels of the input become m voxels, and
voxel centres correspond by c_in = (c_out + 1/2) n / m - 1/2. All arrays are (z, y, x) in canonical orientation.
"""

import math

import numpy as np
import torch
from torch import Tensor

from model.images.pair import AIR_HU, Pair
from model.network.bundle import Normalisation
from model.network.placement import image_dtype
from model.network.plan import Spacing, triple
from model.preprocessing.body import body_box, outside_circle
from model.preprocessing.region import Region, blocks, in_plane, interpolation_matrix


def preprocess(
    pair: Pair, spacing_zyx: Spacing, normalisation: tuple[Normalisation, ...]
) -> tuple[Tensor, Region] | None:
    """The normalised channels on the network's grid, float32 (2, z, y, x), and where that grid lies.

    None where the pair shows no body at all (a constant volume, say).
    """
    region = find_region(pair, spacing_zyx)
    return None if region is None else (sample(pair, normalisation, region), region)


def sample(pair: Pair, normalisation: tuple[Normalisation, ...], region: Region) -> Tensor:
    """Both CTs, normalised, on the network's grid: (2, z, y, x), in its image_dtype."""
    dtype = image_dtype(math.prod(region.network_shape))
    # Stacked at the end, both would be there twice.
    image = torch.empty((2, *region.network_shape), dtype=dtype)
    for channel, array, scheme in zip(image, (pair.ct, pair.ce), normalisation, strict=True):
        hu = resample_hu(array, outside_circle(array), region)
        channel.copy_(normalise_hu(hu, scheme))
    return image


def normalise_hu(hu: Tensor, scheme: Normalisation) -> Tensor:
    """Scheme ct, in place: HU clipped, centred and scaled."""
    return hu.clamp_(scheme.lower, scheme.upper).sub_(scheme.mean).div_(scheme.std)


def find_region(pair: Pair, spacing_zyx: Spacing) -> Region | None:
    """The body's box with a margin, and the network grid's shape in it."""
    box = body_box(pair.ct, outside_circle(pair.ct), pair.spacing_zyx)
    if box is None:
        return None
    lengths = [axis.stop - axis.start for axis in box]
    shape = [max(1, round(n * s / t)) for n, s, t in zip(lengths, pair.spacing_zyx, spacing_zyx, strict=True)]
    return Region(triple(pair.ct.shape), box, triple(shape))


def resample_hu(array: np.ndarray, outside: np.ndarray, region: Region) -> Tensor:
    """The box of an int16 volume on the network's grid, HU as float32 (z, y, x); no-data columns and slices become air.

    In plane slice by slice, so that no float copy of the full volume ever exists.
    """
    depth, height, width = (axis.stop - axis.start for axis in region.box)
    to_y = blocks(interpolation_matrix(height, region.network_shape[1]))
    to_x = blocks(interpolation_matrix(width, region.network_shape[2]))
    fill = torch.from_numpy(np.ascontiguousarray(outside[region.box[1:]]))
    planes = torch.empty((depth, *region.network_shape[1:]))
    for z, plane in enumerate(array[region.box]):
        hu = torch.from_numpy(np.ascontiguousarray(plane)).float().clamp_(min=AIR_HU)
        hu.masked_fill_(fill, AIR_HU)
        planes[z] = AIR_HU if plane.min() == plane.max() else in_plane(to_y, hu, to_x)
    if depth == region.network_shape[0]:
        return planes
    to_z = interpolation_matrix(depth, region.network_shape[0])
    return (to_z @ planes.flatten(1)).unflatten(1, region.network_shape[1:])
