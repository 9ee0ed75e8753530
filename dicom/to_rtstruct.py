"""Masks → RTSTRUCT on a CT series.

MASK is a label map (1 GTVp, 2 GTVnd), an image with both as channels, or one mask for each, named after it.
"""

import argparse
import os
from collections.abc import Callable
from pathlib import Path

from dicom.masks import Masks, read_on_series
from dicom.rtstruct import write_rtstruct
from dicom.saving import check_name
from dicom.series import Reference, read_reference
from evaluation.contours import kind_of
from model.errors import InputError
from model.structures import STRUCTURES
from model.terminal import log

EXAMPLES = (
    "python -m dicom to-rtstruct mask.nii.gz CT_FOLDER RTSS.dcm",
    "python -m dicom to-rtstruct GTVp.nii.gz GTVnd.nii.gz CT_FOLDER RTSS.dcm",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of this command."""
    parser.add_argument("masks", type=Path, nargs="+", metavar="MASK", help="on the grid of the series")
    parser.add_argument("ct", type=Path, metavar="CT_FOLDER", help="the CT series that the masks belong to")
    parser.add_argument("out", type=Path, metavar="OUT.dcm", help="the file to write")


def run(options: argparse.Namespace) -> int:
    """Returns the exit code. Raises InputError."""
    return convert(options, write_rtstruct)


def convert(options: argparse.Namespace, write: Callable[[Path, Masks, Reference], None]) -> int:
    """Masks on the series → the file that `write` makes of them. Returns the exit code. Raises InputError."""
    check_replaced(options.out, options.masks, options.ct)
    check_name(options.out)
    reference = read_reference(options.ct)
    for path in options.masks:
        if not path.exists():
            raise InputError(path, "no such file", "give a mask")
        if kind_of(path):
            raise InputError(
                path, "DICOM, but a mask in an image is needed", "convert it: from-rtstruct, from-seg"
            )
    masks = read_on_series(options.masks, reference)
    write(options.out, masks, reference)
    tell(options.out, masks, reference)
    return 0


def check_replaced(out: Path, inputs: list[Path], ct: Path) -> None:
    """Raises InputError where a result would replace what it is made of: one of the files, or whatever lies in the CT's
    folder.
    """
    here = os.path.realpath(out)
    inside = os.path.lexists(out) and Path(here).parent == Path(os.path.realpath(ct))
    if inside or here in {os.path.realpath(path) for path in inputs}:
        raise InputError(out, "the result would replace another file", "choose another name")


def tell(path: Path, masks: Masks, reference: Reference) -> None:
    """One line for each structure: what is in the file now."""
    grid = reference.stack.grid
    voxel_cm3 = grid.spacing_xyz[0] * grid.spacing_xyz[1] * grid.spacing_xyz[2] / 1000
    for structure in STRUCTURES:
        if structure not in masks or not masks[structure].any():
            log(f"{path}: {structure} left out, nothing is outlined")
            continue
        mask = masks[structure]
        log(f"{path}: {structure} on {mask.any((1, 2)).sum()} slices, {mask.sum() * voxel_cm3:.2f} cm³")
