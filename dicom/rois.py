"""RTSTRUCT → masks on the grid of a CT series or an image: other people's contours, whose conventions differ."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import numpy as np
import pydicom
from pydicom.dataset import Dataset

from dicom.contours import filled
from dicom.series import Reference
from model.errors import InputError, reason
from model.images.dicom_elements import read_elements
from model.images.grid import Grid

# What is filled. XOR and inner contours are both every second crossing; INTERPOLATED_PLANAR is old.
CLOSED = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR", "CLOSED_PLANAR_XOR", "INTERPOLATED_PLANAR")
# How far a contour's points may lie from one plane of the series, and how much of a plane's height is rounding.
MOST_OFF_MM, ONE_PLANE_MM = 0.5, 0.05
# A hundred structures on three hundred slices, several contours on each.
MOST_ELEMENTS = 2_000_000


@dataclass(frozen=True)
class Roi:
    """One structure. contours: places (n, 3) x, y, z in mm of each closed one. passed_over: how many are none."""

    name: str
    contours: tuple[np.ndarray, ...]
    passed_over: int = 0

    @property
    def drawn(self) -> bool:
        return bool(self.contours)


@dataclass(frozen=True)
class StructureSet:
    """frames, series: UIDs that it references."""

    path: Path
    rois: tuple[Roi, ...]
    frames: frozenset[str]
    series: frozenset[str]


def read_structure_set(path: Path) -> StructureSet:
    """Raises InputError for what cannot be read, is no RTSTRUCT or is damaged."""
    # pydicom reads what is cut short without a word.
    if (path.exists() and not path.is_file()) or read_elements(path, MOST_ELEMENTS) is None:
        raise InputError(path, "no DICOM file", "give the file with the structure set")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # values that break a rule of the standard, as many do
            dataset = pydicom.dcmread(path, force=True)  # old files lack the preamble
            if str(dataset.get("Modality", "")) != "RTSTRUCT":
                fact = f"{dataset.get('Modality') or 'a file'}, no RTSTRUCT"
                raise InputError(path, fact, "give the file with the structure set")
            return StructureSet(path, tuple(_rois(dataset)), *_referenced(dataset))
    except InputError:
        raise
    except Exception as error:  # damaged; pydicom raises of every kind
        raise InputError(path, f"damaged ({reason(error)})", "export it anew") from None


def _rois(dataset: Dataset) -> Iterator[Roi]:
    outlined = {int(item.ReferencedROINumber): item for item in dataset.get("ROIContourSequence") or []}
    for roi in dataset.StructureSetROISequence:
        item = outlined.get(int(roi.ROINumber), Dataset())
        contours, passed_over = [], 0
        for contour in item.get("ContourSequence") or []:
            points = np.array(contour.get("ContourData") or [], float).reshape(-1, 3)
            if str(contour.get("ContourGeometricType", "")).upper() not in CLOSED or len(points) < 3:
                passed_over += 1
            elif not np.isfinite(points).all():
                raise ValueError(f"a point of {roi.get('ROIName')} is not finite")
            else:
                contours.append(points)
        yield Roi(str(roi.get("ROIName", "")).strip(), tuple(contours), passed_over)


def _referenced(dataset: Dataset) -> tuple[frozenset[str], frozenset[str]]:
    frames, series = set(), set()
    for roi in dataset.StructureSetROISequence:
        frames.add(str(roi.get("ReferencedFrameOfReferenceUID", "")))
    for frame in dataset.get("ReferencedFrameOfReferenceSequence") or []:
        frames.add(str(frame.get("FrameOfReferenceUID", "")))
        for study in frame.get("RTReferencedStudySequence") or []:
            for one in study.get("RTReferencedSeriesSequence") or []:
                series.add(str(one.get("SeriesInstanceUID", "")))
    return frozenset(frames - {""}), frozenset(series - {""})


def check_reference(structures: StructureSet, reference: Reference) -> str:
    """What is odd about contours for this series, empty if nothing.

    Raises InputError where they are in another frame of reference, so that their places mean nothing here.
    """
    if reference.series_uid in structures.series:
        return ""
    if reference.frame_uid in structures.frames:
        return "drawn on another series in the same frame of reference"
    fact = f"drawn on another series, in another frame of reference than {reference.folder}"
    raise InputError(structures.path, fact, "give the CT series that it was drawn on")


class Planes(Protocol):
    """Parallel slices at equal distances, of a CT series or of an image's grid.

    name: for messages. grid: its z axis runs along the normal. heights_mm: of each slice along the normal (x, y, z).
    """

    @property
    def name(self) -> str: ...

    @property
    def grid(self) -> Grid: ...

    @property
    def normal(self) -> np.ndarray: ...

    @property
    def heights_mm(self) -> np.ndarray: ...

    def on_plane(self, k: int, places_mm: np.ndarray) -> np.ndarray:
        """Places (n, 3) x, y, z in mm → (row, column) (n, 2) on plane k of the grid."""
        ...


def mask_of(roi: Roi, planes: Planes, path: Path) -> tuple[np.ndarray, int]:
    """Bool (z, y, x) on the planes' grid, and how many slices have none between contours one above the other.

    Each slice takes the contours of the nearest plane within half the distance of slices, so that contours drawn on
    finer slices are not mixed. Raises InputError for contours across the slices, or outside the series.
    """
    contours = _by_plane(roi, planes, path)
    mask, heights = np.zeros(planes.grid.size_xyz[::-1], bool), planes.heights_mm
    half = planes.grid.spacing_zyx[0] / 2 + ONE_PLANE_MM
    drawn = np.array(sorted(contours))
    used = []
    for k, height in enumerate(heights) if len(drawn) else ():
        nearest = float(drawn[abs(drawn - height).argmin()])
        if abs(nearest - height) <= half:
            polygons = [planes.on_plane(k, points) for points in contours[nearest]]
            mask[k] = filled(polygons, mask[k].shape)
            used.append(k)
    if len(drawn) and (drawn[0] < heights[0] - half or drawn[-1] > heights[-1] + half):
        fact = f"contours of {roi.name!r} lie outside {planes.name}"
        raise InputError(path, fact, "give the CT series that it was drawn on")
    gaps = [(a, b) for a, b in pairwise(used) if b - a > 1 and (mask[a] & mask[b]).any()]
    return mask, sum(b - a - 1 for a, b in gaps)


def _by_plane(roi: Roi, planes: Planes, path: Path) -> dict[float, list[np.ndarray]]:
    """Contours by their plane's height in mm along the slices' normal."""
    contours: dict[float, list[np.ndarray]] = {}
    for points in roi.contours:
        along = points @ planes.normal
        if np.ptp(along) > 2 * MOST_OFF_MM:
            fact = f"a contour of {roi.name!r} runs across the slices, over {np.ptp(along):.1f} mm"
            raise InputError(path, fact, "give the CT series that it was drawn on, or contours on its slices")
        height = float(np.median(along))
        known = next((plane for plane in contours if abs(plane - height) <= ONE_PLANE_MM), height)
        contours.setdefault(known, []).append(points)
    return contours
