"""DICOM objects written whole or not at all."""

from io import BytesIO
from pathlib import Path

from pydicom.dataset import Dataset

from model.errors import InputError, reason
from model.writing import write_bytes


def save(path: Path, dataset: Dataset) -> None:
    """One file, with its meta information; makes its folder. Raises InputError where that fails."""
    content = BytesIO()
    try:
        dataset.save_as(content, enforce_file_format=True)
    except Exception as error:  # what the CT's header brought along; pydicom raises of every kind
        fact = f"cannot be written ({reason(error)})"
        raise InputError(path, fact, "correct the patient's and the study's entries in the CT") from None
    try:
        write_bytes(path, content.getvalue())
    except OSError as error:
        fact = f"cannot be written ({reason(error)})"
        raise InputError(path, fact, "free space or choose another name") from None
