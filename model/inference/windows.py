"""Windows over a volume: where they lie, how much each voxel of one counts, their weighted mean.

Arrays and tensors are (z, y, x), with the channel or class axis in front.
"""

import itertools

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor, nn

from model.network.plan import Triple, triple

BACKGROUND_LOGIT = 1e3  # where nothing was looked at; finite, since it is interpolated later

Corner = tuple[int, int, int]  # a window's lowest voxel


def window_corners(shape: Triple, patch: Triple, step: float) -> list[Corner]:
    """Lowest corners of evenly spread windows that cover the volume, at most `step` patches apart (z, y, x)."""
    axes = []
    for n, p in zip(shape, patch, strict=True):
        count = int(np.ceil((n - p) / (p * step))) + 1
        distance = (n - p) / max(1, count - 1)
        axes.append([int(np.round(distance * i)) for i in range(count)])
    return [(z, y, x) for z, y, x in itertools.product(*axes)]


def covering(corners: list[Corner], patch: Triple) -> list[Corner]:
    """Few of the windows of a regular grid that leave nothing out which all of them cover."""
    taken = []
    for axis, length in enumerate(patch):
        starts = sorted({corner[axis] for corner in corners})
        kept = starts[:1]
        while kept[-1] != starts[-1]:
            kept.append(max(start for start in starts if start <= kept[-1] + length))
        taken.append(set(kept))
    return [corner for corner in corners if all(c in kept for c, kept in zip(corner, taken, strict=True))]


def gaussian(patch: Triple, half: bool = False) -> Tensor:
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


def pad_to_patch(image: Tensor, patch: Triple) -> tuple[Tensor, tuple[slice, slice, slice]]:
    """Zero-pad (channels, z, y, x) to at least a patch, the image in the middle; and where it lies then."""
    missing = [max(0, p - n) for p, n in zip(patch, image.shape[1:], strict=True)]
    before = [m // 2 for m in missing]
    pads = [side for m, b in zip(missing[::-1], before[::-1], strict=True) for side in (b, m - b)]
    z, y, x = (slice(b, b + n) for b, n in zip(before, image.shape[1:], strict=True))
    return (nn.functional.pad(image, pads) if any(pads) else image), (z, y, x)


class Blend:
    """The mean over windows, weighted voxel by voxel, of what the passes say: float32 (classes, z, y, x)."""

    def __init__(self, classes: int, shape: Triple, weight: Tensor, device: torch.device) -> None:
        self.weight = weight.to(device)  # (z, y, x) of a window
        self.sums = torch.zeros((classes, *shape), device=device)
        self.weights = torch.zeros(shape, device=device)

    def add(self, corner: Corner, output: Tensor, factor: float) -> None:
        """A window's output (classes, z, y, x), of which this is the given share; shares add up to 1 per window."""
        box = box_of(corner, triple(self.weight.shape))
        self.sums[(slice(None), *box)] += output.to(self.sums.device) * (self.weight * factor)
        self.weights[box] += self.weight * factor

    def mean(self) -> Tensor:
        """Voxels that no window covers are background."""
        uncovered = self.weights == 0
        mean = self.sums / self.weights.masked_fill(uncovered, 1)
        mean[0].masked_fill_(uncovered, BACKGROUND_LOGIT)
        return mean


def total_weight(corners: list[Corner], weight: Tensor, shape: Triple) -> Tensor:
    """The sum of all these windows' weights at each voxel, float32 (z, y, x)."""
    total = torch.zeros(shape)
    for corner in corners:
        total[box_of(corner, triple(weight.shape))] += weight
    return total


def largest_shares(corners: list[Corner], weight: Tensor, total: Tensor, voxels: Tensor) -> list[float]:
    """For each window its largest share in the weighted mean at any of the voxels (bool, z, y, x); 0 where none."""
    part = voxels / total  # 0 / 0 where no window looks, and none looks it up there
    return [float((weight * part[box_of(c, triple(weight.shape))]).max()) for c in corners]


def shared_out(corners: list[Corner], weight: Tensor, total: Tensor, values: Tensor) -> list[float]:
    """For each window its part of the sum of the values (z, y, x), each shared out as in the weighted mean."""
    part, flat = values / total, weight.flatten()
    return [float(torch.dot(flat, part[box_of(c, triple(weight.shape))].flatten())) for c in corners]


def near(found: Tensor, spacing_zyx: tuple[float, float, float], margin_mm: float) -> Tensor:
    """Voxels (z, y, x), bool on the CPU, within a margin (box metric) of a true one."""
    size = [2 * round(margin_mm / spacing) + 1 for spacing in spacing_zyx]
    return torch.from_numpy(ndimage.maximum_filter(found.cpu().numpy(), size))


def box_of(corner: Corner, patch: Triple) -> tuple[slice, slice, slice]:
    z, y, x = (slice(c, c + p) for c, p in zip(corner, patch, strict=True))
    return (z, y, x)
