"""Small images, and what the readers say of them."""

import numpy as np
import pytest
import SimpleITK as sitk

from model.errors import InputError
from model.images.pair import read_pair

SHAPE = (4, 5, 6)


def silent(line: str) -> None:
    pass


def _ct_image(
    array=None, spacing=(0.5, 0.75, 3.0), origin=(-10.0, 20.0, -300.0), direction=None
) -> sitk.Image:
    if array is None:
        array = np.arange(-400, 440, 7, np.int16).reshape(SHAPE)
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    if direction is not None:
        image.SetDirection(direction)
    return image


def _save(image: sitk.Image, path, compress=True):
    sitk.WriteImage(image, str(path), compress)
    return path


def _read_one(path):
    return read_pair(path, path, silent)


def _labels_for(pair) -> np.ndarray:
    return (np.random.default_rng(0).integers(0, 3, pair.ct.shape)).astype(np.uint8)


def _error_of(path, other=None) -> str:
    with pytest.raises(InputError) as caught:
        read_pair(path, other or path, silent)
    message = str(caught.value)
    assert path.name in message and "; " in message and "\n" not in message
    return message


def _dicom_series(folder, slices=range(5), modality="CT", series="1", intercept=-1024):
    """Slices of constant HU 10 k at z = 3 k mm, in files whose names run the other way."""
    folder.mkdir(exist_ok=True)
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    for k in slices:
        image = sitk.GetImageFromArray(np.full((1, 4, 6), 10 * k, np.int16))
        tags = {
            "0008|0060": modality,
            "0008|0016": "1.2.840.10008.5.1.4.1.1.2",
            "0008|0018": f"1.2.3.{series}.{k + 1}",
            "0020|000d": "1.2.3",
            "0020|000e": f"1.2.3.{series}",
            "0020|0032": f"-10\\-20\\{3 * k}",
            "0020|0037": "1\\0\\0\\0\\1\\0",
            "0020|0013": str(k + 1),
            "0028|1052": str(intercept),
            "0028|1053": "1",
        }
        for tag, value in tags.items():
            image.SetMetaData(tag, value)
        image.SetSpacing((0.5, 0.5, 3))
        writer.SetFileName(str(folder / f"{series}_{99 - k}.dcm"))
        writer.Execute(image)
    return folder


@pytest.fixture
def ct_image():
    """An image, of a ramp of HU unless an array is given."""
    return _ct_image


@pytest.fixture
def save():
    """Write an image and return its path."""
    return _save


@pytest.fixture
def read_one():
    """A pair of the same file twice."""
    return _read_one


@pytest.fixture
def labels_for():
    """Random labels on a pair."""
    return _labels_for


@pytest.fixture
def error_of():
    """What is said of a file that is refused, checked to be one line with its name."""
    return _error_of


@pytest.fixture
def dicom_series():
    """A folder with one CT series."""
    return _dicom_series
