"""RTSTRUCT → masks on the grid of a CT series or an image: other people's contours, whose conventions differ."""

import warnings
from collections.abc import Iterable, Iterator, Mapping
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
# Of a voxel: how far a point may lie beyond the rim of the outermost ones.
MOST_BEYOND = 1.0
# A hundred structures on three hundred slices, several contours on each.
MOST_ELEMENTS = 2_000_000


@dataclass(frozen=True)
class Roi:
    """One structure. contours: places (n, 3) x, y, z in mm of each closed one. passed_over: how many are none.

    slices: SOPInstanceUID of the slice that each contour names, empty where it names none or several. frame: the UID of
    its frame of reference, empty where it names none.
    """

    name: str
    contours: tuple[np.ndarray, ...]
    passed_over: int = 0
    slices: tuple[str, ...] = ()
    frame: str = ""

    @property
    def drawn(self) -> bool:
        return bool(self.contours)


@dataclass(frozen=True)
class StructureSet:
    """frames: UIDs that it names anywhere. series: UIDs of the series by their frame of reference, as it lists them."""

    path: Path
    rois: tuple[Roi, ...]
    frames: frozenset[str]
    series: Mapping[str, frozenset[str]]


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
            rois, series = tuple(_rois(dataset)), _series(dataset)
            frames = {str(dataset.get("FrameOfReferenceUID", "")), *series, *(roi.frame for roi in rois)}
            return StructureSet(path, rois, frozenset(frames - {""}), series)
    except InputError:
        raise
    except Exception as error:  # damaged; pydicom raises of every kind
        raise InputError(path, f"damaged ({reason(error)})", "export it anew") from None


def _rois(dataset: Dataset) -> Iterator[Roi]:
    outlined: dict[int, list[Dataset]] = {}
    for item in dataset.get("ROIContourSequence") or []:
        # Some have several lists for one ROI.
        outlined.setdefault(int(item.ReferencedROINumber), []).extend(item.get("ContourSequence") or [])
    numbers = set()
    for roi in dataset.StructureSetROISequence:
        number, name = int(roi.ROINumber), str(roi.get("ROIName", "")).strip()
        if number in numbers:
            raise ValueError(f"two ROIs have the ROINumber {number}")
        numbers.add(number)
        items = outlined.get(number, [])
        closed = [(points, _named(item)) for item in items if (points := _closed(item, name)) is not None]
        contours, slices = zip(*closed, strict=True) if closed else ((), ())
        frame = str(roi.get("ReferencedFrameOfReferenceUID", ""))
        yield Roi(name, contours, len(items) - len(contours), slices, frame)


def _closed(item: Dataset, name: str) -> np.ndarray | None:
    """The places (n, 3) of a contour; None where it is not closed. Raises ValueError for what is damaged."""
    # As it is in the file, whatever VR it says: pydicom makes an object of each number, which takes minutes.
    data = item.get_item("ContourData")
    words = data.value.strip(b" \0").split(b"\\") if data and data.value else []
    points = np.array(words, float).reshape(-1, 3)
    # Some count the first point twice.
    if len(points) < int(item.get("NumberOfContourPoints") or 0) - 1:
        raise ValueError(f"a contour of {name} has fewer points than it says")
    if str(item.get("ContourGeometricType", "")).upper() not in CLOSED or len(points) < 3:
        return None
    if not np.isfinite(points).all():
        raise ValueError(f"a point of {name} is not finite")
    return points


def _named(item: Dataset) -> str:
    images = item.get("ContourImageSequence") or []
    return str(images[0].get("ReferencedSOPInstanceUID", "")) if len(images) == 1 else ""


def _series(dataset: Dataset) -> dict[str, frozenset[str]]:
    listed: dict[str, frozenset[str]] = {}
    for frame in dataset.get("ReferencedFrameOfReferenceSequence") or []:
        uid = str(frame.get("FrameOfReferenceUID", ""))
        studies = frame.get("RTReferencedStudySequence") or []
        series = {
            str(one.get("SeriesInstanceUID", ""))
            for study in studies
            for one in study.get("RTReferencedSeriesSequence") or []
        }
        listed[uid] = listed.get(uid, frozenset()) | series
    return listed


