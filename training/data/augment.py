"""Augmentation of a batch on the training device.

Tensors are (batch, channel, z, y, x) images, normalised, and (batch, z, y, x) labels. Geometry is the same for both
CTs, intensities are changed per channel. Kinds and ranges follow nnU-Net's defaults (Isensee et al., Nature Methods
2021), narrower where HU have a meaning; a contrast CT that never came is ours.
"""

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn import functional

from model.network.bundle import Normalisation
from model.network.plan import Spacing
from model.preprocessing.gtvseg import normalise_hu


@dataclass(frozen=True)
class Augmentation:
    """Probability of each change, per sample (geometry) or per sample and channel (intensities); ranges."""

    rotation: float = 0.2
    degrees: float = 30.0  # in plane; a third of it about the other axes
    scaling: float = 0.2
    scales: tuple[float, float] = (0.8, 1.25)
    mirror: float = 0.5  # for each axis, as test-time augmentation does
    noise: float = 0.15
    blur: float = 0.15
    brightness: float = 0.5
    contrast: float = 0.5
    gamma: float = 0.2
    low_resolution: float = 0.15
    no_contrast: float = 0.05


def augment(
    images: Tensor,
    labels: Tensor,
    spacing_zyx: Spacing,
    normalisation: tuple[Normalisation, ...],
    plan: Augmentation,
    generator: Generator,
) -> tuple[Tensor, Tensor]:
    """Changed copies; all random numbers, or their seeds, come from the generator, which lives on the CPU.

    normalisation: what was applied to the channels, so that the plain CT can stand for a contrast CT that never came.
    """
    pairs = [
        _augment_one(i, lab, spacing_zyx, normalisation, plan, generator)
        for i, lab in zip(images, labels, strict=True)
    ]
    changed, moved = zip(*pairs, strict=True)
    return torch.stack(changed), torch.stack(moved)


def _augment_one(
    image: Tensor,
    label: Tensor,
    spacing_zyx: Spacing,
    normalisation: tuple[Normalisation, ...],
    plan: Augmentation,
    generator: Generator,
) -> tuple[Tensor, Tensor]:
    def happens(probability: float) -> bool:
        return _uniform(generator, 0, 1) < probability

    turned, scaled = happens(plan.rotation), happens(plan.scaling)
    if turned or scaled:
        limits = (plan.degrees, plan.degrees / 3, plan.degrees / 3)
        angles = [math.radians(_uniform(generator, -d, d)) if turned else 0.0 for d in limits]
        scale = _uniform(generator, *plan.scales) if scaled else 1.0
        image, label = _move(image, label, spacing_zyx, angles, scale)
    axes = [axis for axis in range(3) if happens(plan.mirror)]
    image, label = image.flip([a + 1 for a in axes]), label.flip(axes)
    channels = list(image)
    for k, volume in enumerate(channels):
        if happens(plan.noise):
            seed = int(torch.randint(2**62, (), generator=generator))
            there = Generator(volume.device).manual_seed(seed)
            noise = torch.randn(volume.shape, generator=there, device=volume.device)
            volume = volume + _uniform(generator, 0, 0.3) * noise
        if happens(plan.blur):
            volume = _blur(volume, _uniform(generator, 0.5, 1.0))
        if happens(plan.brightness):
            volume = volume + _uniform(generator, -0.2, 0.2)
        if happens(plan.contrast):
            volume = (volume - volume.mean()) * _uniform(generator, 0.8, 1.25) + volume.mean()
        if happens(plan.low_resolution):
            volume = _low_resolution(volume, _uniform(generator, 0.5, 1))
        if happens(plan.gamma):
            volume = _gamma(volume, _uniform(generator, 0.8, 1.25))
        channels[k] = volume
    if happens(plan.no_contrast):
        had, other = normalisation
        channels[1] = normalise_hu(channels[0] * had.std + had.mean, other)
    return torch.stack(channels), label


def _uniform(generator: Generator, low: float, high: float) -> float:
    return low + (high - low) * float(torch.rand((), generator=generator))


def _move(
    image: Tensor, label: Tensor, spacing_zyx: Spacing, angles: list[float], scale: float
) -> tuple[Tensor, Tensor]:
    """Rotate in mm (about z, y, x by those angles) and scale about the centre; beyond the edge its value goes on."""
    matrix = torch.eye(3, dtype=torch.float64)
    for axis, angle in enumerate(angles):
        a, b = (k for k in range(3) if k != axis)
        turn = torch.eye(3, dtype=torch.float64)
        turn[a, a] = turn[b, b] = math.cos(angle)
        turn[a, b], turn[b, a] = -math.sin(angle), math.sin(angle)
        matrix = matrix @ turn
    half_mm = torch.tensor(
        [n * mm / 2 for n, mm in zip(label.shape, spacing_zyx, strict=True)], dtype=torch.float64
    )
    matrix = matrix / scale * half_mm[None] / half_mm[:, None]  # mm → each axis from -1 to 1
    theta = torch.cat((matrix.flip(0, 1), torch.zeros(3, 1, dtype=torch.float64)), 1)  # grids are (x, y, z)
    theta = theta[None].float().to(image.device)
    grid = functional.affine_grid(theta, [1, 1, *label.shape], align_corners=False)
    moved = functional.grid_sample(image[None], grid, padding_mode="border", align_corners=False)[0]
    where = functional.grid_sample(
        label[None, None].float(), grid, mode="nearest", padding_mode="border", align_corners=False
    )[0, 0]
    return moved, where.to(label.dtype)


def _blur(volume: Tensor, sigma: float) -> Tensor:
    """Gaussian in plane, sigma in voxels."""
    steps = torch.arange(-3, 4, device=volume.device)
    kernel = torch.exp(-0.5 * (steps / sigma) ** 2)
    kernel = kernel / kernel.sum()
    planes = functional.pad(volume[:, None], (3, 3, 3, 3), mode="replicate")
    return functional.conv2d(
        functional.conv2d(planes, kernel[None, None, :, None]), kernel[None, None, None]
    )[:, 0]


def _low_resolution(volume: Tensor, factor: float) -> Tensor:
    """As if reconstructed on a coarser in-plane grid."""
    small = functional.interpolate(volume[:, None], scale_factor=factor, mode="nearest-exact")
    return functional.interpolate(small, volume.shape[1:], mode="bilinear", align_corners=False)[:, 0]


def _gamma(volume: Tensor, gamma: float) -> Tensor:
    low, span = volume.min(), (volume.max() - volume.min()).clamp(min=1e-6)
    return ((volume - low) / span) ** gamma * span + low
