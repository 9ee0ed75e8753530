"""Where a window's result is added up: the mean over windows, weighted voxel by voxel.

Tensors are (z, y, x), with the class axis in front.
"""

import math
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from model.inference.windows import Corner, Windows, box_of
from model.network.placement import sums_dtype

# Where nothing was looked at; finite, since it is interpolated later.
BACKGROUND_LOGIT = 1e3
# About so much of the sums is looked at at once: copies of them all would be the largest things in memory.
SLAB_BYTES = 2**24
ALL = slice(None)


class Blend:
    """The weighted mean of what the passes say, logits or probabilities: (classes, z, y, x).

    The sums are float32, or bfloat16 in a very large volume.
    """

    def __init__(
        self, windows: Windows, classes: int, device: torch.device, *, of_probabilities: bool
    ) -> None:
        self.of_probabilities = of_probabilities
        self.windows = replace(windows, weight=windows.weight.to(device))
        self.shares: dict[Corner, float] = {}
        dtype = sums_dtype(math.prod(windows.shape))
        self.sums = torch.zeros((classes, *windows.shape), dtype=dtype, device=device)

    def add(self, corner: Corner, output: Tensor, share: float) -> None:
        """A window's output (classes, z, y, x), of which this is the given share; shares add up to 1 per window."""
        box = box_of(corner, self.windows.patch)
        self.sums[(slice(None), *box)] += output.to(self.sums.device) * (self.windows.weight * share)
        self.shares[corner] = self.shares.get(corner, 0.0) + share

    def weights(self, planes: slice = ALL) -> Tensor:
        """What the sums in these planes are to be divided by: float32 (z, y, x)."""
        return self.windows.total_weight(self.shares, planes)

    def slabs(self) -> Iterator[slice]:
        """Planes (z) to be looked at together; all of them in turn."""
        depth = self.sums.shape[1]
        step = max(1, SLAB_BYTES * depth // self.sums.nbytes)
        return (slice(start, start + step) for start in range(0, depth, step))

    def mean(self, planes: slice = ALL) -> Tensor:
        """A copy in float32, of these planes; voxels that no window covers are background."""
        mean, weights = self.sums[:, planes].to(torch.float32, copy=True), self.weights(planes)
        uncovered = weights == 0
        mean /= weights.masked_fill(uncovered, 1)
        mean[0].masked_fill_(uncovered, BACKGROUND_LOGIT)
        return mean

    def last_mean(self) -> Tensor:
        """The same of all planes in the sums' own memory: nothing can be added any more.

        Slab by slab, since torch divides 16-bit numbers by others in copies of them all.
        """
        for planes in self.slabs():
            self.sums[:, planes] = self.mean(planes)
        return self.sums

    def likelihoods(self, planes: slice = ALL) -> Tensor:
        """The probability of each class so far, in these planes."""
        mean = self.mean(planes)
        if not self.of_probabilities:
            mean -= mean.amax(0)
            mean.exp_()
            mean /= mean.sum(0)
        return mean
