"""Masks in image files → on the straight grid of a CT series, whose planes are the slices'.

In a tilted series each slice lies shifted in its plane of that grid (model/images/tilt.py).
"""

from pathlib import Path

import numpy as np

from dicom.series import Reference
from evaluation.cases import CaseFiles
from evaluation.names import Said, what_name_says
from evaluation.reading import read_masks
from model.errors import InputError
from model.images.grid import Grid, difference, orientation, to_canonical, to_input_grid
from model.images.read import image_stem, read_label_map
from model.structures import LABELS, STRUCTURES

Masks = dict[str, np.ndarray]


def read_on_series(paths: list[Path], reference: Reference) -> Masks:
    """Bool (z, y, x) on the series' straight grid by structure: of one file for all structures, or of one for each.

    One for all is a label map or has GTVp and GTVnd as channels; otherwise names say the structure. Raises InputError
    where names are unclear, and for masks that cannot be read or lie on another grid than the series.
    """
    names = {path: what_name_says(image_stem(path)) for path in paths}
    said = {path: name.structure for path, name in names.items()}
    if len(paths) == 1:
        _check_name(paths[0], names[paths[0]])
    if len(paths) == 1 and not said[paths[0]]:
        case, structures = CaseFiles(paths[0].name, paths[0], {}), STRUCTURES
    else:
        by_structure: dict[str, Path] = {}
        for path, structure in said.items():
            if not structure or structure in by_structure:
                fact = (
                    f"a second mask of {structure}" if structure else "its name says neither GTVp nor GTVnd"
                )
                raise InputError(path, fact, "give one file for all, or one named GTVp and one named GTVnd")
            by_structure[structure] = path
        structures = tuple(structure for structure in STRUCTURES if structure in by_structure)
        case = CaseFiles(paths[0].name, None, by_structure)
    masks = read_masks(case, structures)
    _check_grid(masks.path, masks.grid, reference)
    return {structure: _along(array, masks.grid, reference) for structure, array in masks.arrays.items()}


def _check_name(path: Path, said: Said) -> None:
    """Raises InputError where a file's name speaks against what its one label says. With both it is a label map."""
    try:
        labels, _ = read_label_map(path, max(LABELS.values()), channels=len(STRUCTURES))
    except InputError:
        return  # it is refused where it is read, or holds one structure as another value
    both = labels.ndim == 4 or all((labels == label).any() for label in LABELS.values())
    name = next((name for name, label in LABELS.items() if (labels == label).any()), None)
    if both or not name:
        return
    if said.structure == "GTVp" and name != "GTVp":
        fact = f"its name says GTVp, but its values are those of a label map with {name} alone"
    elif said.other or said.fault or said.hint not in (None, name):
        fact = f"{said.fault or 'its name says another structure'}, and its only label is {name}'s"
    else:
        return
    raise InputError(path, fact, "give it a name such as GTVp or GTVnd, or that of the case for a label map")


def labels_on_series(labels: np.ndarray, grid: Grid, reference: Reference) -> Masks:
    """A label map (z, y, x) along the grid's own axes → bool (z, y, x) on the series' straight grid by structure.

    Raises InputError unless the grid is the series'.
    """
    _check_grid(reference.folder, grid, reference)
    on_series = _along(labels, grid, reference)
    return {structure: on_series == label for structure, label in LABELS.items()}


def label_map(masks: Masks) -> np.ndarray:
    """Masks (z, y, x) → labels uint8; GTVp where both are."""
    labels = np.zeros(next(iter(masks.values())).shape, np.uint8)
    for structure in reversed(STRUCTURES):
        if structure in masks:
            labels[masks[structure]] = LABELS[structure]
    return labels


def _check_grid(path: Path, grid: Grid, reference: Reference) -> None:
    """The same voxels count, in whatever order of the axes: tools turn them as they like."""
    if differs := difference(canonical(grid), canonical(reference.stack.grid)):
        fact = f"{differs} as the CT series has"
        raise InputError(path, fact, "give a mask on the grid of this series, or resample it onto that")


def _along(array: np.ndarray, grid: Grid, reference: Reference) -> np.ndarray:
    """The same voxels along the axes of the series."""
    return to_input_grid(to_canonical(array, grid), reference.stack.grid)


def canonical(grid: Grid) -> Grid:
    """The same voxels with axes as near to left, back and head as may be."""
    axes, signs = orientation(grid)
    matrix = np.reshape(grid.direction, (3, 3))
    lengths = (np.array(grid.size_xyz) - 1) * grid.spacing_xyz
    origin = np.array(grid.origin_xyz)
    for axis, sign in zip(axes, signs, strict=True):
        origin = origin + (matrix[:, axis] * lengths[axis] if sign < 0 else 0)
    size, spacing = ([values[axis] for axis in axes] for values in (grid.size_xyz, grid.spacing_xyz))
    turned = matrix[:, list(axes)] * signs
    x, y, z = (float(value) for value in origin)
    return Grid(
        (int(size[0]), int(size[1]), int(size[2])),
        (float(spacing[0]), float(spacing[1]), float(spacing[2])),
        (x, y, z),
        tuple(float(value) for value in turned.ravel()),
    )
