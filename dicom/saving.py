"""DICOM objects written whole or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from pydicom.dataset import Dataset

from model.errors import InputError, reason
from model.writing import write_bytes


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


def save(path: Path, dataset: Dataset) -> None:
    """One file, with its meta information; makes its folder. Raises InputError where that fails."""
    store(path, encoded(path, dataset))


def store(path: Path, content: bytes) -> None:
    """One file, whole; makes its folder. Raises InputError where that fails."""
    try:
        write_bytes(path, content)
    except OSError as error:
        fact = f"cannot be written ({reason(error)})"
        raise InputError(path, fact, "free space or choose another name") from None
