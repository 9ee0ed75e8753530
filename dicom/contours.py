"""Masks of a slice → closed polygons, and back.

Polygons run between the voxels of the structure and those around it. Inner borders are reached by keyholes: one polygon
per piece, with a cut of no width from its outer border to each hole. That is what DICOM foresees for CLOSED_PLANAR, and
what all readers fill alike, whether they add contours up or take every second crossing.
"""

from itertools import pairwise
from typing import Any

import numpy as np
from contourpy import FillType, contour_generator

# How far along the way from a voxel outside (0) to one inside (1) the border lies. A little within the middle: readers
# that round to voxels then find the border's own voxels, not those around it.
LEVEL = 0.51
# Of a voxel: borders so near to a voxel's centre have it inside, for systems that draw from centre to centre.
ON_BORDER = 0.005
# Of a voxel: points so near to each other are one, where polygons are compared.
ONE_PLACE = 0.01
# Of edges and rows: what is looked at together. A hostile contour crosses all rows with each of its edges.
MOST_CROSSINGS = 1 << 20


def outlines(mask: np.ndarray) -> list[np.ndarray]:
    """One polygon (n, 2) of (row, column) for each piece of a mask (rows, columns); its last point is not the first.

    Voxels that touch at corners alone are of two pieces. A piece within a hole has its own polygon.
    """
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return []
    first = np.array([rows[0], columns[0]])
    inner = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    values = np.pad(inner, 1).astype(np.float32)
    # Its type is that of all kinds of fill.
    traced: Any = contour_generator(z=values, fill_type=FillType.OuterOffset).filled(LEVEL, 2.0)
    polygons = []
    for piece, ends in zip(*traced, strict=True):
        # contourpy has x, y and repeats each ring's first point at its end.
        rings = [piece[start : end - 1, ::-1] for start, end in pairwise(ends)]
        polygons.append(_without_needless(_keyholed(rings[0], rings[1:])) + first - 1)
    return polygons


def _keyholed(outer: np.ndarray, holes: list[np.ndarray]) -> np.ndarray:
    """One ring: from each hole's leftmost point the cut runs along its row to the left, through the structure alone.

    On that row lies a point of whatever border is there first: of the outer one, or of a hole farther to the left,
    which is already joined.
    """
    ring = outer
    for hole in sorted(holes, key=lambda one: one[:, 1].min()):
        start = int(hole[:, 1].argmin())
        row, column = hole[start]
        candidates = np.flatnonzero((ring[:, 0] == row) & (ring[:, 1] < column))
        at = int(candidates[ring[candidates, 1].argmax()])
        around = np.roll(hole, -start, axis=0)
        ring = np.concatenate([ring[: at + 1], around, hole[start : start + 1], ring[at:]])
    return ring


def _without_needless(ring: np.ndarray) -> np.ndarray:
    """Without points on the straight line between their neighbours."""
    before, after = ring - np.roll(ring, 1, axis=0), np.roll(ring, -1, axis=0) - ring
    turn = before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]
    onwards = (before * after).sum(1) > 0
    return ring[~((abs(turn) < 1e-6) & onwards)]


def filled(polygons: list[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """The voxels (rows, columns) whose centres lie in an odd number of polygons, (n, 2) of (row, column), or on one.

    Polygons given twice count once, wherever and in whichever direction they are begun.
    """
    different = {_edges(polygon): polygon for polygon in polygons}
    mask = np.zeros(shape, bool)
    for down in (-ON_BORDER, ON_BORDER):
        for right in (-ON_BORDER, ON_BORDER):
            mask |= _odd([polygon + (down, right) for polygon in different.values()], shape)
    return mask


def _edges(polygon: np.ndarray) -> bytes:
    """The same for polygons (n, 2) of the same edges, whichever comes first and whichever way it runs."""
    points = np.rint(polygon / ONE_PLACE).astype(int)
    edges = np.stack([points, np.roll(points, -1, axis=0)], axis=1)
    edges = edges[(edges[:, 0] != edges[:, 1]).any(1)]  # some give the first point again at the end
    start, stop = edges[:, 0], edges[:, 1]
    backwards = (start[:, 0] > stop[:, 0]) | ((start[:, 0] == stop[:, 0]) & (start[:, 1] > stop[:, 1]))
    edges[backwards] = edges[backwards, ::-1]
    flat = edges.reshape(-1, 4)
    return flat[np.lexsort(flat.T)].tobytes()


def _odd(polygons: list[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """Every edge turns all voxels to the right of it, in the rows that it crosses; what is turned an odd time stays."""
    rows, columns = shape
    turned = np.zeros((rows, columns + 1), bool)
    at_once = max(1, MOST_CROSSINGS // rows)
    for polygon in polygons:
        stops = np.roll(polygon, -1, axis=0)
        for some in range(0, len(polygon), at_once):
            _turn(turned, polygon[some : some + at_once], stops[some : some + at_once])
    return np.logical_xor.accumulate(turned, axis=1)[:, :-1]


def _turn(turned: np.ndarray, start: np.ndarray, stop: np.ndarray) -> None:
    """Note in each row that edges (n, 2) cross from where on all is turned."""
    rows, columns = turned.shape
    low, high = np.minimum(start[:, 0], stop[:, 0]), np.maximum(start[:, 0], stop[:, 0])
    first, end = (np.ceil(value).clip(0, rows).astype(int) for value in (low, high))
    edge = np.repeat(np.arange(len(start)), end - first)
    row = np.arange(len(edge)) - np.repeat(np.cumsum(end - first) - end, end - first)
    part = (row - start[edge, 0]) / (stop[edge, 0] - start[edge, 0])
    column = start[edge, 1] + part * (stop[edge, 1] - start[edge, 1])
    np.logical_xor.at(turned, (row, np.ceil(column).clip(0, columns - 1).astype(int)), True)
