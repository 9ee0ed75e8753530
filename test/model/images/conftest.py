"""Small images, and what the readers say of them."""

import numpy as np
import pytest
import SimpleITK as sitk
from faults.slices import write_slice

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


def _dicom_series(folder, slices=range(5), modality="CT", series="1", intercept=-1024, **tags):
    """Slices of constant HU 10 k at z = 3 k mm, in files whose names run the other way."""
    for k in slices:
        stored = np.full((4, 6), 10 * k - intercept, np.uint16)
        usual = {
            **{"Modality": modality, "SeriesInstanceUID": f"1.2.3.{series}", "RescaleIntercept": intercept},
            **{"ImagePositionPatient": [-10, -20, 3 * k], "InstanceNumber": k + 1},
            "SOPInstanceUID": f"1.2.3.{series}.{k + 1}",
        }
        write_slice(folder / f"{series}_{99 - k}.dcm", stored, **{**usual, **tags})
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
def dicom_slice():
    """Write one CT slice and return its path."""
    return write_slice


@pytest.fixture
def dicom_series():
    """A folder with one CT series."""
    return _dicom_series
