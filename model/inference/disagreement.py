"""How far apart the looks at a voxel are: what is left unsaid by their mean.

A look is a pass (a window in one mirror) that covers the voxel. Tensors are (z, y, x), with the class axis in front.
"""

import torch
from torch import Tensor

from model.inference.mirrors import Pass
from model.inference.windows import Windows, box_of


class Disagreement:
    """Sums over all looks, each weighted by its place in its window: of weights, of each structure's probability.

    A window that gets more mirrors counts more here, while in the blend it has the same part as before: what counts
    here is how many looks there were. of_probabilities: passes give these already, not logits.
    """

    def __init__(
        self, windows: Windows, structures: int, device: torch.device, *, of_probabilities: bool
    ) -> None:
        self.of_probabilities = of_probabilities
        self.weight = windows.weight.to(device)
        self.patch = windows.patch
        self.weights, self.squared_weights = (torch.zeros(windows.shape, device=device) for _ in range(2))
        self.means, self.squares = (
            torch.zeros((structures, *windows.shape), device=device) for _ in range(2)
        )

    def add(self, one: Pass, output: Tensor) -> None:
        """A pass and what it gave, turned back: (classes, z, y, x). One that takes back is no new look."""
        if one.share < 0:
            return
        box = box_of(one.corner, self.patch)
        output = output.to(self.weight.device)
        probabilities = (output if self.of_probabilities else output.softmax(0))[1:].nan_to_num(0.5)
        self.weights[box] += self.weight
        self.squared_weights[box] += self.weight**2
        self.means[(slice(None), *box)] += self.weight * probabilities
        self.squares[(slice(None), *box)] += self.weight * probabilities**2

    def deviation(self) -> Tensor:
        """The standard deviation of a structure's probability from look to look, the largest of all structures.

        float32 (z, y, x), 0 to 0.5; 0 where nothing looked. It is the root of the unbiased weighted variance, and never
        above the root of p (1 - p), the most that looks of mean p can have: that stands where one look alone counts.
        """
        return torch.stack([self._deviation_at(z) for z in range(len(self.weights))])

    def _deviation_at(self, z: int) -> Tensor:
        """Of one slice: nothing as large as the sums is made on the way."""
        looked = self.weights[z].clamp(min=torch.finfo(torch.float32).tiny)
        alone = (self.squared_weights[z] / looked**2).clamp(max=1)  # 1 / n for n equal looks
        largest = torch.zeros_like(looked)
        for weighted, squares in zip(self.means[:, z], self.squares[:, z], strict=True):
            mean = (weighted / looked).clamp(0, 1)
            most = mean * (1 - mean)
            variance = (squares / looked - mean**2).clamp(min=0)
            unbiased = torch.where(alone < 1, variance / (1 - alone).clamp(min=1e-6), most)
            largest = torch.maximum(largest, torch.minimum(unbiased, most))
        return largest.sqrt()
