"""A patient in the form that OpenKBP is published in, written here from its description."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

SIDE = 128
# Head to foot, in the file's own order of slices: a neck of 16 x 20 voxels between 30 and 69, masked to a cord beyond.
FIRST, LAST = 30, 69
Voxel = tuple[int, int, int]


def write_mask(path: Path, boxes: list[tuple[slice, slice, slice]]) -> None:
    """Boxes along the file's axes: front to back, right to left, head to foot."""
    volume = np.zeros((SIDE,) * 3, bool)
    for box in boxes:
        volume[box] = True
    path.write_text(",data\n" + "".join(f"{index},\n" for index in np.flatnonzero(volume)))


def write_patient(folder: Path) -> None:
    """PTV70 in the middle, one brighter voxel that tells front from back, right from left, head from foot."""
    folder.mkdir(parents=True)
    stored = np.zeros((SIDE,) * 3)
    stored[60:64, 60:64] = 1010.0  # the cord
    stored[56:72, 50:70, FIRST : LAST + 1] = 1040.0
    stored[58, 52, 35] = 1300.0
    stored[59, 52, 35] = 20000.0
    listed = np.flatnonzero(stored)
    lines = "".join(f"{index},{value}\n" for index, value in zip(listed, stored.ravel()[listed], strict=True))
    (folder / "ct.csv").write_text(",data\n" + lines)
    (folder / "voxel_dimensions.csv").write_text("5.0e+00\n6.0e+00\n2.5e+00\n")
    middle = slice(56, 64)
    write_mask(folder / "PTV70.csv", [(middle, slice(52, 60), slice(40, 60))])
    write_mask(folder / "PTV56.csv", [(slice(66, 70), slice(52, 60), slice(40, 60))])
    write_mask(folder / "Brainstem.csv", [(slice(64, 68), slice(54, 58), slice(30, 36))])
    write_mask(folder / "SpinalCord.csv", [(slice(64, 68), slice(54, 58), slice(35, 60))])


@pytest.fixture
def download(tmp_path) -> Path:
    """A patient in each split."""
    root = tmp_path / "open-kbp"
    for split, name in (("train", "pt_1"), ("train", "pt_2"), ("validation", "pt_201"), ("test", "pt_241")):
        write_patient(root / "provided-data" / f"{split}-pats" / name)
    return root


@pytest.fixture
def patient_folder(tmp_path) -> Path:
    """One alone."""
    write_patient(tmp_path / "pt_1")
    return tmp_path / "pt_1"


@pytest.fixture
def mask_writer() -> Callable[[Path, list[tuple[slice, slice, slice]]], None]:
    return write_mask
