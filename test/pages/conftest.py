"""A copy of the project in which a page's commands are run, with small data under the names that the pages have.

Its weights are the bundled ones, told to look at a coarser grid: a case then takes seconds.
"""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from faults.slices import write_slice

from bench.nnunet.format import write_nnunet
from model.images.write import write_image
from model.installed import BUNDLED
from model.network.bundle import load_bundle, save_bundle
from phantom import Phantom, make_phantom
from phantom.write import write_folder

NOT_COPIED = (".git", ".venv", "build", "runs", "shared", "__pycache__", ".*_cache", "*.tar.gz")


@pytest.fixture(scope="session")
def materials(tmp_path_factory) -> Path:
    """What stands in capitals on the pages."""
    folder = tmp_path_factory.mktemp("materials")
    phantom = make_phantom(11, 0, "small")
    write_folder(phantom, folder / "PATIENT")
    write_folder(phantom, folder / "CASES" / "PATIENT")
    (folder / "CTS").symlink_to("CASES")
    write_image(folder / "PREDICTIONS" / "PATIENT.nii.gz", phantom.gtvp + 2 * phantom.gtvnd, phantom.grid)
    for name, number in (("ct.nii.gz", "image"), ("ce.nii.gz", "image_contrast")):
        shutil.copy(folder / "PATIENT" / f"{number}.nii.gz", folder / name)
    write_dicom(phantom.ct, phantom, folder / "STUDY_FOLDER" / "plain", 1, SeriesDescription="neck nativ")
    write_dicom(phantom.ce, phantom, folder / "STUDY_FOLDER" / "contrast", 2, ContrastBolusAgent="yes")
    (folder / "weights").mkdir()
    coarse = replace(load_bundle(BUNDLED), spacing_zyx=(4.0, 3.0, 3.0), patch_zyx=(24, 96, 96))
    save_bundle(coarse, folder / "weights" / BUNDLED.name)
    write_nnunet(coarse, folder / "MODEL_DIR")
    return folder


def write_dicom(array: np.ndarray, phantom: Phantom, folder: Path, number: int, **tags: object) -> None:
    """A series, head first and on the back; array in HU (z, y, x)."""
    x, y, z = phantom.spacing_xyz
    for k, plane in enumerate(array):
        place = {"ImagePositionPatient": [0.0, 0.0, z * k], "PixelSpacing": [y, x]}
        uids = {"SeriesInstanceUID": f"1.2.3.{number}", "SOPInstanceUID": f"1.2.3.{number}.{k + 1}"}
        stored = (plane.astype(np.int32) + 1024).clip(0, 65535).astype(np.uint16)
        write_slice(folder / f"{k:03}", stored, **place, **uids, **tags)


@pytest.fixture
def checkout(root, materials, tmp_path) -> Path:
    """A copy of the project with the materials in it; its .venv counts as set up."""
    copy = tmp_path / "gtvseg"
    shutil.copytree(root, copy, ignore=shutil.ignore_patterns(*NOT_COPIED), symlinks=True)
    shutil.copytree(materials, copy, dirs_exist_ok=True)
    (copy / ".venv").mkdir()
    for path in (root / ".venv").resolve().iterdir():
        if path.name != "ready":
            os.symlink(path, copy / ".venv" / path.name)
    (copy / ".venv" / "ready").touch()
    return copy
