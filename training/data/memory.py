"""The memory that training has, and what it takes by a plan, estimated.

The constants are fitted to what bench/training_memory.py measures on a CPU; no GPU's memory was measured, but nnU-Net's
published plan for 11 GB comes out just below that.
"""

from math import prod

import torch

from model.machine import available_bytes
from training.data.plans import DataPlan

# Libraries.
FIXED_GB = 0.38
# Of each weight: itself, its gradient, AdamW's two moments, its average, in float32.
BYTES_PER_WEIGHT = 20
# Over what the backward pass needs: copies in another order of memory, and gradients.
MEMORY_FACTOR = 1.92
# Of each voxel: the loss at full and lower resolutions, always in float32.
BYTES_PER_VOXEL = 350
# What training may take of a GPU, the rest being left to its driver and to gaps between blocks; and of a CPU's
# available memory, the rest being left to processes that prepare patches and to files kept in memory.
SHARE_OF_GPU, SHARE_OF_CPU = 0.95, 0.5


def training_memory(device: torch.device, processes: int = 1) -> tuple[float, str]:
    """GB that training may take on a device, and in words whence the figure; several processes share a CPU."""
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        total = properties.total_memory / 1e9
        return SHARE_OF_GPU * total, f"{SHARE_OF_GPU:.0%} of the {total:.1f} GB of {properties.name}"
    available = available_bytes() / 1e9
    whose = f"{SHARE_OF_CPU:.0%} of the {available:.1f} GB available"
    if processes > 1:
        whose += f", for one of {processes} processes"
    return SHARE_OF_CPU * available / processes, whose


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that there is no more memory; on a CPU, torch has no kind of its own for that."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and ("out of memory" in text or "allocate memory" in text)


def training_gb(plan: DataPlan, number_bytes: int = 2) -> float:
    """Estimated peak memory of training in GB, with convolutions in numbers of so many bytes."""
    weights = BYTES_PER_WEIGHT + (number_bytes if number_bytes < 4 else 0)  # autocast keeps them converted
    patch = MEMORY_FACTOR * number_bytes * kept_elements(plan) + BYTES_PER_VOXEL * prod(plan.patch_zyx)
    return FIXED_GB + (weights * weight_count(plan) + plan.batch * patch) / 1e9


def kept_elements(plan: DataPlan) -> float:
    """Values of one patch's forward pass that the backward pass needs: each convolution's before and after its norm."""
    network, voxels = plan.network, float(prod(plan.patch_zyx))
    elements = 2 * plan.features[0] * voxels if plan.residual else 0.0  # the stem
    levels = zip(plan.features, plan.strides, network.encoder_convs, strict=True)
    for level, (features, stride, count) in enumerate(levels):
        voxels /= prod(stride)
        # A residual block has two convolutions, and the first of a stage one more in its skip, which is not activated.
        kept = 4 * count + (1 if level else 0) if plan.residual else 2 * count
        if level < len(plan.features) - 1:
            # On the way up what is concatenated and the convolutions.
            kept += 2 + 2 * network.decoder_convs[0]
        elements += kept * features * voxels
    return elements


def weight_count(plan: DataPlan) -> int:
    """Weights of the convolutions; biases, norms and the heads are too few to count."""
    network = plan.network
    below = plan.features[0] if plan.residual else network.in_channels
    count = network.in_channels * below * prod(plan.kernels[0]) if plan.residual else 0  # the stem
    levels = zip(plan.features, plan.kernels, plan.strides, network.encoder_convs, strict=True)
    for level, (features, kernel, stride, convolutions) in enumerate(levels):
        if level:  # on the way up from this level to the one before
            repeats = network.decoder_convs[0] + 1  # the first has twice the channels
            count += features * below * prod(stride) + repeats * below**2 * prod(plan.kernels[level - 1])
        if plan.residual:
            count += below * features if below != features else 0  # the skip
            convolutions *= 2
        count += (below + (convolutions - 1) * features) * features * prod(kernel)
        below = features
    return count
