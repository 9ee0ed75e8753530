"""The masks of a case, in any of the layouts, as arrays by structure on one grid."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evaluation.cases import CaseFiles
from evaluation.contours import SUFFIX, read_contours
from model.errors import InputError
from model.images.grid import Grid, difference
from model.images.read import read_label_map, read_mask
from model.structures import LABELS, STRUCTURES

# What reading masks may raise; OSError where a disk fails or a file goes meanwhile.
UNUSABLE = (InputError, OSError, MemoryError)


@dataclass(frozen=True)
class Masks:
    """Bool arrays (z, y, x) by structure, along the file's own axes, and the file that stands for them in messages.

    oddities: what is strange but usable, in words.
    """

    path: Path
    grid: Grid
    arrays: dict[str, np.ndarray]
    oddities: tuple[str, ...] = ()


def read_masks(case: CaseFiles, structures: tuple[str, ...], grid: Grid | None = None) -> Masks:
    """Masks of a case for the structures asked for; where each structure has a file, some may be missing.

    In a file of one structure any one value above 0 is inside, as the challenge's script has it; in one of all
    structures only their labels are. grid: on which DICOM contours are drawn, where some may be missing, too. Raises
    InputError for unreadable or damaged files, other values than these, files on several grids, and where it was not
    clear which files to read.
    """
    if case.fault:
        raise case.fault
    if case.whole and case.whole.suffix.lower() == SUFFIX:
        return _read_contours(case.whole, structures, grid)
    if case.whole:
        return _read_whole(case.whole, structures)
    oddities: list[str] = []
    arrays: dict[str, np.ndarray] = {}
    first: tuple[Path, Grid] | None = None
    for structure in structures:
        if structure not in case.by_structure:
            continue
        path = case.by_structure[structure]
        try:
            if path.suffix.lower() == SUFFIX:
                drawn = _read_contours(path, (structure,), grid)
                arrays[structure], own = drawn.arrays[structure], drawn.grid
                oddities += drawn.oddities
            else:
                arrays[structure], own = read_mask(path)
        except InputError as error:
            raise InputError(error.where, f"as a mask of {structure}: {error.fact}", error.remedy) from None
        first = first or (path, own)
        check_same_grid(own, first[1], path, first[0])
    if first is None:
        raise InputError(case.name, f"no file for {' or '.join(structures)}", "add it or choose --structures")
    return Masks(*first, arrays, tuple(oddities))


def _read_contours(path: Path, structures: tuple[str, ...], grid: Grid | None) -> Masks:
    """Those of the structures that a DICOM file has. Raises InputError where it has none of them."""
    drawn, oddities = read_contours(path, grid)
    arrays = {structure: drawn[structure] for structure in structures if structure in drawn}
    if not arrays or grid is None:
        raise InputError(path, f"no {' or '.join(structures)} in it", "add it or choose --structures")
    return Masks(path, grid, arrays, tuple(oddities))


def _read_whole(path: Path, structures: tuple[str, ...]) -> Masks:
    """One file: channels 0 GTVp, 1 GTVnd of a 4D image, or a label map 1 GTVp, 2 GTVnd."""
    array, grid = read_label_map(path, max(LABELS.values()), channels=len(STRUCTURES))
    if array.ndim == 4:
        return Masks(path, grid, {s: array[STRUCTURES.index(s)] > 0 for s in structures})
    return Masks(path, grid, {s: array == LABELS[s] for s in structures})


def check_same_grid(grid: Grid, expected: Grid, path: Path, expected_path: Path) -> None:
    """Raises InputError that names both files and what differs."""
    if differs := difference(grid, expected):
        fact = f"{differs} as in {expected_path}"
        raise InputError(path, fact, "bring the prediction onto the reference's grid")