def check_reference(structures: StructureSet, reference: Reference, chosen: Iterable[Roi] = ()) -> str:
    """What is odd about contours for this series, empty if nothing.

    Raises InputError where they, or those of a ROI that was chosen, are in another frame of reference, so that their
    places mean nothing here.
    """
    remedy = "give the CT series that it was drawn on"
    right = any(reference.series_uid in series for series in structures.series.values())
    if not structures.frames and not right:
        raise InputError(structures.path, "names no series and no frame of reference", "export it anew")
    if reference.frame_uid not in structures.frames and not right:
        fact = f"drawn on another series, in another frame of reference than {reference.folder}"
        raise InputError(structures.path, fact, remedy)
    for roi in chosen:
        # A frame of reference that is listed nowhere is a slip, where the series is the right one.
        slip = right and reference.series_uid in structures.series.get(roi.frame, [reference.series_uid])
        if roi.frame not in ("", reference.frame_uid) and not slip:
            fact = f"{roi.name!r} is drawn in another frame of reference than {reference.folder}"
            raise InputError(structures.path, fact, remedy)
    return "" if right else "drawn on another series in the same frame of reference"


def not_closed(rois: Iterable[Roi], path: Path) -> Iterator[str]:
    """What is told of contours that are passed over."""
    for roi in rois:
        if roi.passed_over:
            yield f"{path}: {roi.passed_over} contours of {roi.name} are not closed: passed over"


def misplaced(roi: Roi, reference: Reference) -> int:
    """How many contours lie on another slice of the series than the one that they name: are they mirrored, or moved?"""
    index, heights = {uid: k for k, uid in enumerate(reference.uids)}, reference.heights_mm
    most = reference.grid.spacing_zyx[0] / 2 + ONE_PLANE_MM
    return sum(
        uid in index and abs(float(np.median(points @ reference.normal)) - heights[index[uid]]) > most
        for points, uid in zip(roi.contours, roi.slices, strict=False)
    )


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
    outside = InputError(
        path,
        f"contours of {roi.name!r} lie outside {planes.name}",
        "give the CT series that it was drawn on",
    )
    if len(drawn) and (drawn[0] < heights[0] - half or drawn[-1] > heights[-1] + half):
        raise outside
    first, last = -0.5 - MOST_BEYOND, np.array(mask.shape[1:]) - 0.5 + MOST_BEYOND
    used = []
    for k, height in enumerate(heights) if len(drawn) else ():
        nearest = float(drawn[abs(drawn - height).argmin()])
        if abs(nearest - height) <= half:
            polygons = [planes.on_plane(k, points) for points in contours[nearest]]
            if any((points < first).any() or (points > last).any() for points in polygons):
                raise outside
            mask[k] = filled(polygons, mask[k].shape)
            used.append(k)
    gaps = [(a, b) for a, b in pairwise(used) if b - a > 1 and (mask[a] & mask[b]).any()]
    return mask, sum(b - a - 1 for a, b in gaps)


def _by_plane(roi: Roi, planes: Planes, path: Path) -> dict[float, list[np.ndarray]]:
    """Contours by their plane's height in mm along the slices' normal."""
    at = []
    for points in roi.contours:
        along = points @ planes.normal
        if np.ptp(along) > 2 * MOST_OFF_MM:
            fact = f"a contour of {roi.name!r} runs across the slices, over {np.ptp(along):.1f} mm"
            raise InputError(path, fact, "give the CT series that it was drawn on, or contours on its slices")
        at.append(float(np.median(along)))
    contours: dict[float, list[np.ndarray]] = {}
    plane = -np.inf
    for k in np.argsort(at, kind="stable"):
        plane = plane if at[k] - plane <= ONE_PLANE_MM else at[k]
        contours.setdefault(plane, []).append(roi.contours[k])
    return contours
