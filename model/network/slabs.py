"""Convolutions a few planes at a time, whose result takes the place of a tensor that is not needed any more.

Of a large patch a single activation has hundreds of megabytes, and a whole convolution needs its input, its result and
oneDNN's copies of both at once. Tensors are (1, channel, z, y, x).
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

# About so much of a tensor is worked on at once, and no fewer planes: each slab also reads a plane on either side.
SLAB_BYTES, LEAST_PLANES = 2**23, 4

# Planes(start, stop): what a convolution reads of these planes.
Planes = Callable[[int, int], Tensor]


def fits_slabs(x: Tensor, conv: nn.Conv3d) -> bool:
    """Whether the result of this convolution may and can take the place of x, one image on a CPU, slab by slab."""
    return (
        not torch.is_grad_enabled()
        and x.device.type == "cpu"
        and len(x) == 1
        and x.shape[1] == conv.out_channels
        and conv.stride == (1, 1, 1)
        and conv.kernel_size[0] <= 3
        and x.shape[2] > _planes_at_once(x)
    )


def convolve_over(
    x: Tensor, kernel_depth: int, convolve: Callable[[Tensor], Tensor], planes: Planes
) -> Tensor:
    """x, of which each plane becomes what the convolution says there.

    convolve: without zeros around the first and last planes, so that it returns kernel_depth - 1 fewer than it takes;
    planes: what it reads, of which those of x may be a part. kernel_depth: 1 or 3.
    """
    reach, depth, step = kernel_depth // 2, x.shape[2], _planes_at_once(x)
    read, left = 0, None
    for start in range(0, depth, step):
        stop = min(start + step, depth)
        if depth - stop <= reach:  # too little is left for a slab of its own
            stop = depth
        end = min(stop + reach, depth)
        slab = _between_zeros(planes(read, end), reach if start == 0 else 0, stop + reach - end)
        slab = slab if left is None else torch.cat((left, slab), 2)
        # Two planes are needed again, as they were before their place is taken.
        read, left = end, slab[:, :, -2 * reach :] if reach else None
        x[:, :, start:stop] = convolve(slab)
        if stop == depth:
            break
    return x


def risen(up: nn.ConvTranspose3d, below: Tensor, start: int, stop: int) -> Tensor:
    """Some planes of up(below), where kernels do not overlap."""
    rate = int(up.stride[0])
    first, last = start // rate, -(-stop // rate)
    return up(below[:, :, first:last])[:, :, start - first * rate : stop - first * rate]


def _planes_at_once(x: Tensor) -> int:
    return max(LEAST_PLANES, SLAB_BYTES * x.shape[2] // x.nbytes)


def _between_zeros(x: Tensor, before: int, after: int) -> Tensor:
    return nn.functional.pad(x, (0, 0, 0, 0, before, after)) if before or after else x
