"""Small training cases in every raw layout."""

import json

import numpy as np
import pytest
import SimpleITK as sitk

SPACING_XYZ = (1.0, 1.5, 3.0)


def _truth() -> np.ndarray:
    label = np.zeros((6, 10, 12), np.uint8)
    label[1:4, 2:6, 3:7] = 1
    label[3:5, 7:9, 8:11] = 2
    return label


def _write(array, path, spacing_xyz=SPACING_XYZ, direction=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing_xyz)
    if direction:
        image.SetDirection(direction)
    sitk.WriteImage(image, str(path))


def _write_pair(ct, ce, **geometry):
    label = _truth().astype(np.int16)
    _write(40 * label - 100, ct, **geometry)
    _write(80 * label - 100, ce, **geometry)


def _make(root, layout, name="case_1", **geometry):
    if layout == "nnunet":
        _write_pair(
            root / "imagesTr" / f"{name}_0000.nii.gz", root / "imagesTr" / f"{name}_0001.nii.gz", **geometry
        )
        _write(_truth(), root / "labelsTr" / f"{name}.nii.gz", **geometry)
        description = {"labels": {"background": 0, "GTVp": 1, "GTVnd": 2}}
        (root / "dataset.json").write_text(json.dumps(description))
        return
    folder = root / "cases" / name
    _write_pair(folder / "image.nii.gz", folder / "image_contrast.nii.gz", **geometry)
    if layout == "masks":
        for value, structure in enumerate(("GTVp", "GTVnd"), 1):
            _write((_truth() == value).astype(np.uint8), folder / f"{structure}.nii.gz", **geometry)
    else:
        _write(_truth(), root / "labels" / "Task002" / f"{name}.nii.gz", **geometry)
        _write(_truth() + 40, root / "labels" / "Task001" / f"{name}.nii.gz", **geometry)  # organs: not ours


@pytest.fixture
def truth():
    """The label map of every case (z, y, x)."""
    return _truth


@pytest.fixture
def write():
    """An array as an image file."""
    return _write


@pytest.fixture
def make():
    """A case in a layout: masks, map or nnunet."""
    return _make
