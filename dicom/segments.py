"""DICOM SEG → masks on an image's grid, voxel for voxel: other people's files."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset

from dicom.rois import MOST_ELEMENTS
from model.errors import InputError, reason
from model.images.dicom_elements import read_elements
from model.images.grid import Grid

# Of a voxel: how far a frame's voxels may lie off the grid's.
MOST_OFF = 0.05


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
    """One structure by its label. frame_uid: of the frame of reference, empty where the file names none."""

    name: str
    frames: tuple[Frame, ...]
    frame_uid: str = ""

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
            frames = list(_frames(dataset, path))
            numbers = [int(one.SegmentNumber) for one in dataset.SegmentSequence]
            if len(set(numbers)) < len(numbers) or not {number for number, _ in frames} <= set(numbers):
                raise ValueError("its frames belong to no segment, or to two")
            frame_uid = str(dataset.get("FrameOfReferenceUID", ""))
            return [
                Segment(
                    str(item.get("SegmentLabel", "")).strip(),
                    tuple(frame for of, frame in frames if of == number),
                    frame_uid,
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


def _group(own: Dataset, shared: Dataset, name: str) -> Dataset:
    return (own if name in own else shared)[name][0]


def mask_on(segment: Segment, grid: Grid, path: Path) -> np.ndarray:
    """Bool (z, y, x) along the grid's own axes. Raises InputError where voxels lie beside the grid's, or outside it."""
    mask = np.zeros(grid.size_xyz[::-1], bool)
    to_voxels = np.linalg.inv(np.reshape(grid.direction, (3, 3)) * grid.spacing_xyz)
    for frame in segment.frames:
        places = frame.first + np.argwhere(frame.mask) @ frame.steps
        at = (places - grid.origin_xyz) @ to_voxels.T
        xyz = np.rint(at).astype(int)
        if abs(at - xyz).max() > MOST_OFF:
            fact = f"voxels of {segment.name!r} lie between those of the reference or the CT"
            raise InputError(path, fact, "export it on the slices of that CT")
        if (xyz < 0).any() or (xyz >= grid.size_xyz).any():
            fact = f"voxels of {segment.name!r} lie outside the reference or the CT"
            raise InputError(path, fact, "give the CT that it was drawn on")
        mask[tuple(xyz.T[::-1])] = True
    return mask
