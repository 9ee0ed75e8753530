"""A real patient with target volumes, as training.openkbp writes them, and where things are in the patient.

Arrays are (z, y, x), z from feet to head, y from front to back, x from right to left. The phantoms' frame is used for
places: millimetres (x, y, z) from the brainstem's centre.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from model.errors import InputError
from model.images.grid import Grid
from model.images.read import read_labels
from phantom.anatomy.patient import cord_depth
from phantom.drawing.canvas import Kind
from training.openkbp import patient as openkbp
from training.openkbp.folders import Converted, read_targets
from training.openkbp.patient import TARGETS

# By their labels in organs.nii.gz.
ORGANS = {name: value for value, name in enumerate(openkbp.ORGANS, 1)}
# From the middle between the parotid glands to the brainstem's centre, (z, y) mm: the data set's mean.
FROM_PAROTIDS_MM = (33.0, 25.0)
# From the brainstem's centre to the nasopharynx, (x, y, z) mm.
NASOPHARYNX_MM = openkbp.NASOPHARYNX_ZYX_MM[::-1]
AIR_HU, FAT_HU, BONE_HU = -300, -25, 180
# In-plane voxels are cut in two where they are wider than that.
COARSE_MM = 2.5
# x, y and z of every voxel.
Frame = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]
# Voxels around the body.
MARGIN = 4


@dataclass(frozen=True)
class RealPatient:
    """hu float32; organs uint8 (ORGANS); high_dose (PTV70) bool; all on one grid.

    brainstem_zyx: its centre in voxels, measured or from the parotids; None where neither is contoured.
    """

    name: str
    hu: NDArray[np.float32]
    organs: NDArray[np.uint8]
    high_dose: NDArray[np.bool_]
    grid: Grid
    brainstem_zyx: tuple[float, float, float] | None
    nasopharynx_level: bool

    @property
    def spacing_zyx(self) -> tuple[float, float, float]:
        x, y, z = self.grid.spacing_xyz
        return (z, y, x)


def read_patient(patient: Converted) -> RealPatient:
    """Raises InputError. Coarse images are brought to half their voxels' width, in plane."""
    hu, targets, grid = read_targets(patient)
    if grid.direction != (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0):
        raise InputError(patient.folder, "its images are turned", "give a folder that training.openkbp wrote")
    organs = read_labels(patient.folder / "organs.nii.gz", grid, len(ORGANS))
    box = body_box(hu)
    hu, organs, high_dose = hu[box].astype(np.float32), organs[box], targets[TARGETS[0]][box]
    grid = cropped_grid(grid, box)
    if grid.spacing_xyz[0] > COARSE_MM:
        hu, grid = halved(hu), halved_grid(grid)
        organs, high_dose = (mask.repeat(2, 1).repeat(2, 2) for mask in (organs, high_dose))
    centre = brainstem_centre(organs, grid.spacing_xyz[::-1])
    level = patient.row.get("nasopharynx_level") == "1"
    return RealPatient(patient.name, hu, organs, high_dose, grid, centre, level)


def body_box(hu: NDArray[np.int16]) -> tuple[slice, slice, slice]:
    """All slices, and the rows and columns of the largest thing denser than air, with a margin."""
    pieces, count = ndimage.label(hu > AIR_HU)
    if not count:
        return (slice(None), slice(None), slice(None))
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    _, *rows = ndimage.find_objects((pieces == sizes.argmax()).astype(np.uint8))[0]
    y, x = (
        slice(max(0, r.start - MARGIN), min(n, r.stop + MARGIN))
        for r, n in zip(rows, hu.shape[1:], strict=True)
    )
    return (slice(0, len(hu)), y, x)


def cropped_grid(grid: Grid, box: tuple[slice, slice, slice]) -> Grid:
    """Of that part, (z, y, x), of an image."""
    start = np.array([axis.start or 0 for axis in box[::-1]])
    origin = np.array(grid.origin_xyz) + start * grid.spacing_xyz
    x, y, z = (len(range(*axis.indices(n))) for axis, n in zip(box[::-1], grid.size_xyz, strict=True))
    return Grid((x, y, z), grid.spacing_xyz, tuple(map(float, origin)), grid.direction)  # type: ignore[arg-type]


