"""RTSTRUCT or SEG → masks of GTVp and GTVnd on an image's grid. evaluate.py reads them so."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

import numpy as np

from dicom.choose import ALONE, Named, One, choose, left_by_name, said_to_be
from dicom.rois import MOST_ELEMENTS, Roi, mask_of, not_closed, read_structure_set
from dicom.segments import mask_on, read_segments
from evaluation.names import what_name_says
from model.images.dicom_elements import read_elements
from model.images.grid import Grid
from model.structures import STRUCTURES

SEGMENTATIONS = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")


@dataclass(frozen=True)
class GridPlanes:
    """The planes of an image's grid that lie across its z axis."""

    grid: Grid
    name: str = "the reference or the CT"

    @property
    def normal(self) -> np.ndarray:
        """Unit vector (x, y, z) from the first plane towards the last."""
        return np.reshape(self.grid.direction, (3, 3))[:, 2]

    @property
    def heights_mm(self) -> np.ndarray:
        """Of each plane along the normal, from the frame of reference's origin."""
        steps = np.arange(self.grid.size_xyz[2]) * self.grid.spacing_xyz[2]
        return np.array(self.grid.origin_xyz) @ self.normal + steps

    def on_plane(self, k: int, places_mm: np.ndarray) -> np.ndarray:
        """Places (n, 3) x, y, z in mm → (row, column) (n, 2)."""
        axes = np.reshape(self.grid.direction, (3, 3))[:, 1::-1]
        return (places_mm - self.grid.origin_xyz) @ axes / self.grid.spacing_zyx[1:]


def read_on_grid(path: Path, grid: Grid) -> tuple[dict[str, np.ndarray], list[str]]:
    """Bool (z, y, x) along the grid's own axes by structure, and what is odd in words.

    A structure that is named but has nothing drawn is empty; one that is not named is missing. Raises InputError for
    files that cannot be read, names that are not clear, and what does not lie on the grid.
    """
    elements, odd = read_elements(path, MOST_ELEMENTS), list[str]()
    if elements is not None and elements.text("SOPClassUID") in SEGMENTATIONS:
        segments = read_segments(path)
        picked = _chosen(path, segments)
        odd += _left(path, left_by_name(segments, picked))
        of = {
            structure: [_told(mask_on(segment, grid, path), path, odd) for segment in parts]
            for structure, parts in picked.items()
        }
        return _united(of) | _empty(segments, of, grid), odd
    structures = read_structure_set(path)
    chosen = _chosen(path, structures.rois)
    odd += _left(path, left_by_name(structures.rois, chosen))
    drawn = {
        structure: [_rasterised(roi, grid, path, odd) for roi in rois] for structure, rois in chosen.items()
    }
    odd += not_closed(said_to_be(structures.rois, chosen), path)
    return _united(drawn) | _empty(structures.rois, drawn, grid), odd


def _chosen(path: Path, found: Sequence[One]) -> dict[str, list[One]]:
    """By their names; none where a structure is named, but of what is drawn nothing is. Raises InputError as choose."""
    named = [one for one in found if what_name_says(one.name).structure]
    alone = any(one.drawn and ALONE.fullmatch(one.name.strip(" _-")) for one in found)
    return {} if named and not alone and not any(one.drawn for one in named) else choose(path, found, {})


def _told(found: tuple[np.ndarray, list[str]], path: Path, odd: list[str]) -> np.ndarray:
    """The mask alone; what is odd about it is added to the rest."""
    odd += [f"{path}: {one}" for one in found[1]]
    return found[0]


def _left(path: Path, names: list[str]) -> list[str]:
    return [f"{path}: not taken: {', '.join(names)}"] if names else []


def _united(parts: dict[str, list[np.ndarray]]) -> dict[str, np.ndarray]:
    return {structure: reduce(np.logical_or, masks) for structure, masks in parts.items()}


def _empty(named: Sequence[Named], found: dict[str, list[np.ndarray]], grid: Grid) -> dict[str, np.ndarray]:
    said = {what_name_says(one.name).structure for one in named if not one.drawn}
    return {s: np.zeros(grid.size_xyz[::-1], bool) for s in STRUCTURES if s in said and s not in found}


def _rasterised(roi: Roi, grid: Grid, path: Path, odd: list[str]) -> np.ndarray:
    """On the planes of the grid that the contours lie in, along whichever of its axes."""
    directions = np.reshape(grid.direction, (3, 3))
    thick = [max(np.ptp(points @ directions[:, axis]) for points in roi.contours) for axis in range(3)]
    # That axis last, the others in their order.
    axes = [axis for axis in range(3) if axis != int(np.argmin(thick))] + [int(np.argmin(thick))]
    turned = Grid(
        tuple(grid.size_xyz[axis] for axis in axes),  # type: ignore[arg-type]
        tuple(grid.spacing_xyz[axis] for axis in axes),  # type: ignore[arg-type]
        grid.origin_xyz,
        tuple(directions[:, axes].ravel()),
    )
    mask = _told(mask_of(roi, GridPlanes(turned), path), path, odd)
    return mask.transpose([2 - axes.index(axis) for axis in (2, 1, 0)])
