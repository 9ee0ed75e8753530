"""DICOM CT series: the slices of a folder as one image, every voxel where its own slice says."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from model.errors import InputError
from model.images.choice import CT_IMAGE
from model.images.dicom_folder import files_of_one_series
from model.images.dicom_slice import COSINE_TOLERANCE, Slice, read_planes, slice_of
from model.images.grid import size_in_words
from model.images.series_files import SeriesFiles
from model.images.tilt import Stack, stack_of, straightened

# How far a slice may lie off equal distances, and off the line of the stack, which is corrected.
MOST_OFF_MM = 0.5
# Of the distance between slices: what is less than so much of it lies in one place.
SAME_PLACE = 0.1
# More is no gantry's: the orientation must be wrong.
STEEPEST_DEGREES = 45
# A tag of less says nothing.
LEAST_DEGREES = 0.5
MOST_NAMED = 3
# A scanner's pixels are square up to here.
SQUARE = 0.01


@dataclass(frozen=True)
class Series:
    """A CT series as read.

    array: int16 HU (z, y, x) on the stack's straight grid; slices: their files, in its order.
    patient_id, frame_of_reference: empty where unknown. oddities: what is strange but usable, in a few words each.
    """

    array: np.ndarray
    stack: Stack
    slices: tuple[Slice, ...]
    patient_id: str
    frame_of_reference: str
    oddities: tuple[str, ...]


def read_series(source: Path | SeriesFiles, most_voxels: int) -> Series:
    """A CT series, slices in the order of their positions: the only one in a folder, or of files that were chosen.

    Raises InputError for anything else, and where its grid has more voxels.
    """
    folder, others = str(source), dict[Path, str]()
    if not isinstance(source, SeriesFiles):
        source, others = files_of_one_series(source)
    slices = _ordered(folder, [slice_of(path, elements) for path, elements in source.files.items()])
    stack = _stack(folder, slices)
    if math.prod(stack.grid.size_xyz) > most_voxels:
        raise InputError(folder, f"{size_in_words(stack.grid)} voxels are more than any CT has", "crop it")
    array = np.empty(stack.grid.size_xyz[::-1], np.int16)
    for k, plane in enumerate(read_planes(slices)):
        array[k] = straightened(plane, stack, k) if stack.tilted else plane
    patient_id, frame = (slices[0].elements.text(name) for name in ("PatientID", "FrameOfReferenceUID"))
    return Series(array, stack, tuple(slices), patient_id, frame, tuple(_oddities(slices, stack, others)))


def _oddities(slices: list[Slice], stack: Stack, others: dict[Path, str]) -> Iterator[str]:
    """What is odd about a series but usable."""
    for what in dict.fromkeys(others.values()):
        yield f"passed over {_listed([path for path in others if others[path] == what])}: {what}"
    down, across = slices[0].spacing_yx
    if abs(down / across - 1) > SQUARE:
        yield f"its pixels are not square: {down:g} x {across:g} mm"
    if (kind := slices[0].elements.text("SOPClassUID")) and not kind.startswith(CT_IMAGE):
        yield f"no images of a CT scanner by their SOPClassUID ({kind})"
    if slices[0].scale is None:
        yield "no RescaleSlope and RescaleIntercept: its values are taken as HU"
    leaning = slices[0].elements.text("GantryDetectorTilt")
    if not stack.tilted and _degrees(leaning) > LEAST_DEGREES:
        yield f"GantryDetectorTilt is {leaning} degrees, but its slices are stacked straight: taken as corrected"
    if stack.tilted:
        shift = float(np.linalg.norm(np.ptp(stack.shifts_yx * stack.grid.spacing_zyx[1:], axis=0)))
        yield (
            f"gantry tilt of {stack.angle:.1f} degrees: slices shifted in their planes by up to {shift:.1f} mm,"
            f" the result is on that straight grid of {size_in_words(stack.grid)} voxels"
        )


def check_pair(ct: Series, ce: Series) -> str:
    """What is odd about two series as those of one patient, empty if nothing. Raises InputError: they are of two."""
    if ct.patient_id and ce.patient_id and ct.patient_id != ce.patient_id:
        where = f"{ct.slices[0].path.parent} and {ce.slices[0].path.parent}"
        raise InputError(where, "CTs of two patients (PatientID differs)", "give both CTs of one patient")
    frames = ct.frame_of_reference, ce.frame_of_reference
    if all(frames) and frames[0] != frames[1]:
        return "the CTs have different frames of reference (FrameOfReferenceUID): are they aligned?"
    return ""


def _ordered(folder: str, slices: list[Slice]) -> list[Slice]:
    """Sorted along their normal. Raises InputError unless they are alike in all that must be."""
    _same_orientation(folder, slices)
    _alike(folder, slices, "Rows and Columns", lambda one: one.shape)
    usual = slices[0].spacing_yx
    near = lambda one: np.allclose(one.spacing_yx, usual, rtol=0, atol=1e-4)  # noqa: E731
    _alike(folder, slices, "PixelSpacing", lambda one: usual if near(one) else one.spacing_yx)
    _alike(folder, slices, "the presence of RescaleSlope", lambda one: one.scale is not None)
    _alike(folder, slices, "ImageType", lambda one: "\\".join(one.elements.text("ImageType").split("\\")[:2]))
    for keyword in ("SOPClassUID", "PatientID", "FrameOfReferenceUID"):
        _alike(folder, slices, keyword, lambda one: one.elements.text(keyword), shown=False)  # noqa: B023
    normal = np.cross(*slices[0].axes)
    return sorted(slices, key=lambda one: float(one.position @ normal))


def _same_orientation(folder: str, slices: list[Slice]) -> None:
    axes = np.array([one.axes for one in slices])
    # Distances of all pairs at once would take memory by the square of their number.
    ungrouped, usual = np.ones(len(slices), bool), np.zeros(len(slices), bool)
    while ungrouped.sum() > usual.sum():
        alike = abs(axes - axes[ungrouped.argmax()]).max((1, 2)) <= COSINE_TOLERANCE
        usual = max(usual, alike, key=np.count_nonzero)
        ungrouped &= ~alike
    odd = [one for one, is_usual in zip(slices, usual, strict=True) if not is_usual]
    if odd:
        fact = f"{len(odd)} of {len(slices)} slices have another orientation than the rest: {_named(odd)}"
        raise InputError(folder, fact, "leave the slices of one orientation in the folder")


def _alike(
    folder: str, slices: list[Slice], what: str, value: Callable[[Slice], Any], *, shown: bool = True
) -> None:
    first = slices[0]
    for one in slices:
        if value(one) != value(first):
            values = (f" is {value(first)}", f" is {value(one)}") if shown else ("", "")
            fact = f"{what} differs: {first.name}{values[0]}, {one.name}{values[1]}"
            raise InputError(folder, fact, "leave the slices of one scan in the folder")


def _stack(folder: str, slices: list[Slice]) -> Stack:
    """How the slices, sorted, lie. Raises InputError where no straight grid can hold them."""
    if len(slices) < 2:
        raise InputError(folder, "one slice", "give one 3D volume")
    positions, axes = np.array([one.position for one in slices]), slices[0].axes
    heights = positions @ np.cross(*axes)
    steps = np.diff(heights)
    _no_two_in_one_place(folder, slices, steps)
    usual = float(np.median(steps))
    off = heights - np.linspace(heights[0], heights[-1], len(heights))
    if steps.max() > 1.5 * usual or abs(off).max() > min(MOST_OFF_MM, usual / 4):
        _no_slices_missing(folder, slices, heights, usual)
        k = int(abs(off).argmax())
        fact = (
            f"slices are {steps.min():.2f} to {steps.max():.2f} mm apart,"
            f" {slices[k].name} lies {abs(off[k]):.2f} mm off equal distances"
        )
        raise InputError(folder, fact, "give a series at equal distances, or resample it")
    stack = stack_of(positions, axes, slices[0].spacing_yx, slices[0].shape)
    if stack.angle > STEEPEST_DEGREES:
        fact = f"slices are stacked {stack.angle:.0f} degrees off their normal"
        raise InputError(folder, fact, "correct ImageOrientationPatient")
    drift = (positions - positions[0]) @ axes.T
    line = np.polynomial.Polynomial.fit
    fitted = np.array([line(heights, along, 1)(heights) for along in drift.T]).T
    residual = np.linalg.norm(drift - fitted, axis=1)
    if residual.max() > MOST_OFF_MM:
        k = int(residual.argmax())
        fact = (
            f"slices drift sideways without order: {slices[k].name} lies {residual[k]:.2f} mm off their line"
        )
        raise InputError(folder, fact, "leave the slices of one scan, or correct ImagePositionPatient")
    return stack


def _no_two_in_one_place(folder: str, slices: list[Slice], steps: np.ndarray) -> None:
    apart = steps[steps > 0.01]
    limit = SAME_PLACE * float(np.median(apart)) if len(apart) else math.inf
    pairs = [(slices[k], slices[k + 1]) for k in np.flatnonzero(steps < limit)]
    if not pairs:
        return
    fact = f"{len(pairs)} of {len(slices)} slices lie where another does: "
    fact += ", ".join(f"{one.name} and {other.name}" for one, other in pairs[:MOST_NAMED])
    fact += f" and {len(pairs) - MOST_NAMED} more" if len(pairs) > MOST_NAMED else ""
    alike = [np.ptp(list(read_planes(pair)), axis=0).max() == 0 for pair in pairs[:MOST_NAMED]]
    if all(alike):
        raise InputError(folder, f"{fact} (duplicates, the same voxels)", "remove the duplicates")
    fact += " (other voxels: several acquisitions or times?)"
    raise InputError(folder, fact, "leave the slices of one acquisition in the folder")


def _no_slices_missing(folder: str, slices: list[Slice], heights: np.ndarray, usual: float) -> None:
    """Raises InputError where all steps are multiples of the usual one, and some are larger."""
    multiples = np.diff(heights) / usual
    if abs(multiples - np.rint(multiples)).max() > SAME_PLACE:
        return
    gaps = np.flatnonzero(np.rint(multiples) > 1)
    count = int((np.rint(multiples) - 1).sum())
    places = ", ".join(
        f"between {slices[k].name} and {slices[k + 1].name} ({heights[k]:.2f} and {heights[k + 1]:.2f} mm)"
        for k in gaps[:MOST_NAMED]
    )
    more = f" and in {len(gaps) - MOST_NAMED} more places" if len(gaps) > MOST_NAMED else ""
    fact = f"{count} {'slice seems' if count == 1 else 'slices seem'} to be missing {places}{more}"
    raise InputError(folder, f"{fact}, {usual:.2f} mm apart elsewhere", "add the missing slices")


def _degrees(text: str) -> float:
    """0 where it is no number."""
    try:
        return abs(float(text))
    except ValueError:
        return 0.0


def _named(slices: Sequence[Slice]) -> str:
    names = ", ".join(one.name for one in slices[:MOST_NAMED])
    return f"{names} and {len(slices) - MOST_NAMED} more" if len(slices) > MOST_NAMED else names


def _listed(paths: Sequence[Path]) -> str:
    names = ", ".join(path.name for path in paths[:MOST_NAMED])
    return f"{names} and {len(paths) - MOST_NAMED} more" if len(paths) > MOST_NAMED else names
