"""A network that is run for its time and memory alone. Needs torch only, since nnU-Net's side uses it as well.

What random weights say would leave everything in doubt everywhere. So the result is another one, the same on both
sides: GTVp where the contrast CT is brighter, GTVnd where it is darker.
"""

import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

# Of the difference of both CTs, normalised and averaged over a few voxels in plane: half way, and certain.
HALF, SLOPE, AVERAGED = 0.7, 12.0, 7


class StandIn:
    """In the place of a network's forward: runs it for the first `most` passes, and says what stands above instead.

    passes: all of them so far; computed, seconds: those that were run but for the first.
    """

    def __init__(self, forward: Callable[..., object], most: int) -> None:
        self.forward = forward
        self.most = most
        self.passes = self.computed = 0
        self.seconds = 0.0

    def __call__(self, *arguments: Any) -> Tensor:
        """The last argument is the input, as of a module's own forward with or without the module."""
        x: Tensor = arguments[-1]
        if self.passes == 0:  # slower than the others
            self.forward(*arguments)
        elif self.passes < self.most:
            start = time.perf_counter()
            self.forward(*arguments)
            if x.is_cuda:
                torch.cuda.synchronize(x.device)
            self.seconds += time.perf_counter() - start
            self.computed += len(x)
        self.passes += len(x)
        return brighter_and_darker(x)

    def missing_seconds(self) -> float:
        """Of the passes that were not run, each as long as those that were."""
        left = max(0, self.passes - self.most)
        return left * self.seconds / self.computed if self.computed else 0.0


def brighter_and_darker(x: Tensor) -> Tensor:
    """Both CTs (1, 2, z, y, x), normalised → logits (1, 3, z, y, x)."""
    window, padding = (1, AVERAGED, AVERAGED), (0, AVERAGED // 2, AVERAGED // 2)
    gain = torch.nn.functional.avg_pool3d((x[:, 1:] - x[:, :1]).float(), window, 1, padding)
    logits = torch.cat((torch.zeros_like(gain), gain - HALF, -gain - HALF), 1)
    return logits.mul_(SLOPE).to(x.dtype)
