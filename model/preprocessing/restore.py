"""From the network's grid back to the input's: a label map of logits, or maps of grey values.

All arrays are (z, y, x).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from model.network.plan import Triple
from model.preprocessing.region import Box, Region, box_from

EVERYTHING: Box = (slice(None),) * 3


@dataclass(frozen=True)
class Inside:
    """Values uint8 (z, y, x) in a box of the input's grid of this shape; 0 everywhere else."""

    values: np.ndarray
    box: Box
    shape: Triple

    def whole(self) -> np.ndarray:
        """On the full input grid, uint8 (z, y, x)."""
        array = np.zeros(self.shape, np.uint8)
        array[self.box] = self.values
        return array


def nothing_inside(shape: Triple) -> Inside:
    """0 everywhere."""
    return Inside(np.zeros((0, 0, 0), np.uint8), (slice(0), slice(0), slice(0)), shape)


def restore_labels(logits: Tensor, region: Region, part: Box = EVERYTHING) -> np.ndarray:
    """Logits (classes, z, y, x) on the network's grid, or a part of it → label map uint8 (z, y, x) on the input grid.

    Logits are interpolated, then the largest wins; beyond the part is background. Where all neighbours on the network's
    grid vote background so does every point between them, hence only the box around the others is computed.
    """
    labels = np.zeros(region.input_shape, np.uint8)
    way = _way_home((logits[1:] > logits[:1]).any(0), region, part)
    if way is not None:
        target = torch.from_numpy(labels[way.box])
        there = torch.empty_like(target, device=logits.device) if logits.is_cuda else target
        for z, plane in _planes(logits, way):
            there[z] = plane.argmax(0)
        if there is not target:
            target.copy_(there)
    return labels


def restore_maps(
    values: Tensor, hits: Tensor, grey: Callable[[Tensor], Tensor], region: Region, part: Box = EVERYTHING
) -> list[Inside]:
    """Values (channels, z, y, x) are interpolated, then become grey values from 0 to 255, in one map or several.

    grey: of a plane (channels, y, x) → (maps, y, x). hits: bool (z, y, x), where a grey value may be above 0.
    """
    way = _way_home(hits, region, part)
    count = len(grey(values[:, 0]))
    if way is None:
        return [nothing_inside(region.input_shape)] * count
    maps = np.empty((count, *(s.stop - s.start for s in way.box)), np.uint8)
    for z, plane in _planes(values, way):
        maps[:, z] = (grey(plane) + 0.5).clamp(0, 255).to(torch.uint8).cpu().numpy()
    return [Inside(one, way.box, region.input_shape) for one in maps]


@dataclass(frozen=True)
class _Way:
    """matrices: (rows, columns) of each axis; columns: of the part's voxels, those used; box: the rows in the input."""

    matrices: list[Tensor]
    columns: list[slice]
    box: Box


def _way_home(hits: Tensor, region: Region, part: Box) -> _Way | None:
    """To the voxels of the input that are between hits (bool, z, y, x, on the part); None where there are none."""
    if not bool(hits.any()):
        return None
    matrices, columns, box = [], [], []
    for axis in range(3):
        hit = hits.transpose(0, axis).flatten(1).any(1)
        full = region.way_home(axis)[:, part[axis]]
        rows = span(full[:, hit.cpu()].any(1))
        columns.append(span(full[rows].any(0)))
        matrices.append(full[rows, columns[-1]])
        start = region.box[axis].start
        box.append(slice(start + rows.start, start + rows.stop))
    return _Way(matrices, columns, box_from(box))


def _planes(values: Tensor, way: _Way) -> Iterator[tuple[int, Tensor]]:
    """Slice by slice (channels, y, x), so that nothing like it ever exists at the input's resolution.

    The host does not wait for a GPU.
    """
    small = values[(slice(None), *way.columns)]
    used = [span(weights != 0) for weights in way.matrices[0]]
    to_z, to_y, to_x = (matrix.to(small.device) for matrix in way.matrices)
    for z, planes in enumerate(used):
        plane = torch.einsum("z,czyx->cyx", to_z[z, planes], small[:, planes].float())
        yield z, to_y @ plane @ to_x.T


def span(hits: Tensor) -> slice:
    """From the first to the last true entry of a 1D bool tensor."""
    indices = hits.nonzero().flatten()
    return slice(int(indices[0]), int(indices[-1]) + 1)