def halved(array: NDArray[np.float32]) -> NDArray[np.float32]:
    """Linearly interpolated to twice as many voxels along y and x, over the same extent."""
    for axis in (1, 2):
        before, after = (np.roll(array, step, axis) for step in (1, -1))
        edge: list[slice | int] = [slice(None)] * 3
        for neighbour, end in ((before, 0), (after, -1)):
            edge[axis] = end
            neighbour[tuple(edge)] = array[tuple(edge)]
        pair = np.stack([0.75 * array + 0.25 * before, 0.75 * array + 0.25 * after], axis + 1)
        shape = list(array.shape)
        shape[axis] *= 2
        array = pair.reshape(shape).astype(np.float32)
    return array


def halved_grid(grid: Grid) -> Grid:
    """Of what `halved` makes."""
    (nx, ny, nz), (dx, dy, dz) = grid.size_xyz, grid.spacing_xyz
    origin = np.array(grid.origin_xyz) - (dx / 4, dy / 4, 0)
    return Grid((2 * nx, 2 * ny, nz), (dx / 2, dy / 2, dz), tuple(map(float, origin)), grid.direction)  # type: ignore[arg-type]


def brainstem_centre(
    organs: NDArray[np.uint8], spacing_zyx: tuple[float, ...]
) -> tuple[float, float, float] | None:
    """In voxels (z, y, x)."""
    if (organs == ORGANS["Brainstem"]).any():
        z, y, x = np.argwhere(organs == ORGANS["Brainstem"]).mean(0)
        return (float(z), float(y), float(x))
    glands = [np.argwhere(organs == ORGANS[f"{side}Parotid"]) for side in ("Left", "Right")]
    if not all(map(len, glands)):
        return None
    z, y, x = np.mean([gland.mean(0) for gland in glands], axis=0)
    up, back = FROM_PAROTIDS_MM
    return (float(z + up / spacing_zyx[0]), float(y + back / spacing_zyx[1]), float(x))


def kinds(patient: RealPatient) -> NDArray[np.uint8]:
    """What each voxel mostly consists of, by its HU and the contoured organs (phantom.drawing.canvas.Kind)."""
    smooth = ndimage.gaussian_filter(patient.hu, (0.4, 0.7, 0.7))
    kind = np.full(smooth.shape, Kind.SOFT, np.uint8)
    kind[smooth < FAT_HU] = Kind.FAT
    kind[smooth > BONE_HU] = Kind.BONE
    air = smooth < AIR_HU
    kind[air] = Kind.AIRWAY
    kind[outside(air)] = Kind.OUTSIDE
    for organ in ("Brainstem", "SpinalCord"):
        kind[patient.organs == ORGANS[organ]] = Kind.NERVOUS
    return kind


def outside(air: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Air that hangs together, slice by slice, with the image's edge."""
    found = np.zeros_like(air)
    for plane, there in zip(air, found, strict=True):
        pieces, _ = ndimage.label(plane)
        border = np.unique(np.concatenate([pieces[0], pieces[-1], pieces[:, 0], pieces[:, -1]]))
        there[:] = np.isin(pieces, border[border > 0])
    return found


def head_frame(patient: RealPatient) -> Frame:
    """x, y, z [mm] of every voxel from the brainstem's centre, three arrays (z, y, x)."""
    assert patient.brainstem_zyx is not None
    axes = [
        ((np.arange(n) - c) * mm).astype(np.float32)
        for n, c, mm in zip(patient.hu.shape, patient.brainstem_zyx, patient.spacing_zyx, strict=True)
    ]
    z, y, x = np.meshgrid(*axes, indexing="ij")
    return x, y, z


def neck_frame(patient: RealPatient) -> Frame:
    """As head_frame, each slice moved so that the patient's spinal cord lies where the phantoms' does."""
    x, y, z = head_frame(patient)
    voxels = np.argwhere(patient.organs == ORGANS["SpinalCord"])
    heights = z[:, 0, 0]
    if len(voxels):
        slices = np.unique(voxels[:, 0])
        middle = np.array([voxels[voxels[:, 0] == k].mean(0) for k in slices])
        middle = ndimage.uniform_filter1d(middle, 5, axis=0, mode="nearest").round().astype(int)
        found = [(y[0, m[1], 0], x[0, 0, m[2]]) for m in middle]
        cord_y, cord_x = (np.interp(heights, heights[slices], values) for values in zip(*found, strict=True))
        y = y - (cord_y - [cord_depth(float(h)) for h in heights]).astype(np.float32)[:, None, None]
        x = x - cord_x.astype(np.float32)[:, None, None]
    return x, y, z
