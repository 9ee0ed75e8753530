"""DICOM objects written whole or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from io import BytesIO
from pathlib import Path

from pydicom.dataset import Dataset

from model.errors import InputError, reason
from model.images.read import image_suffix
from model.writing import save

# A file of this content, whole; makes its folder. Raises InputError where that fails.
store = partial(save, remedy="free space or choose another name")


def check_name(path: Path) -> None:
    """Raises InputError where it is the name of an image of another format: of a mask in the place of the result."""
    if image_suffix(path):
        raise InputError(path, "the name of an image, but DICOM is written", "give a name such as RTSS.dcm")


@contextmanager
def making(path: Path) -> Iterator[None]:
    """Within it, whatever is raised is an InputError: what the CT's header brought along cannot be in this file."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # pydicom and highdicom raise of every kind
        fact = f"cannot be written ({reason(error)})"
        raise InputError(path, fact, "correct the patient's and the study's entries in the CT") from None


def encoded(path: Path, dataset: Dataset) -> bytes:
    """The content of a file, with its meta information. Raises InputError where that fails."""
    content = BytesIO()
    with making(path):
        dataset.save_as(content, enforce_file_format=True)
    return content.getvalue()
