"""DICOM SEG → masks on an image's grid, voxel for voxel: other people's files."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset

from dicom.rois import MOST_ELEMENTS, skipped
from dicom.series import Reference, points_on
from model.errors import InputError, reason
from model.images.dicom_elements import read_elements
from model.images.grid import Grid

# Of a voxel: how far a frame's voxels may lie off the grid's.
MOST_OFF = 0.05
# Of the grid's slices' distance: frames that are farther apart are drawn on other slices.
MOST_APART = 1.5


@dataclass(frozen=True)
class Frame:
    """A slice of a segment. mask: bool (rows, columns); first: place of its first voxel; steps (2, 3): in mm, from row
    to row and from column to column.
    """

    mask: np.ndarray
    first: np.ndarray
    steps: np.ndarray


@dataclass(frozen=True)
class Segment:
    """One structure by its label. frame_uid: of the frame of reference, empty where the file names none.

    apart_mm: how far the slices are apart that the file is drawn on, 0 where it does not say it. series: UIDs of the
    series that it says it was drawn on.
    """

    name: str
    frames: tuple[Frame, ...]
    frame_uid: str = ""
    apart_mm: float = 0.0
    series: frozenset[str] = frozenset()

    @property
    def drawn(self) -> bool:
        return bool(self.frames)


def read_segments(path: Path) -> list[Segment]:
    """Of a SEG. Raises InputError for what cannot be read, is damaged, or has shares that are not none or all."""
    # pydicom reads what is cut short without a word.
    if read_elements(path, MOST_ELEMENTS) is None:
        raise InputError(path, "no DICOM file", "give the file with the segmentation")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # values that break a rule of the standard, as many do
            dataset = pydicom.dcmread(path, force=True)
            if (modality := str(dataset.get("Modality", ""))) != "SEG":
                fact = f"{modality or 'a file'}, no SEG"
                raise InputError(path, fact, "give the file with the segmentation")
            frames = list(_frames(dataset, path))
            numbers = [int(one.SegmentNumber) for one in dataset.SegmentSequence]
            if len(set(numbers)) < len(numbers) or not {number for number, _ in frames} <= set(numbers):
                raise ValueError("its frames belong to no segment, or to two")
            series = dataset.get("ReferencedSeriesSequence") or []
            uids = frozenset(str(one.get("SeriesInstanceUID", "")) for one in series) - {""}
            frame_uid, apart_mm = str(dataset.get("FrameOfReferenceUID", "")), _apart_mm(dataset)
            return [
                Segment(
                    str(item.get("SegmentLabel", "")).strip(),
                    tuple(frame for of, frame in frames if of == number),
                    frame_uid,
                    apart_mm,
                    uids,
                )
                for item, number in zip(dataset.SegmentSequence, numbers, strict=True)
            ]
    except InputError:
        raise
    except Exception as error:  # damaged; pydicom raises of every kind
        raise InputError(path, f"damaged ({reason(error)})", "export it anew") from None


def _frames(dataset: Dataset, path: Path) -> Iterator[tuple[int, Frame]]:
    """With the number of its segment; frames without a voxel are left out."""
    values = dataset.pixel_array.reshape(-1, dataset.Rows, dataset.Columns)
    kind = str(dataset.get("SegmentationType", "BINARY"))
    whole = int(dataset.get("MaximumFractionalValue", 1)) if kind == "FRACTIONAL" else 1
    if kind != "LABELMAP" and not np.isin(np.unique(values), (0, whole)).all():
        raise InputError(path, "shares of voxels (FRACTIONAL)", "export a BINARY segmentation")
    shared = dataset.SharedFunctionalGroupsSequence[0]
    for plane, groups in zip(values, dataset.PerFrameFunctionalGroupsSequence, strict=True):
        place = _group(groups, shared, "PlanePositionSequence").ImagePositionPatient
        axes = _group(groups, shared, "PlaneOrientationSequence").ImageOrientationPatient
        spacing = _group(groups, shared, "PixelMeasuresSequence").PixelSpacing
        row, column = np.reshape(axes, (2, 3)).astype(float)
        first, steps = np.array(place, float), np.array([column * float(spacing[0]), row * float(spacing[1])])
        if kind == "LABELMAP":
            masks = {int(number): plane == number for number in np.unique(plane) if number}
        else:
            about = _group(groups, shared, "SegmentIdentificationSequence")
            masks = {int(about.ReferencedSegmentNumber): plane > 0} if plane.any() else {}
        for number, mask in masks.items():
            yield number, Frame(mask, first, steps)


def _apart_mm(dataset: Dataset) -> float:
    """The smallest distance of two frames, whatever they hold, or what the file says of it where that is less."""
    shared = dataset.SharedFunctionalGroupsSequence[0]
    heights, said = [], set()
    for groups in dataset.PerFrameFunctionalGroupsSequence:
        axes = _group(groups, shared, "PlaneOrientationSequence").ImageOrientationPatient
        normal = np.cross(*np.reshape(axes, (2, 3)).astype(float))
        place = _group(groups, shared, "PlanePositionSequence").ImagePositionPatient
        heights.append(float(np.array(place, float) @ normal))
        said.add(float(_group(groups, shared, "PixelMeasuresSequence").get("SpacingBetweenSlices") or 0))
    steps = np.diff(np.sort(heights))
    return min([step for step in (*steps, *said) if step > 0.01], default=0.0)


def _group(own: Dataset, shared: Dataset, name: str) -> Dataset:
    return (own if name in own else shared)[name][0]


def mask_on(
    segment: Segment, grid: Grid, path: Path, reference: Reference | None = None
) -> tuple[np.ndarray, list[str]]:
    """Bool (z, y, x) along the grid's own axes, and what is odd in words.

    reference: the CT series that the grid is of, whose slices may lie off the grid: a frame in the place of one is
    taken to be on it. Raises InputError where voxels are of another size than the grid's, or beside them or outside.
    """
    mask, across = np.zeros(grid.size_xyz[::-1], bool), 2
    to_voxels = np.linalg.inv(np.reshape(grid.direction, (3, 3)) * grid.spacing_xyz)
    for frame in segment.frames:
        steps = frame.steps @ to_voxels.T
        whole = np.rint(steps)
        # One voxel farther each, along two of the axes: larger steps leave holes.
        if abs(steps - whole).max() > MOST_OFF or (abs(whole).sum(1) != 1).any():
            down, right = np.linalg.norm(frame.steps, axis=1)
            fact = f"the pixels of {segment.name!r} ({down:g} x {right:g} mm) are not those of the reference or the CT"
            raise InputError(path, fact, "give the CT that it was drawn on, or resample it onto this one")
        across = int(np.flatnonzero(~whole.any(0))[0])
        places = frame.first + np.argwhere(frame.mask) @ frame.steps
        at = _on_its_slice(places, reference) if reference else None
        if at is None:
            at = (places - grid.origin_xyz) @ to_voxels.T
        xyz = np.rint(at).astype(int)
        if abs(at - xyz).max() > MOST_OFF:
            fact = f"voxels of {segment.name!r} lie between those of the reference or the CT"
            raise InputError(path, fact, "export it on the slices of that CT")
        if (xyz < 0).any() or (xyz >= grid.size_xyz).any():
            fact = f"voxels of {segment.name!r} lie outside the reference or the CT"
            raise InputError(path, fact, "give the CT that it was drawn on")
        mask[tuple(xyz.T[::-1])] = True
    if segment.apart_mm > MOST_APART * grid.spacing_xyz[across]:
        fact = (
            f"the slices of {segment.name!r} are {segment.apart_mm:g} mm apart, those of the reference or the CT"
            f" {grid.spacing_xyz[across]:g} mm"
        )
        raise InputError(path, fact, "give the CT that it was drawn on, or resample it onto this one")
    planes = np.moveaxis(mask, 2 - across, 0)
    without = skipped(planes, map(int, np.flatnonzero(planes.any((1, 2)))))
    odd = f"{segment.name} has no voxel on {without} slices between its others: left empty"
    return mask, [odd] if without else []


def _on_its_slice(places: np.ndarray, reference: Reference) -> np.ndarray | None:
    """Places (n, 3) in mm → x, y, z in voxels of the straight grid; None where no slice's own voxels lie there.

    Of a tilted series they are brought back by as many whole voxels as dicom/seg.py moved them.
    """
    heights = places @ reference.normal
    k = int(abs(reference.heights_mm - heights[0]).argmin())
    yx = points_on(reference.slices[k], places)
    off = abs(heights - reference.heights_mm[k]).max() / reference.grid.spacing_zyx[0]
    if max(off, abs(yx - np.rint(yx)).max()) > MOST_OFF:
        return None
    yx = yx + np.rint(reference.stack.shifts_yx[k])
    return np.column_stack([yx[:, ::-1], np.full(len(yx), k)])
