"""A patch turned, scaled and mirrored, out of the larger part of its case which that needs.

The change is drawn first, then the source is cut, then the patch sampled from it, so that a moved patch shows what is
there, up to the case's own end: beyond it the image is 0 and the label background. Coordinates are voxels (z, y, x).
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from model.network.plan import Spacing, Triple, triple
from training.data.augment import Augmentation


@dataclass(frozen=True)
class Motion:
    """matrix: (3, 3) from the patch's voxels to the case's, about the patch's centre; None where it stays.

    mirrored: the axes that are turned round afterwards.
    """

    matrix: np.ndarray | None
    mirrored: tuple[int, ...]

    @property
    def in_plane(self) -> bool:
        """Whether slices stay slices."""
        if self.matrix is None:
            return True
        first = np.eye(3)[0]
        return bool((self.matrix[0] == first).all() and (self.matrix[:, 0] == first).all())


def draw_motion(
    plan: Augmentation, patch_zyx: Triple, spacing_zyx: Spacing, rng: np.random.Generator
) -> Motion:
    """At random. Angles are in mm, whatever the voxels' shape."""
    turned, scaled = rng.random() < plan.rotation, rng.random() < plan.scaling
    matrix = None
    if turned or scaled:
        flat = plan.is_flat(patch_zyx)
        limits = (plan.anisotropic_degrees, 0, 0) if flat else (plan.degrees, *(plan.tilt_degrees,) * 2)
        angles = [math.radians(rng.uniform(-d, d)) if turned else 0.0 for d in limits]
        scale = rng.uniform(*plan.scales) if scaled else 1.0
        matrix = motion_matrix(angles, (1.0 if flat else scale, scale, scale), spacing_zyx)
    mirrored = tuple(axis for axis in range(3) if rng.random() < plan.mirror)
    return Motion(matrix, mirrored)


def motion_matrix(angles: list[float], scales: Spacing, spacing_zyx: Spacing) -> np.ndarray:
    """Of a rotation about z, y, x by those angles (radians) and an enlargement along each axis."""
    matrix = np.eye(3)
    for axis, angle in enumerate(angles):
        a, b = (k for k in range(3) if k != axis)
        turn = np.eye(3)
        turn[a, a] = turn[b, b] = math.cos(angle)
        turn[a, b], turn[b, a] = -math.sin(angle), math.sin(angle)
        matrix = matrix @ turn
    mm = np.array(spacing_zyx)
    return matrix / scales * mm[None] / mm[:, None]


def source_box(motion: Motion, start: Triple, patch_zyx: Triple, shape: Triple) -> tuple[Triple, Triple]:
    """First voxel and the one after the last of what a patch that begins at `start` is sampled from.

    Along axes that are moved it ends where the case ends; along the others it is as long as the patch.
    """
    if motion.matrix is None:
        return start, triple(s + p for s, p in zip(start, patch_zyx, strict=True))
    half = (np.array(patch_zyx) - 1) / 2
    # Of the patch's corners the farthest along each axis, and what lies on both sides of it.
    reach = np.abs(motion.matrix) @ half
    low, high = np.floor(start + half - reach), np.ceil(start + half + reach) + 1
    low, high = np.maximum(low, 0), np.minimum(high, shape)
    if motion.in_plane:
        low[0], high[0] = start[0], start[0] + patch_zyx[0]
    return triple(int(n) for n in low), triple(int(n) for n in high)


def move(
    image: Tensor, label: Tensor, motion: Motion, centre: tuple[float, ...], patch_zyx: Triple
) -> tuple[Tensor, Tensor]:
    """The patch out of its source: float image (channels, z, y, x), linearly, and uint8 label, by the nearest voxel.

    centre: of the patch, in voxels of the source. Nothing is read back from the device.
    """
    if motion.matrix is not None:
        image, label = _sampled(image, label, motion, centre, patch_zyx)
    if motion.mirrored:
        image = image.flip([axis + 1 for axis in motion.mirrored])
        label = label.flip(motion.mirrored)
    return image, label


def _sampled(
    image: Tensor, label: Tensor, motion: Motion, centre: tuple[float, ...], patch_zyx: Triple
) -> tuple[Tensor, Tensor]:
    assert motion.matrix is not None
    axes = (1, 2) if motion.in_plane else (0, 1, 2)
    sizes = [label.shape[axis] for axis in axes]
    grid: Tensor | float = 0.0
    for column in axes:
        # Each axis of the patch adds its share: numbers alone go to the device, and memory is written once.
        steps = torch.arange(patch_zyx[column], device=image.device) - (patch_zyx[column] - 1) / 2
        rates = [2 / n * float(motion.matrix[row, column]) for row, n in zip(axes, sizes, strict=True)]
        # From -1 to 1 from edge to edge of the source.
        middles = [(2 * centre[row] + 1) / n - 1 for row, n in zip(axes, sizes, strict=True)]
        shares = [
            steps * rate + (middle if column == axes[-1] else 0)
            for rate, middle in zip(rates, middles, strict=True)
        ]
        shape = [-1 if axis == column else 1 for axis in axes]
        grid = torch.stack(shares[::-1], -1).view(*shape, len(axes)) + grid  # (x, y, z) last
    assert isinstance(grid, Tensor)
    grid = grid[None]
    if motion.in_plane:  # slices as channels, several times as fast
        moved = _at(image.flatten(0, 1)[None], grid, "bilinear").view(len(image), *patch_zyx)
        chosen = _at(label[None].float(), grid, "nearest")[0]
    else:
        moved = _at(image[None], grid, "bilinear")[0]
        chosen = _at(label[None, None].float(), grid, "nearest")[0, 0]
    return moved, chosen.to(label.dtype)


def _at(values: Tensor, grid: Tensor, mode: str) -> Tensor:
    return functional.grid_sample(values, grid, mode, padding_mode="zeros", align_corners=False)
