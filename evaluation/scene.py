"""What a picture shows: a case's CT and masks, turned upright, and where to look.

Arrays are (z, y, x) in canonical orientation: z grows to the head, y to the back, x to the patient's left.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.ndimage import label

from evaluation.cases import CaseFiles
from evaluation.metrics import bounding_box
from evaluation.reading import check_same_grid, read_masks
from model.images.grid import to_canonical
from model.images.read import read_grid, read_scan

# Around all masks, so that the surroundings can be recognised.
MARGIN_MM = 45.0


@dataclass(frozen=True)
class Scene:
    """What is drawn: CT in HU (None: a dark background), masks by structure, spacing (z, y, x) in mm."""

    ct: np.ndarray | None
    reference: dict[str, np.ndarray]
    prediction: dict[str, np.ndarray]
    spacing_zyx: tuple[float, float, float]


def read_scene(
    ct: Path | None, reference: CaseFiles, prediction: CaseFiles | None, structures: tuple[str, ...]
) -> Scene:
    """Reads and turns what is to be drawn. Raises InputError as reading does, and for a CT on another grid."""
    masks = read_masks(reference, structures, read_grid(ct) if ct else None)
    grid = masks.grid
    hounsfield = None
    if ct is not None:
        scan = read_scan(ct)
        check_same_grid(scan.grid, grid, ct, masks.path)
        hounsfield = to_canonical(scan.array, grid)
    predicted = {}
    if prediction:
        other = read_masks(prediction, structures, grid)
        check_same_grid(other.grid, grid, other.path, masks.path)
        predicted = other.arrays
    return Scene(
        hounsfield,
        {name: to_canonical(array, grid) for name, array in masks.arrays.items()},
        {name: to_canonical(array, grid) for name, array in predicted.items()},
        grid.canonical_spacing_zyx,
    )


def _largest_lesion(mask: np.ndarray) -> np.ndarray:
    """The largest connected part of a mask that has voxels."""
    box = bounding_box(mask)
    labels, _ = label(mask[box], np.ones((3, 3, 3)))
    largest = np.zeros_like(mask)
    largest[box] = labels == np.bincount(labels.ravel())[1:].argmax() + 1
    return largest


def focus(scene: Scene, structure: str) -> tuple[int, int, int] | None:
    """Voxel (z, y, x) nearest to the centroid of a structure's largest part; None if neither side has voxels."""
    for masks in (scene.reference, scene.prediction):
        if structure in masks and masks[structure].any():
            voxels = np.argwhere(_largest_lesion(masks[structure]))
            z, y, x = voxels[((voxels - voxels.mean(axis=0)) ** 2).sum(axis=1).argmin()]
            return int(z), int(y), int(x)
    return None


def surroundings(scene: Scene) -> tuple[slice, slice, slice]:
    """Box (z, y, x) around all masks with a margin; the whole volume where there are none."""
    together = np.logical_or.reduce([*scene.reference.values(), *scene.prediction.values()])
    box = bounding_box(together) or tuple(slice(0, n) for n in together.shape)
    z, y, x = (
        slice(max(0, s.start - round(MARGIN_MM / mm)), min(n, s.stop + round(MARGIN_MM / mm)))
        for s, mm, n in zip(box, scene.spacing_zyx, together.shape, strict=True)
    )
    return z, y, x
