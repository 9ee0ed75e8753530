"""Intensities of a patch changed, on the device where it lies: float (channels, z, y, x), normalised.

Random numbers are drawn on the host and nothing is read back, so that a GPU is never waited for.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Generator, Tensor
from torch.nn import functional

from model.network.bundle import Normalisation
from model.preprocessing.gtvseg import normalise_hu
from training.data.augment import Augmentation, Chance, Range


def change_intensities(
    image: Tensor, normalisation: tuple[Normalisation, ...], plan: Augmentation, rng: np.random.Generator
) -> Tensor:
    """A changed copy, or the image itself where nothing happens.

    normalisation: what was applied to the channels, so that the plain CT can stand for a contrast CT that never came.
    """
    flat = plan.is_flat((image.shape[1], image.shape[2], image.shape[3]))
    kinds: tuple[tuple[Chance, Callable[[Tensor, Augmentation, np.random.Generator], Tensor]], ...] = (
        (plan.noise, _noise),
        (plan.blur, _blur),
        (plan.brightness, _brightness),
        (plan.contrast, _contrast),
        (plan.low_resolution, partial(_low_resolution, along_z=plan.through_plane and not flat)),
        (plan.gamma_inverted, partial(_gamma, inverted=True)),
        (plan.gamma, partial(_gamma, inverted=False)),
    )
    channels, changed = list(image), False
    for (of_sample, of_channel), change in kinds:
        if rng.random() < of_sample:
            for k in range(len(channels)):
                if rng.random() < of_channel:
                    channels[k], changed = change(channels[k], plan, rng), True
    if rng.random() < plan.no_contrast:
        had, other = normalisation
        channels[1], changed = normalise_hu(channels[0] * had.std + had.mean, other), True
    return torch.stack(channels) if changed else image


def _noise(volume: Tensor, plan: Augmentation, rng: np.random.Generator) -> Tensor:
    deviation = rng.uniform(*plan.noise_deviation)
    there = Generator(volume.device).manual_seed(int(rng.integers(2**62)))
    noise = torch.randn(volume.shape, generator=there, device=volume.device)
    return torch.add(volume, noise, alpha=deviation)


def _blur(volume: Tensor, plan: Augmentation, rng: np.random.Generator) -> Tensor:
    for axis in (0, 1, 2) if plan.through_plane else (1, 2):
        volume = blurred(volume, axis, rng.uniform(*plan.blur_sigma))
    return volume


def blurred(volume: Tensor, axis: int, sigma: float) -> Tensor:
    """Gaussian along an axis, sigma in voxels, three voxels far; the edge goes on beyond itself."""
    weights = np.exp(-0.5 * (np.arange(4) / sigma) ** 2)
    weights /= weights[0] + 2 * weights[1:].sum()
    n = volume.shape[axis]
    padding = [3 if k == axis else 0 for k in (2, 2, 1, 1, 0, 0)]
    padded = functional.pad(volume[None, None], padding, mode="replicate")[0, 0]
    total = volume * float(weights[0])
    for step in (1, 2, 3):
        for start in (3 - step, 3 + step):
            total.add_(padded.narrow(axis, start, n), alpha=float(weights[step]))
    return total


def _brightness(volume: Tensor, plan: Augmentation, rng: np.random.Generator) -> Tensor:
    return volume * _about_one(plan.brightness_factor, rng) + rng.uniform(*plan.brightness_shift)


def _contrast(volume: Tensor, plan: Augmentation, rng: np.random.Generator) -> Tensor:
    mean, factor = volume.mean(), _about_one(plan.contrast_factor, rng)
    changed = (volume - mean).mul_(factor).add_(mean)
    return changed.clamp_(*torch.aminmax(volume)) if plan.contrast_keeps_range else changed


def _low_resolution(volume: Tensor, plan: Augmentation, rng: np.random.Generator, *, along_z: bool) -> Tensor:
    """As if reconstructed on a coarser grid."""
    factor = rng.uniform(*plan.low_resolution_factor)
    size = [max(1, round(n * factor)) for n in volume.shape]
    if along_z:
        small = functional.interpolate(volume[None, None], size, mode="nearest-exact")
        return functional.interpolate(small, volume.shape, mode="trilinear", align_corners=False)[0, 0]
    small = functional.interpolate(volume[None], size[1:], mode="nearest-exact")
    return functional.interpolate(small, volume.shape[1:], mode="bilinear", align_corners=False)[0]


def _gamma(volume: Tensor, plan: Augmentation, rng: np.random.Generator, *, inverted: bool) -> Tensor:
    """Values from the least to the greatest are raised to a power; inverted, from the greatest to the least."""
    exponent = _about_one(plan.gamma_exponent, rng)
    low, high = torch.aminmax(volume)
    span = (high - low).clamp(min=1e-6)
    if inverted:
        changed = high - ((high - volume) / span).pow_(exponent).mul_(span)
    else:
        changed = ((volume - low) / span).pow_(exponent).mul_(span).add_(low)
    if plan.gamma_keeps_statistics:
        factor = volume.std() / changed.std().clamp(min=1e-6)
        changed = (changed - changed.mean()).mul_(factor).add_(volume.mean())
    return changed


def _about_one(limits: Range, rng: np.random.Generator) -> float:
    """A factor: as often below one as above, where the range has both."""
    low, high = limits
    if low < 1 < high:
        low, high = (low, 1.0) if rng.random() < 0.5 else (1.0, high)
    return float(rng.uniform(low, high))
