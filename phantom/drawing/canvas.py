"""The working grid on which a patient is painted: HU, enhancement and kind of tissue per voxel.

Arrays are (z, y, x), float32 HU. Points are in the patient frame (mm, origin at the brainstem's centre,
x right to left, y front to back, z feet to head); the canvas holds, for each voxel, its *canonical* point:
where it would lie in the upright, undeformed template.
"""

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from phantom.drawing.shapes import Array, Shape

Slices = tuple[slice, slice, slice]
_COARSE = (2, 4, 4)


def apart(rng: np.random.Generator, stream: int) -> np.random.Generator:
    """A generator of its own, fixed by the first one's state, that takes nothing from it: what is drawn from it can
    change without changing everything that is drawn later."""
    return np.random.Generator(rng.bit_generator.jumped(stream))  # type: ignore[attr-defined]


class Kind(IntEnum):
    """What a voxel mostly consists of; decides what a tumour may grow into."""

    OUTSIDE = 0
    FAT = 1
    SOFT = 2
    BONE = 3
    AIRWAY = 4
    NERVOUS = 5
    ARTERY = 6
    VEIN = 7


@dataclass(frozen=True)
class Tissue:
    """HU without contrast, HU added by contrast, and the amplitude (HU) of the texture inside."""

    hu: float
    enhancement: float
    texture: float
    kind: Kind


@dataclass(frozen=True)
class Grid:
    """Voxel centres of the working grid in the patient frame: first centre and spacing, (x, y, z), mm."""

    shape_zyx: tuple[int, int, int]
    first_xyz: tuple[float, float, float]
    spacing_xyz: tuple[float, float, float]

    def axis(self, dimension: int) -> Array:
        """Centres along x (0), y (1) or z (2)."""
        count = self.shape_zyx[2 - dimension]
        return (self.first_xyz[dimension] + self.spacing_xyz[dimension] * np.arange(count)).astype(np.float32)

    @property
    def voxel_cm3(self) -> float:
        return float(np.prod(self.spacing_xyz)) / 1000


@dataclass
class OrganSum:
    """Sums over an organ's voxels: volume (cm3), volume times centre (patient frame, mm), its slices."""

    volume_cm3: float = 0.0
    moment: NDArray[np.float64] = field(default_factory=lambda: np.zeros(3))
    slices: set[int] = field(default_factory=set)
    slice_mm: float = 1.0

    @property
    def area_mm2(self) -> float:
        """Mean cross-section over the slices that the organ reaches."""
        return self.volume_cm3 * 1000 / (len(self.slices) * self.slice_mm)

    @property
    def centre_mm(self) -> NDArray[np.float64]:
        return self.moment / self.volume_cm3


class Canvas:
    """Paints shapes in order; a later one covers an earlier one, with edges one voxel soft.

    `limit`, once set, is a distance field (mm) outside which tissue is not painted; air is.
    """

    def __init__(self, grid: Grid, points: list[Array], texture: Array, relief: Array) -> None:
        self.grid = grid
        self.x, self.y, self.z = points
        self.texture, self.relief = texture, relief
        self.hu = np.full(grid.shape_zyx, -1000, np.float32)
        self.enhancement = np.zeros(grid.shape_zyx, np.float32)
        self.kind = np.full(grid.shape_zyx, Kind.OUTSIDE, np.uint8)
        self.edge_mm = np.float32(grid.spacing_xyz[0] * 1.1)
        self.organs: dict[str, OrganSum] = {}
        self.limit: Array | None = None
        self.refresh()

    def refresh(self) -> None:
        """Call after changing x, y or z: the coarse copies decide which voxels a shape can touch."""
        self._coarse = [
            c[:: _COARSE[0], :: _COARSE[1], :: _COARSE[2]].copy() for c in (self.x, self.y, self.z)
        ]

    def find(self, shape: Shape, margin_mm: float) -> Slices | None:
        """The block of voxels whose canonical points can lie within the shape's bounds plus a margin."""
        low, high = shape.bounds
        near = np.ones(self._coarse[0].shape, bool)
        for coarse, a, b in zip(self._coarse, low, high, strict=True):
            near &= (coarse > a - margin_mm) & (coarse < b + margin_mm)
        if not near.any():
            return None
        block = []
        for dimension, step in enumerate(_COARSE):
            hits = np.flatnonzero(near.any(axis=tuple(d for d in range(3) if d != dimension)))
            block.append(slice(max(0, (hits[0] - 1) * step), int((hits[-1] + 1) * step + 1)))
        return block[0], block[1], block[2]

    def paint(self, shape: Shape, tissue: Tissue, relief_mm: float = 0.0, name: str = "") -> None:
        """Paint a shape; `relief_mm` is the amplitude of its surface's irregularity, `name` its organ."""
        block = self.find(shape, 6.0 + 2 * relief_mm)
        if block is None:
            return
        distance = shape.distance(self.x[block], self.y[block], self.z[block])
        if relief_mm:
            distance = distance + np.float32(relief_mm) * self.relief[block]
        if self.limit is not None and tissue.kind != Kind.AIRWAY:
            distance = np.maximum(distance, self.limit[block])
        self.fill(block, distance, tissue, name)

    def fill(self, block: Slices, distance: Array, tissue: Tissue, name: str = "") -> None:
        """Paint where `distance` (mm, over the block) is negative."""
        weight = np.clip(np.float32(0.5) - distance / self.edge_mm, 0, 1)
        value = np.float32(tissue.hu) + np.float32(tissue.texture) * self.texture[block]
        self.hu[block] += weight * (value - self.hu[block])
        self.enhancement[block] += weight * (np.float32(tissue.enhancement) - self.enhancement[block])
        self.kind[block][weight > 0.5] = tissue.kind
        if name:
            self._record(block, weight, name)

    def _record(self, block: Slices, weight: Array, name: str) -> None:
        organ = self.organs.setdefault(name, OrganSum(slice_mm=self.grid.spacing_xyz[2]))
        organ.slices.update(int(k) + block[0].start for k in np.flatnonzero(weight.max(axis=(1, 2)) > 0.5))
        organ.volume_cm3 += float(weight.sum(dtype=np.float64)) * self.grid.voxel_cm3
        for dimension, other in ((0, (0, 1)), (1, (0, 2)), (2, (1, 2))):
            mass = weight.sum(axis=other, dtype=np.float64)
            centres = self.grid.axis(dimension)[block[2 - dimension]]
            organ.moment[dimension] += float(mass @ centres) * self.grid.voxel_cm3


def smooth_noise(grid: Grid, length_mm: float, rng: np.random.Generator) -> Array:
    """Gaussian noise (zero mean, unit variance) with a correlation length of about `length_mm`, (z, y, x).

    A lattice of white noise, spread by a normalised Gaussian along each axis.
    """
    spreads = []
    for dimension in (2, 1, 0):
        step = max(length_mm, grid.spacing_xyz[dimension])
        position = np.arange(grid.shape_zyx[2 - dimension]) * grid.spacing_xyz[dimension] / step
        knots = np.arange(-2, int(position[-1]) + 4)
        spread = np.exp(-0.5 * ((position[:, None] - knots) / 0.7) ** 2)
        spreads.append((spread / np.sqrt((spread**2).sum(1, keepdims=True))).astype(np.float32))
    noise = rng.standard_normal([spread.shape[1] for spread in spreads], dtype=np.float32)
    noise = np.matmul(noise, spreads[2].T)
    noise = np.matmul(spreads[1], noise)
    flat = noise.reshape(noise.shape[0], -1)
    return np.matmul(spreads[0], flat).reshape(grid.shape_zyx)
