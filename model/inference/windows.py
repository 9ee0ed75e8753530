"""Windows over a volume: where they lie, how much each voxel of one counts. Where to look, not what comes out.

Arrays and tensors are (z, y, x), with the channel or class axis in front.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor, nn

from model.network.plan import Spacing, Triple, triple
from model.preprocessing.region import Box, box_from

# Neighbouring windows overlap by half a patch.
STEP = 0.5

# A window's lowest voxel.
Corner = tuple[int, int, int]


@dataclass(frozen=True)
class Windows:
    """A grid of windows of one size over a volume of this shape (z, y, x).

    weight: of each voxel of a window, float32 (z, y, x); its shape is the window's.
    """

    shape: Triple
    corners: list[Corner]
    weight: Tensor

    @property
    def patch(self) -> Triple:
        """The size of a window (z, y, x)."""
        return triple(self.weight.shape)

    def in_planes(self, corners: Iterable[Corner], planes: slice) -> Iterator[tuple[Corner, slice, Box]]:
        """Those of the windows that reach into these planes: which of their own planes, and where in these planes."""
        first, stop, _ = planes.indices(self.shape[0])
        depth, height, width = self.patch
        for z, y, x in corners:
            low, high = max(z, first), min(z + depth, stop)
            if low < high:
                place = box_from(
                    (slice(low - first, high - first), slice(y, y + height), slice(x, x + width))
                )
                yield (z, y, x), slice(low - z, high - z), place

    @property
    def once(self) -> dict[Corner, float]:
        """The shares where each window has the whole of its own."""
        return dict.fromkeys(self.corners, 1.0)

    def total_weight(self, shares: Mapping[Corner, float], planes: slice) -> Tensor:
        """The sum of windows' weights times their shares in these planes, float32 (z, y, x).

        Made anew each time: kept for all planes, it would be as large as a channel of the image.
        """
        first, stop, _ = planes.indices(self.shape[0])
        total = torch.zeros((stop - first, *self.shape[1:]), device=self.weight.device)
        for corner, own, place in self.in_planes(shares, planes):
            total[place].add_(self.weight[own], alpha=shares[corner])
        return total

    def largest_shares(
        self, corners: list[Corner], voxels: Tensor, slabs: Iterable[slice]
    ) -> dict[Corner, float]:
        """For each window its largest share in the weighted mean of all at any of the voxels (bool, z, y, x), or 0.

        slabs: planes that are looked at together, all in turn.
        """
        largest, once = dict.fromkeys(corners, 0.0), self.once
        for planes in slabs:
            hits = voxels[planes]
            if not hits.any():
                continue
            total_weight = self.total_weight(once, planes)
            for corner, own, place in self.in_planes(corners, planes):
                if hits[place].any():
                    share = (self.weight[own] * (hits[place] / total_weight[place])).max()
                    largest[corner] = max(largest[corner], float(share))
        return largest

    def shared_out(
        self, corners: Iterable[Corner], values: Tensor, total_weight: Tensor, planes: slice
    ) -> dict[Corner, float]:
        """For each window its part of the sum of these planes' values (z, y, x), shared out as in the weighted mean."""
        parts = {}
        for corner, own, place in self.in_planes(corners, planes):
            shares = values[place] / total_weight[place]
            parts[corner] = float(torch.dot(self.weight[own].flatten(), shares.flatten()))
        return parts


def window_corners(shape: Triple, patch: Triple, step: float) -> list[Corner]:
    """Lowest corners of evenly spread windows that cover the volume, at most `step` patches apart (z, y, x)."""
    axes = []
    for n, p in zip(shape, patch, strict=True):
        count = int(np.ceil((n - p) / (p * step))) + 1
        distance = (n - p) / max(1, count - 1)
        axes.append([int(np.round(distance * i)) for i in range(count)])
    return [(z, y, x) for z, y, x in itertools.product(*axes)]


def windows_touching(shape: Triple, patch: Triple, box: Box) -> tuple[list[Corner], Box]:
    """The windows of the whole grid that touch the box, and the part of the grid that they need (z, y, x).

    The grid is taken as padded to at least a patch, with its voxels in the middle, as pad_to_patch does. The corners
    count from the first voxel of the part, padded likewise.
    """
    missing = [max(0, p - n) for p, n in zip(patch, shape, strict=True)]
    padded = triple(n + m for n, m in zip(shape, missing, strict=True))
    reach = [(axis.start + m // 2, axis.stop + m // 2) for axis, m in zip(box, missing, strict=True)]
    corners = [
        corner
        for corner in window_corners(padded, patch, STEP)
        if all(c < stop and start < c + p for c, p, (start, stop) in zip(corner, patch, reach, strict=True))
    ]
    lowest = [min(corner[axis] for corner in corners) for axis in range(3)]
    highest = [max(corner[axis] for corner in corners) for axis in range(3)]
    part = box_from(
        slice(low, min(n, high + p)) for low, high, p, n in zip(lowest, highest, patch, shape, strict=True)
    )
    return [(z - lowest[0], y - lowest[1], x - lowest[2]) for z, y, x in corners], part


def covering(corners: list[Corner], patch: Triple) -> list[Corner]:
    """Few of the windows of a regular grid that leave nothing out which all of them cover."""
    kept_of_axes = []
    for axis, length in enumerate(patch):
        starts = sorted({corner[axis] for corner in corners})
        kept = starts[:1]
        while kept[-1] != starts[-1]:
            kept.append(max(start for start in starts if start <= kept[-1] + length))
        kept_of_axes.append(set(kept))
    return [
        corner for corner in corners if all(c in kept for c, kept in zip(corner, kept_of_axes, strict=True))
    ]


def gaussian(patch: Triple, *, half: bool = False) -> Tensor:
    """Weight of each voxel of a window, float32 (z, y, x): sigma an eighth of the patch, nowhere zero.

    half: in the half precision, and the tenfold, of nnU-Net v2, which evens out the weights at a scan's edges.
    """
    profiles = []
    for n in patch:
        impulse = np.zeros(n)
        impulse[n // 2] = 1
        profile = ndimage.gaussian_filter1d(impulse, n / 8, mode="constant")
        profiles.append(profile / profile.max())
    z, y, x = profiles
    weight = z[:, None, None] * y[:, None] * x
    weight = (10 * weight).astype(np.float16) if half else weight.astype(np.float32)
    return torch.from_numpy(np.maximum(weight, weight[weight > 0].min()).astype(np.float32))


def pad_to_patch(image: Tensor, patch: Triple) -> tuple[Tensor, Box]:
    """Zero-pad (channels, z, y, x) to at least a patch, the image in the middle; and where it lies then."""
    missing = [max(0, p - n) for p, n in zip(patch, image.shape[1:], strict=True)]
    before = [m // 2 for m in missing]
    pads = [side for m, b in zip(missing[::-1], before[::-1], strict=True) for side in (b, m - b)]
    inside = box_from(slice(b, b + n) for b, n in zip(before, image.shape[1:], strict=True))
    return (nn.functional.pad(image, pads) if any(pads) else image), inside


def near(voxels: Tensor, spacing_zyx: Spacing, margin_mm: float) -> Tensor:
    """Voxels (z, y, x), bool on the CPU, within a margin (box metric) of a true one."""
    size = [2 * round(margin_mm / spacing) + 1 for spacing in spacing_zyx]
    return torch.from_numpy(ndimage.maximum_filter(voxels.cpu().numpy(), size))


def box_of(corner: Corner, patch: Triple) -> Box:
    """The voxels of a window."""
    return box_from(slice(c, c + p) for c, p in zip(corner, patch, strict=True))
