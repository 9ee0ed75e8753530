"""What a picture shows: a case's CTs and masks, turned upright, cut to their surroundings.

Arrays are (z, y, x) in canonical orientation: z grows to the head, y to the back, x to the patient's left.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evaluation.cases import CaseFiles
from evaluation.folders import image_files, stem
from evaluation.metrics import Box, bounding_box
from evaluation.reading import check_same_grid, read_masks
from model.images.grid import Grid, canonical_place, same_grid, to_canonical
from model.images.pair import resample
from model.images.read import read_grid, read_scan

# Around all masks, so that the surroundings can be recognised.
MARGIN_MM = 45.0
# Of the challenge's layout: CTs, and CTs with contrast, under other names.
CT_FOLDER, CONTRAST_FOLDER = "head-neck-ct", "head-neck-contrast-enhanced-ct"


@dataclass(frozen=True)
class Scene:
    """What is drawn: CTs in HU by name (none: a dark background), masks by structure, spacing (z, y, x) in mm.

    reference: empty where there is none. place_xyz: the first voxel's position in mm (LPS); steps_mm (3, 3): the way
    along each axis of the array, a row (x, y, z) for each.
    """

    cts: dict[str, np.ndarray]
    reference: dict[str, np.ndarray]
    prediction: dict[str, np.ndarray]
    spacing_zyx: tuple[float, float, float]
    place_xyz: np.ndarray
    steps_mm: np.ndarray

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of all arrays."""
        z, y, x = next(iter((self.reference or self.prediction).values())).shape
        return z, y, x

    def position_xyz(self, at: tuple[int, int, int]) -> np.ndarray:
        """Of a voxel (z, y, x), in mm (LPS)."""
        return self.place_xyz + np.array(at) @ self.steps_mm


def read_scene(
    ct: Path | None, reference: CaseFiles | None, prediction: CaseFiles | None, structures: tuple[str, ...]
) -> Scene:
    """Reads and turns what is to be drawn; of a pair of CTs both. Either side may be missing, but not both.

    Raises InputError as reading does, and for a CT on another grid.
    """
    sides, grid = {}, read_grid(ct) if ct else None  # contours are drawn on a grid
    for side, case in enumerate((reference, prediction)):
        if case:
            sides[side] = read_masks(case, structures, grid)
            grid = sides[side].grid
    masks = next(iter(sides.values()))
    for other in sides.values():
        check_same_grid(other.grid, masks.grid, other.path, masks.path)
    upright = {
        side: {name: to_canonical(array, masks.grid) for name, array in of.arrays.items()}
        for side, of in sides.items()
    }
    spacing_zyx = masks.grid.canonical_spacing_zyx
    box = surroundings([array for of in upright.values() for array in of.values()], spacing_zyx)
    place_xyz, steps_mm = canonical_place(masks.grid)
    cut = [{name: array[box].copy() for name, array in upright.get(side, {}).items()} for side in (0, 1)]
    return Scene(
        _read_cts(ct, masks.grid, masks.path, box) if ct else {},
        cut[0],
        cut[1],
        spacing_zyx,
        place_xyz + np.array([s.start for s in box]) @ steps_mm,
        steps_mm,
    )


def _read_cts(ct: Path, grid: Grid, mask: Path, box: Box) -> dict[str, np.ndarray]:
    """Both CTs, or the only one, in HU within the box; that with contrast is brought to the masks' grid."""
    scan = read_scan(ct)
    check_same_grid(scan.grid, grid, ct, mask)
    cts = {"CT": to_canonical(scan.array, grid)[box].copy()}
    if other := contrast_beside(ct):
        scan = read_scan(other)
        scan = scan if same_grid(scan.grid, grid) else resample(scan, grid)
        cts["contrast CT"] = to_canonical(scan.array, grid)[box].copy()
    return cts


def contrast_beside(ct: Path) -> Path | None:
    """The CT with contrast that belongs to a CT, by their names in any of the container's layouts."""
    name, folder = str(stem(ct)), ct.parent
    if folder.name == CT_FOLDER and (other := folder.parent / CONTRAST_FOLDER).is_dir():
        files, _ = image_files(other)
        return files[0] if len(files) == 1 else None
    own = name.removesuffix("_0000") + "_0001" if name.endswith("_0000") else f"{name}_contrast"
    return next((file for file in sorted(folder.iterdir()) if stem(file) == own), None)


def surroundings(masks: list[np.ndarray], spacing_zyx: tuple[float, float, float]) -> Box:
    """Box (z, y, x) around all masks with a margin; the whole volume where they are empty."""
    boxes = [box for mask in masks if (box := bounding_box(mask))]
    shape = masks[0].shape
    together = [slice(min(s.start for s in of), max(s.stop for s in of)) for of in zip(*boxes, strict=True)]
    z, y, x = (
        slice(max(0, s.start - round(MARGIN_MM / mm)), min(n, s.stop + round(MARGIN_MM / mm)))
        for s, mm, n in zip(together or [slice(0, n) for n in shape], spacing_zyx, shape, strict=True)
    )
    return z, y, x
