"""Surfaces of voxel masks as weighted surface elements (Nikolov et al., arXiv 1809.04430).

Between each 2 x 2 x 2 block of voxel centres lies at most one piece of surface. Its area depends on which of the
eight centres are inside: 256 cases. All arrays are (z, y, x), spacing in mm in the same order.
"""

import functools
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

CORNERS = tuple(itertools.product((0, 1), repeat=3))
BITS = {corner: 1 << position for position, corner in enumerate(CORNERS)}

Edge = frozenset[tuple[int, ...]]  # of the block's cube, by its two corners


@dataclass(frozen=True)
class Surface:
    """Surface elements: positions (n, 3) in blocks (z, y, x) of the cropped grid, areas (n,) in mm²."""

    positions: np.ndarray
    areas: np.ndarray


def surface_of(mask: np.ndarray, spacing_zyx: tuple[float, float, float]) -> Surface:
    """All elements of a bool mask (z, y, x); what lies beyond the array is outside."""
    padded = np.pad(mask, 1)
    codes = np.zeros([n - 1 for n in padded.shape], np.uint8)
    for corner, bit in BITS.items():
        block = tuple(slice(c, c + n) for c, n in zip(corner, codes.shape, strict=True))
        codes |= padded[block].astype(np.uint8) * np.uint8(bit)
    positions = np.argwhere((codes != 0) & (codes != 255))
    return Surface(positions, element_areas(spacing_zyx)[codes[tuple(positions.T)]])


@functools.lru_cache(maxsize=16)
def element_areas(spacing_zyx: tuple[float, float, float]) -> np.ndarray:
    """Area in mm² of each of the 256 cases, float64 (256,)."""
    z, y, x = spacing_zyx
    scale = np.array([y * x, z * x, z * y])
    return np.array([np.linalg.norm(normals * scale, axis=1).sum() for normals in element_normals()])


@functools.cache
def element_normals() -> tuple[np.ndarray, ...]:
    """For each case the area vectors (n, 3) of its triangles at unit spacing.

    The surface runs through the midpoints of the cube's cut edges. Where a face is cut twice, the corners that are in
    the minority in the block are kept apart. Of a polygon that is not flat the triangulation of largest area counts.
    """
    return tuple(
        np.array([n for loop in _contours(code) for n in _triangles(loop)]).reshape(-1, 3)
        for code in range(256)
    )


def _contours(code: int) -> Iterator[list[np.ndarray]]:
    """Closed polygons, each a list of edge midpoints in order."""
    neighbours: dict[Edge, list[Edge]] = {}
    for a, b in _face_segments(code):
        neighbours.setdefault(a, []).append(b)
        neighbours.setdefault(b, []).append(a)
    while neighbours:
        edge = next(iter(neighbours))
        loop = []
        while edge in neighbours:
            loop.append(np.mean([*edge], axis=0))
            edge = next((e for e in neighbours.pop(edge) if e in neighbours), edge)
        yield loop


def _face_segments(code: int) -> Iterator[tuple[Edge, Edge]]:
    """Where the surface crosses the cube's six faces: pairs of cut edges."""
    inside = {corner: bool(code & bit) for corner, bit in BITS.items()}
    minority = sum(inside.values()) <= 4
    for axis, side in itertools.product(range(3), (0, 1)):
        face = []
        for u, v in ((0, 0), (0, 1), (1, 1), (1, 0)):
            corner = [u, v]
            corner.insert(axis, side)
            face.append(tuple(corner))
        edges = [frozenset((face[i - 1], face[i])) for i in range(4)]  # edge i leads to corner i
        cut = [i for i in range(4) if inside[face[i - 1]] != inside[face[i]]]
        if len(cut) == 2:
            yield edges[cut[0]], edges[cut[1]]
        elif len(cut) == 4:
            for i in range(4):
                if inside[face[i]] == minority:
                    yield edges[i], edges[(i + 1) % 4]


def _triangles(loop: list[np.ndarray]) -> list[np.ndarray]:
    """Area vectors of the triangulation of largest total area."""
    choices = []
    for triangles in _triangulations(0, len(loop) - 1):
        corners = [[loop[i] for i in triangle] for triangle in triangles]
        choices.append([np.cross(b - a, c - a) / 2 for a, b, c in corners])
    return max(choices, key=lambda normals: round(sum(float(np.linalg.norm(n)) for n in normals), 9))


def _triangulations(first: int, last: int) -> list[list[tuple[int, int, int]]]:
    """All ways to cut the polygon first, …, last into triangles of its own corners."""
    if last - first < 2:
        return [[]]
    return [
        [*left, *right, (first, apex, last)]
        for apex in range(first + 1, last)
        for left in _triangulations(first, apex)
        for right in _triangulations(apex, last)
    ]
