"""From a CT pair to the network's grid and back: crop to the body, resample, normalise; and the exact way home.

The network's grid covers the body's box edge to edge: along each axis n voxels of the input become m voxels, and
voxel centres correspond by c_in = (c_out + 1/2) n / m - 1/2. All arrays are (z, y, x) in canonical orientation.
"""

from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from model.images.pair import Pair
from model.network.bundle import Normalisation
from model.network.plan import Triple, triple

AIR_HU = -1024.0
BODY_HU = -400.0  # between fat (-100) and air (-1000)
BODY_MARGIN_MM = 6.0
SEARCH_MM = 3.0  # the body is searched on about this grid: thin couch and mask shells vanish in an opening


@dataclass(frozen=True)
class Region:
    """Where the network's grid lies in the input: box of input voxels and shape of the network's grid, (z, y, x).

    home: interpolation from that grid to the box, a matrix (input voxels, network voxels) per axis; linear if absent.
    """

    input_shape: Triple
    box: tuple[slice, slice, slice]
    network_shape: Triple
    home: tuple[Tensor, Tensor, Tensor] | None = None

    def way_home(self, axis: int) -> Tensor:
        """The matrix of one axis (0 z, 1 y, 2 x)."""
        if self.home is not None:
            return self.home[axis]
        return interpolation_matrix(self.network_shape[axis], self.box[axis].stop - self.box[axis].start)


def preprocess(
    pair: Pair, spacing_zyx: tuple[float, float, float], normalisation: tuple[Normalisation, ...]
) -> tuple[Tensor, Region] | None:
    """The normalised channels on the network's grid, float32 (2, z, y, x), and the way back.

    None where the pair shows no body at all (a constant volume, say).
    """
    region = find_region(pair, spacing_zyx)
    if region is None:
        return None
    channels = []
    for array, scheme in zip((pair.ct, pair.ce), normalisation, strict=True):
        hu = resample_hu(array, outside_circle(array), region)
        channels.append(normalise_hu(hu, scheme))
    return torch.stack(channels), region


def normalise_hu(hu: Tensor, scheme: Normalisation) -> Tensor:
    """Scheme ct, in place: HU clipped, centred and scaled."""
    return hu.clamp_(scheme.lower, scheme.upper).sub_(scheme.mean).div_(scheme.std)


def find_region(pair: Pair, spacing_zyx: tuple[float, float, float]) -> Region | None:
    """The body's box with a margin, and the network grid's shape in it."""
    box = body_box(pair.ct, outside_circle(pair.ct), pair.spacing_zyx)
    if box is None:
        return None
    lengths = [axis.stop - axis.start for axis in box]
    shape = [max(1, round(n * s / t)) for n, s, t in zip(lengths, pair.spacing_zyx, spacing_zyx, strict=True)]
    return Region(triple(pair.ct.shape), box, triple(shape))


def outside_circle(array: np.ndarray) -> np.ndarray:
    """Columns (y, x), bool, that hold one and the same value in every slice, the corner's: no data was reconstructed.

    Scanners fill them with 0, -1000, -1024, -2000 or -3024; a 0 would otherwise pass for tissue.
    """
    corner = array[0, 0, 0]
    outside = array[0] == corner
    for plane in array[1:]:
        outside &= plane == corner
    return outside


def body_box(
    array: np.ndarray, outside: np.ndarray, spacing_zyx: tuple[float, float, float]
) -> tuple[slice, slice, slice] | None:
    """Bounding box (z, y, x) of the largest connected piece above air, without couch or mask shells; None if none.

    Slices of one value only hold no data: where a scan was padded with 0 that would pass for tissue.
    """
    steps = [max(1, round(SEARCH_MM / spacing)) for spacing in spacing_zyx]
    steps_zyx = tuple(slice(None, None, step) for step in steps)
    coarse = array[steps_zyx]
    empty = coarse.min((1, 2), keepdims=True) == coarse.max((1, 2), keepdims=True)
    body = (coarse > BODY_HU) & ~outside[steps_zyx[1:]] & ~empty
    opened = ndimage.binary_opening(body, np.ones((1, 3, 3), bool))
    labels, count = ndimage.label(opened if opened.any() else body)
    if count == 0:
        return None
    sizes = np.bincount(labels.ravel())[1:]
    found = ndimage.find_objects(labels)[int(sizes.argmax())]
    margins = [BODY_MARGIN_MM / spacing for spacing in spacing_zyx]
    return _slices(
        (max(0, int(axis.start * step - margin)), min(n, int(np.ceil((axis.stop - 1) * step + 1 + margin))))
        for axis, step, margin, n in zip(found, steps, margins, array.shape, strict=True)
    )


def resample_hu(array: np.ndarray, outside: np.ndarray, region: Region) -> Tensor:
    """The box of an int16 volume on the network's grid, HU as float32 (z, y, x); no-data columns and slices become air.

    In plane slice by slice, so that no float copy of the full volume ever exists.
    """
    depth, height, width = (axis.stop - axis.start for axis in region.box)
    to_y = interpolation_matrix(height, region.network_shape[1])
    to_x = interpolation_matrix(width, region.network_shape[2])
    fill = torch.from_numpy(np.ascontiguousarray(outside[region.box[1:]]))
    planes = torch.empty((depth, *region.network_shape[1:]))
    for z, plane in enumerate(array[region.box]):
        hu = torch.from_numpy(np.ascontiguousarray(plane)).float().clamp_(min=AIR_HU)
        planes[z] = AIR_HU if plane.min() == plane.max() else to_y @ hu.masked_fill_(fill, AIR_HU) @ to_x.T
    if depth == region.network_shape[0]:
        return planes
    to_z = interpolation_matrix(depth, region.network_shape[0])
    return (to_z @ planes.flatten(1)).unflatten(1, region.network_shape[1:])


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


def restore_labels(
    logits: Tensor, region: Region, part: tuple[slice, slice, slice] = (slice(None),) * 3
) -> np.ndarray:
    """Logits (classes, z, y, x) on the network's grid, or a part of it → label map uint8 (z, y, x) on the input grid.

    Logits are interpolated, then the largest wins; beyond the part is background. Where all neighbours on the network's
    grid vote background so does every point between them, hence only the box around the others is computed.
    """
    labels = np.zeros(region.input_shape, np.uint8)
    votes = (logits[1:] > logits[:1]).any(0)
    if not bool(votes.any()):
        return labels
    matrices, rows, columns = [], [], []
    for axis in range(3):
        hit = votes.transpose(0, axis).flatten(1).any(1)
        full = region.way_home(axis)[:, part[axis]]
        rows.append(_span(full[:, hit.cpu()].any(1)))
        columns.append(_span(full[rows[-1]].any(0)))
        matrices.append(full[rows[-1], columns[-1]].to(logits.device))
    small = logits[(slice(None), *columns)].float()
    target = labels[region.box][tuple(rows)]
    to_z, to_y, to_x = matrices
    for z, weights in enumerate(to_z):
        used_planes = weights.nonzero().flatten()
        plane = torch.einsum("z,czyx->cyx", weights[used_planes], small[:, used_planes])
        target[z] = (to_y @ plane @ to_x.T).argmax(0).to(torch.uint8).cpu().numpy()
    return labels


def _span(hits: Tensor) -> slice:
    """From the first to the last true entry of a 1D bool tensor."""
    found = hits.nonzero().flatten()
    return slice(int(found[0]), int(found[-1]) + 1)


def _slices(bounds) -> tuple[slice, slice, slice]:  # type: ignore[no-untyped-def]
    z, y, x = (slice(start, stop) for start, stop in bounds)
    return (z, y, x)
