"""From the network's logits back to a label map on the input's grid. All arrays are (z, y, x)."""

import numpy as np
import torch
from torch import Tensor

from model.preprocessing.region import Box, Region


def restore_labels(logits: Tensor, region: Region, part: Box = (slice(None),) * 3) -> np.ndarray:
    """Logits (classes, z, y, x) on the network's grid, or a part of it → label map uint8 (z, y, x) on the input grid.

    Logits are interpolated, then the largest wins; beyond the part is background. Where all neighbours on the network's
    grid vote background so does every point between them, hence only the box around the others is computed. Slice by
    slice, so that the logits never exist at the input's resolution.
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
        matrices.append(full[rows[-1], columns[-1]])
    small = logits[(slice(None), *columns)].float()
    target = torch.from_numpy(labels[region.box][tuple(rows)])
    if logits.device.type == "cpu":
        _vote(small, matrices, target)
    else:
        there = torch.empty_like(target, device=logits.device)
        _vote(small, matrices, there)
        target.copy_(there)
    return labels


def _vote(small: Tensor, matrices: list[Tensor], target: Tensor) -> None:
    """The largest of the logits, interpolated, into the target, uint8 (z, y, x); slice by slice, without the host."""
    used = [_span(weights != 0) for weights in matrices[0]]
    to_z, to_y, to_x = (matrix.to(small.device) for matrix in matrices)
    for z, planes in enumerate(used):
        plane = torch.einsum("z,czyx->cyx", to_z[z, planes], small[:, planes])
        target[z] = (to_y @ plane @ to_x.T).argmax(0)


def _span(hits: Tensor) -> slice:
    """From the first to the last true entry of a 1D bool tensor."""
    indices = hits.nonzero().flatten()
    return slice(int(indices[0]), int(indices[-1]) + 1)
