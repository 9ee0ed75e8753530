"""One patient of OpenKBP: HU, masks, and the slices that are of use."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.ndimage import label

from model.errors import InputError
from model.images.grid import Grid
from training.openkbp.sparse import SIDE, centred_origin_xyz, read_mask, read_spacing, read_values

TARGETS = ("PTV70", "PTV63", "PTV56")
# In the order of their labels in organs.nii.gz, from 1 on.
ORGANS = ("Brainstem", "SpinalCord", "RightParotid", "LeftParotid", "Esophagus", "Larynx", "Mandible")
# What is stored is HU + 1000 (a brainstem's median is 1030); beyond 12 bits it is metal.
OFFSET_HU, HIGHEST_STORED = -1000, 4095
# The CT is masked to the body, and beyond the treated region to some organs. A cross-section is whole if it is dense
# tissue (above this HU) enough: in cm², beside the median over PTV70's slices, and beside its neighbour nearer to it.
BODY_HU, LEAST_CM2, LEAST_OF_MEDIAN, LEAST_OF_NEIGHBOUR = -500, 55.0, 0.353, 0.6
# A shorter piece of a patient is no head and neck; and PTV70 must lie in it but for this share.
SHORTEST_MM, MOST_LOST = 80.0, 0.02
# A ball before and below the brainstem's centre, where the nasopharynx is.
NASOPHARYNX_ZYX_MM, NASOPHARYNX_RADIUS_MM, NASOPHARYNX_SHARE = (-25.0, -35.0, 0.0), 15.0, 0.5


class NotUsable(Exception):
    """A patient whose files are right, but of whom too little was scanned."""


@dataclass(frozen=True)
class Patient:
    """hu int16, targets and organs bool by name, all (z, y, x) in canonical orientation, on one grid (identity).

    brainstem_hu: its median, nan where it is not contoured. nasopharynx_level: whether PTV70 reaches it, by geometry.
    """

    name: str
    split: str
    hu: np.ndarray
    targets: dict[str, np.ndarray]
    organs: dict[str, np.ndarray]
    grid: Grid
    brainstem_hu: float
    nasopharynx_level: bool


def read_patient(folder: Path, split: str) -> Patient:
    """A patient's folder of CSVs. Raises InputError for files, NotUsable for what is in them."""
    spacing_zyx = read_spacing(folder / "voxel_dimensions.csv")
    stored = read_values(folder / "ct.csv")
    hu = (np.clip(np.rint(stored), 0, HIGHEST_STORED) + OFFSET_HU).astype(np.int16)
    masks = {
        name: read_mask(folder / f"{name}.csv")
        for name in (*TARGETS, *ORGANS)
        if name == TARGETS[0] or (folder / f"{name}.csv").exists()
    }
    masks = {name: mask for name, mask in masks.items() if mask.any()}
    if TARGETS[0] not in masks:
        raise InputError(folder / f"{TARGETS[0]}.csv", "no voxel", "leave the patient out")
    slices = whole_slices(hu, masks[TARGETS[0]], spacing_zyx)
    _check(slices, masks[TARGETS[0]], spacing_zyx)
    cut = {name: mask[slices] for name, mask in masks.items()}
    z, y, x = spacing_zyx
    size = (SIDE, SIDE, slices.stop - slices.start)
    identity = tuple(float(value) for value in np.eye(3).ravel())
    grid = Grid(size, (x, y, z), centred_origin_xyz(spacing_zyx, slices.start), identity)
    targets, organs = ({name: cut[name] for name in names if name in cut} for names in (TARGETS, ORGANS))
    brainstem = masks.get(ORGANS[0])  # all of it: what the CT is masked to beyond the cut are organs
    level = brainstem is not None and at_nasopharynx_level(masks[TARGETS[0]], brainstem, spacing_zyx)
    median_hu = math.nan if brainstem is None else float(np.median(hu[brainstem]))
    return Patient(folder.name, split, hu[slices], targets, organs, grid, median_hu, level)


def whole_slices(hu: np.ndarray, target: np.ndarray, spacing_zyx: tuple[float, float, float]) -> slice:
    """Slices around the target's middle one whose cross-section is whole; an empty slice where that one's is not."""
    area = np.count_nonzero(hu > BODY_HU, axis=(1, 2)).astype(float)
    of_target = target.any(axis=(1, 2))
    pixel_cm2 = spacing_zyx[1] * spacing_zyx[2] / 100
    enough = (area * pixel_cm2 >= LEAST_CM2) & (area >= LEAST_OF_MEDIAN * np.median(area[of_target]))
    filled = np.flatnonzero(of_target)
    low = high = int(filled[0] + filled[-1]) // 2
    if not enough[low]:
        return slice(low, low)
    while low > 0 and enough[low - 1] and area[low - 1] >= LEAST_OF_NEIGHBOUR * area[low]:
        low -= 1
    while high + 1 < len(area) and enough[high + 1] and area[high + 1] >= LEAST_OF_NEIGHBOUR * area[high]:
        high += 1
    return slice(low, high + 1)


def _check(slices: slice, target: np.ndarray, spacing_zyx: tuple[float, float, float]) -> None:
    length_mm = (slices.stop - slices.start) * spacing_zyx[0]
    if length_mm < SHORTEST_MM:
        raise NotUsable(f"whole over {length_mm:.0f} mm only")
    lost = 1 - np.count_nonzero(target[slices]) / np.count_nonzero(target)
    if lost > MOST_LOST:
        raise NotUsable(f"{lost:.0%} of PTV70 lies where the cross-section is not whole")


def at_nasopharynx_level(
    target: np.ndarray, brainstem: np.ndarray, spacing_zyx: tuple[float, float, float]
) -> bool:
    """Whether PTV70 fills half of the ball where the nasopharynx is; masks bool (z, y, x), canonical."""
    centre = np.argwhere(brainstem).mean(0) + np.divide(NASOPHARYNX_ZYX_MM, spacing_zyx)
    axes = [
        ((np.arange(n) - c) * mm) ** 2 for n, c, mm in zip(target.shape, centre, spacing_zyx, strict=True)
    ]
    z, y, x = np.ix_(*axes)
    ball = z + y + x <= NASOPHARYNX_RADIUS_MM**2
    return bool(ball.any() and np.count_nonzero(target & ball) >= NASOPHARYNX_SHARE * np.count_nonzero(ball))


def row_of(patient: Patient) -> dict[str, str]:
    """The patient's row in patients.csv; empty where there is nothing to say."""
    z, _, x = patient.grid.spacing_zyx
    voxel_cm3 = float(np.prod(patient.grid.spacing_zyx)) / 1000
    volumes = {name: np.count_nonzero(mask) * voxel_cm3 for name, mask in patient.targets.items()}
    _, parts = label(patient.targets[TARGETS[0]], np.ones((3, 3, 3)))
    return {
        "pt": patient.name,
        "split": patient.split,
        "nasopharynx_level": str(int(patient.nasopharynx_level)),
        "spacing_xy_mm": f"{x:g}",
        "spacing_z_mm": f"{z:g}",
        "slices": str(len(patient.hu)),
        **{f"{name}_cm3": f"{volumes[name]:.2f}" if name in volumes else "" for name in TARGETS},
        "PTV70_parts": str(parts),
        **{name: str(int(name in patient.organs)) for name in ORGANS},
        "brainstem_hu": "" if math.isnan(patient.brainstem_hu) else f"{patient.brainstem_hu:g}",
    }
