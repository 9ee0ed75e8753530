"""Where a window's result is added up: the mean over windows, weighted voxel by voxel.

Tensors are (z, y, x), with the class axis in front.
"""

import torch
from torch import Tensor

from model.inference.windows import Corner, Windows, box_of

# Where nothing was looked at; finite, since it is interpolated later.
BACKGROUND_LOGIT = 1e3


class Blend:
    """The weighted mean of what the passes say, logits or probabilities: float32 (classes, z, y, x)."""

    def __init__(
        self, windows: Windows, classes: int, device: torch.device, *, of_probabilities: bool
    ) -> None:
        self.of_probabilities = of_probabilities
        self.weight = windows.weight.to(device)
        self.patch = windows.patch
        self.sums = torch.zeros((classes, *windows.shape), device=device)
        self.weights = torch.zeros(windows.shape, device=device)

    def add(self, corner: Corner, output: Tensor, share: float) -> None:
        """A window's output (classes, z, y, x), of which this is the given share; shares add up to 1 per window."""
        box = box_of(corner, self.patch)
        weight = self.weight * share
        self.sums[(slice(None), *box)] += output.to(self.sums.device) * weight
        self.weights[box] += weight

    def mean(self) -> Tensor:
        """Voxels that no window covers are background."""
        uncovered = self.weights == 0
        mean = self.sums / self.weights.masked_fill(uncovered, 1)
        mean[0].masked_fill_(uncovered, BACKGROUND_LOGIT)
        return mean

    def likelihoods(self) -> Tensor:
        """The probability of each class so far; in place, since nothing else is as large."""
        mean = self.mean()
        if not self.of_probabilities:
            mean -= mean.amax(0)
            mean.exp_()
            mean /= mean.sum(0)
        return mean
