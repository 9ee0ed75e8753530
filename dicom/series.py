"""A CT series as what contours are tied to: where each slice lies, and by which UIDs it is known.

The slices are taken as they are: in a series with a tilted gantry each lies shifted against the one before.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset

from model.errors import InputError, reason
from model.images.dicom import Series, read_series
from model.images.dicom_slice import Slice
from model.images.grid import Grid
from model.images.read import MAX_VOXELS
from model.images.tilt import Stack
from model.terminal import log

COMPLETE = "export the series anew, with all its UIDs"


@dataclass(frozen=True)
class Reference:
    """A CT series, its slices in the order of their positions along their normal.

    stack: the straight grid that holds them, and where each lies on it. uids: SOPInstanceUID of each slice.
    header: the first slice's elements without the voxels.
    """

    folder: Path
    stack: Stack
    slices: tuple[Slice, ...]
    uids: tuple[str, ...]
    class_uid: str
    series_uid: str
    study_uid: str
    frame_uid: str
    header: Dataset

    @property
    def name(self) -> str:
        return f"the CT series {self.folder}"

    @property
    def grid(self) -> Grid:
        return self.stack.grid

    def on_plane(self, k: int, places_mm: np.ndarray) -> np.ndarray:
        """Places (n, 3) x, y, z in mm → (row, column) (n, 2) on plane k of the straight grid."""
        return points_on(self.slices[k], places_mm) + self.stack.shifts_yx[k]

    @property
    def normal(self) -> np.ndarray:
        """Unit vector (x, y, z) from the first slice towards the last."""
        return np.cross(*self.slices[0].axes)

    @property
    def heights_mm(self) -> np.ndarray:
        """Of each slice along the normal, from the frame of reference's origin."""
        return np.array([one.position @ self.normal for one in self.slices])


def read_reference(folder: Path) -> Reference:
    """The one CT series in a folder. Prints what else lies there and was passed over.

    Raises InputError for anything else, and where UIDs are missing.
    """
    if not folder.is_dir():
        fact = "no folder" if folder.exists() else "no such folder"
        raise InputError(folder, fact, "give the folder with the files of the CT series")
    series = read_series(folder, MAX_VOXELS)
    for oddity in series.oddities:
        if oddity.startswith("passed over"):  # the others are about voxels, and images made of them
            log(f"warning: {folder}: {oddity}")
    return reference_of(series)


def reference_of(series: Series) -> Reference:
    """Of a series that was read. Raises InputError where UIDs are missing or not the slices' own."""
    first = series.slices[0]
    try:
        # Some old files lack the preamble; the readers before this one know that they are DICOM.
        header = pydicom.dcmread(first.path, stop_before_pixels=True, force=True)
        study_uid = str(header.get("StudyInstanceUID") or "")
    except Exception as error:  # damaged in a part that nobody else reads; pydicom raises of every kind
        raise InputError(first.path, f"cannot be read ({reason(error)})", "replace the file") from None
    for keyword, value in (
        ("StudyInstanceUID", study_uid),
        ("FrameOfReferenceUID", series.frame_of_reference),
        ("SeriesInstanceUID", first.elements.text("SeriesInstanceUID")),
        ("SOPClassUID", first.elements.text("SOPClassUID")),
    ):
        if not value:
            raise InputError(first.path, f"no {keyword}, which contours must name", COMPLETE)
    return Reference(
        first.path.parent,
        series.stack,
        series.slices,
        _own_uids(series.slices),
        first.elements.text("SOPClassUID"),
        first.elements.text("SeriesInstanceUID"),
        study_uid,
        series.frame_of_reference,
        header,
    )


def _own_uids(slices: tuple[Slice, ...]) -> tuple[str, ...]:
    by_uid: dict[str, Slice] = {}
    for one in slices:
        uid = one.elements.text("SOPInstanceUID")
        if not uid:
            raise InputError(one.path, "no SOPInstanceUID, which contours must name", COMPLETE)
        if uid in by_uid:
            fact = f"has the SOPInstanceUID of {by_uid[uid].path.name}"
            raise InputError(one.path, fact, COMPLETE)
        by_uid[uid] = one
    return tuple(by_uid)


def places(one: Slice, points_yx: np.ndarray) -> np.ndarray:
    """Points of a slice in (row, column), n x 2, whole numbers at the voxels' centres → x, y, z in mm, n x 3."""
    along_row, along_column = one.axes
    down, across = one.spacing_yx
    rows, columns = points_yx[:, :1], points_yx[:, 1:]
    return one.position + rows * down * along_column + columns * across * along_row


def points_on(one: Slice, places_mm: np.ndarray) -> np.ndarray:
    """The inverse of places, of what lies beside the slice's plane the point below or above it."""
    relative = places_mm - one.position
    return relative @ one.axes[::-1].T / np.array(one.spacing_yx)
