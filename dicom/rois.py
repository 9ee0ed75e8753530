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
# Of the distance between slices: contours nearer to each other lie in one plane.
ONE_PLANE = 0.1
# Of all steps between contours' heights: where so many are so small, they were drawn on finer slices.
MOST = 0.75
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


def mask_of(roi: Roi, planes: Planes, path: Path) -> tuple[np.ndarray, list[str]]:
    """Bool (z, y, x) on the planes' grid, and what is odd in words.

    Each plane of contours is the nearest slice's alone, or that of the slice which its contours name; of several each
    slice takes the nearest, so that contours drawn on finer slices are not mixed. Raises InputError for contours across
    the slices, or outside the series.
    """
    mask, heights = np.zeros(planes.grid.size_xyz[::-1], bool), planes.heights_mm
    at = _heights(roi, planes, path)
    half = planes.grid.spacing_zyx[0] / 2 + ONE_PLANE_MM
    outside = InputError(
        path,
        f"contours of {roi.name!r} lie outside {planes.name}",
        "give the CT series that it was drawn on",
    )
    if len(at) and (at.min() < heights[0] - half or at.max() > heights[-1] + half):
        raise outside
    first, last = -0.5 - MOST_BEYOND, np.array(mask.shape[1:]) - 0.5 + MOST_BEYOND
    left_out, named = 0, _named_slices(roi, planes, at)
    found = _of_slices(planes, at, named)
    for k, by_plane in found.items():
        nearest_first = sorted(by_plane, key=lambda plane: abs(plane - heights[k]))
        for plane in nearest_first:
            numbers = by_plane[plane]
            # A piece beside those of the nearest plane is of the slice too, where it names it; one above them is not.
            of_slice = plane == nearest_first[0] or all(named[one] == k for one in numbers)
            polygons = [planes.on_plane(k, roi.contours[one]) for one in numbers] if of_slice else []
            if any((points < first).any() or (points > last).any() for points in polygons):
                raise outside
            drawn = filled(polygons, mask[k].shape)
            if not of_slice or (drawn & mask[k]).any():
                left_out += len(numbers)
            else:
                mask[k] |= drawn
    odd = []
    if left_out:
        odd.append(f"{left_out} contours of {roi.name} lie between the slices: left out")
    if without := skipped(mask, sorted(found)):
        odd.append(f"{roi.name} has no contour on {without} slices between its others: left empty")
    if roi.drawn and not mask.any():
        odd.append(f"no voxel lies in the contours of {roi.name}: left empty")
    return mask, odd


def skipped(mask: np.ndarray, used: Iterable[int]) -> int:
    """How many slices of a mask (z, y, x) are not used between two that are and have voxels one above the other."""
    return sum(b - a - 1 for a, b in pairwise(used) if b - a > 1 and (mask[a] & mask[b]).any())


def _heights(roi: Roi, planes: Planes, path: Path) -> np.ndarray:
    """Of each contour along the slices' normal, in mm. Raises InputError where one lies across the slices."""
    at = []
    for points in roi.contours:
        along = points @ planes.normal
        if np.ptp(along) > 2 * MOST_OFF_MM:
            fact = f"a contour of {roi.name!r} runs across the slices, over {np.ptp(along):.1f} mm"
            raise InputError(path, fact, "give the CT series that it was drawn on, or contours on its slices")
        at.append(float(np.median(along)))
    return np.array(at)


def _named_slices(roi: Roi, planes: Planes, at: np.ndarray) -> list[int]:
    """The slice that each contour names and lies on, to half the distance of slices; -1 where it names no such one.

    at: the heights of the contours in mm.
    """
    index = {uid: k for k, uid in enumerate(planes.uids)} if isinstance(planes, Reference) else {}
    most, heights = planes.grid.spacing_zyx[0] / 2 + ONE_PLANE_MM, planes.heights_mm
    named = [index.get(uid, -1) for uid in roi.slices or [""] * len(at)]
    return [k if k >= 0 and abs(at[one] - heights[k]) <= most else -1 for one, k in enumerate(named)]


def _one_plane_mm(at: np.ndarray, spacing_mm: float) -> float:
    """How far from each other contours of one plane may lie: not so far where most are so near, on finer slices."""
    apart = max(ONE_PLANE_MM, ONE_PLANE * spacing_mm)
    steps = np.diff(np.unique(np.rint(at / ONE_PLANE_MM) * ONE_PLANE_MM))
    return ONE_PLANE_MM if len(steps) > 2 and np.quantile(steps, MOST) <= apart else apart


def _of_slices(planes: Planes, at: np.ndarray, named: list[int]) -> dict[int, dict[float, list[int]]]:
    """The numbers of the contours by their slice, and there by their plane: the height in mm of its lowest contour.

    at: the heights of the contours in mm; named: the slices that they name, -1 where they name none.
    """
    heights, apart = planes.heights_mm, _one_plane_mm(at, planes.grid.spacing_zyx[0])
    found: dict[int, dict[float, list[int]]] = {}
    plane = -np.inf
    for one in np.argsort(at, kind="stable"):
        plane = plane if at[one] - plane <= apart else float(at[one])
        off = abs(heights - plane)
        # Half-way between two it is the lower one's alone, also where numbers are rounded.
        k = named[one] if named[one] >= 0 else int(np.flatnonzero(off <= off.min() + ONE_PLANE_MM)[0])
        found.setdefault(k, {}).setdefault(plane, []).append(int(one))
    return found
