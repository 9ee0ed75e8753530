"""DICOM contours (RTSTRUCT) and segmentations (SEG) as masks, where the packages of dicom/ are installed.

That room lies above this one and is loaded by its name, if a file asks for it: the rest needs none of its packages.
"""

import importlib
from collections.abc import Iterable
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from model.errors import InputError
from model.images.grid import Grid

SUFFIX = ".dcm"
# What a DICOM file holds that is no image, by the class that its head names.
_KINDS = {
    b"1.2.840.10008.5.1.4.1.1.481.3": "RT Structure Set",
    b"1.2.840.10008.5.1.4.1.1.66.4": "Segmentation",
    b"1.2.840.10008.5.1.4.1.1.66.7": "Segmentation",  # as a label map
}
_HEAD_BYTES = 1024
# MediaStorageSOPClassUID, a UI; two bytes of length follow.
_CLASS = b"\x02\x00\x02\x00UI"
_NEEDED = ("dicom", "pydicom", "contourpy")


def kind_of(path: Path) -> str:
    """Which of both a file is, empty where it is neither. Raises OSError."""
    if path.suffix.lower() != SUFFIX:
        return ""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    at = head.find(_CLASS) + len(_CLASS)
    if head[128:132] != b"DICM" or at < len(_CLASS):
        return ""
    length = int.from_bytes(head[at : at + 2], "little")
    return _KINDS.get(head[at + 2 : at + 2 + length].rstrip(b"\0 "), "")


@cache
def readable() -> bool:
    """Whether all is there that reads them."""
    return all(find_spec(name) for name in _NEEDED)


def unreadable(path: Path, kind: str) -> InputError:
    """Of a file that is one, where they cannot be read."""
    command = "from-rtstruct" if kind == "RT Structure Set" else "from-seg"
    remedy = (
        f"python -m pip install -r dicom/requirements.txt, or on another machine python -m dicom {command}"
    )
    return InputError(path, f"a DICOM {kind}, which needs further packages", remedy)


def has_slices(folder: Path) -> bool:
    """Whether DICOM files that are neither lie in it. Raises OSError."""
    return any(path.suffix.lower() == SUFFIX and not kind_of(path) for path in sorted(folder.iterdir()))


def slices_beside(paths: Iterable[Path]) -> Path | None:
    """The folder of contours where slices lie beside them; None without those or these. Raises OSError."""
    drawn = next((path for path in paths if path.suffix.lower() == SUFFIX), None)
    return drawn.parent if drawn and has_slices(drawn.parent) else None


def read_contours(path: Path, grid: Grid | None) -> tuple[dict[str, np.ndarray], list[str]]:
    """Bool (z, y, x) along the grid's own axes by structure, and what is odd in words.

    Raises InputError for files that cannot be read, and where there is no grid, which they have none of.
    """
    if not readable():
        raise unreadable(path, kind_of(path))
    if grid is None:
        remedy = "give --image with the CT, or put its slices beside"
        raise InputError(path, "on which grid its contours are meant is not known", remedy)
    masks, odd = importlib.import_module("dicom.on_grid").read_on_grid(path, grid)
    return dict(masks), list(odd)
