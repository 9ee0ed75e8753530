"""RTSTRUCT → a label map (1 GTVp, 2 GTVnd) on the grid of its CT series.

ROIs are chosen by their names: GTV, GTVp, GTV-T, GTVn, GTV_LN and the like; where that is not clear, they are listed.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dicom.choose import One, choose, left_by_name, said_to_be
from dicom.masks import Masks, label_map
from dicom.rois import Roi, check_reference, mask_of, misplaced, not_closed, read_structure_set
from dicom.series import Reference, read_reference
from dicom.to_rtstruct import tell
from model.images.write import check_one_file, write_image
from model.structures import STRUCTURES
from model.terminal import log

EXAMPLES = (
    "python -m dicom from-rtstruct RTSS.dcm CT_FOLDER mask.nii.gz",
    'python -m dicom from-rtstruct RTSS.dcm CT_FOLDER mask.nii.gz --gtvp "GTV boost" --gtvnd LN1 LN2',
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of this command."""
    parser.add_argument("rtstruct", type=Path, metavar="RTSS.dcm", help="the structure set")
    parser.add_argument("ct", type=Path, metavar="CT_FOLDER", help="the CT series that it was drawn on")
    add_names(parser, "ROI")


def add_names(parser: argparse.ArgumentParser, what: str) -> None:
    """The label map, and names of ROIs or segments."""
    parser.add_argument("out", type=Path, metavar="OUT", help="the label map to write, such as case.nii.gz")
    for structure in STRUCTURES:
        text = f"the {what}, or the {what}s, that are {structure}"
        parser.add_argument(f"--{structure.lower()}", nargs="+", default=[], metavar="NAME", help=text)


def names_asked(options: argparse.Namespace) -> dict[str, list[str]]:
    """By structure."""
    return {name: getattr(options, name.lower()) for name in STRUCTURES}


def tell_of_left(
    path: Path, rois: Sequence[One], chosen: dict[str, list[One]], options: argparse.Namespace
) -> None:
    """Print what is named as a structure that was chosen by name, but was not taken."""
    asked = [structure for structure, names in names_asked(options).items() if names]
    if left := left_by_name(rois, chosen, asked):
        log(f"warning: {path}: not taken: {', '.join(left)}")


def run(options: argparse.Namespace) -> int:
    """Returns the exit code. Raises InputError."""
    check_one_file(options.out)
    structures = read_structure_set(options.rtstruct)
    chosen = choose(structures.path, structures.rois, names_asked(options))
    reference = read_reference(options.ct)
    if odd := check_reference(structures, reference, [roi for rois in chosen.values() for roi in rois]):
        log(f"warning: {options.rtstruct}: {odd}")
    tell_of_left(options.rtstruct, structures.rois, chosen, options)
    for odd in not_closed(said_to_be(structures.rois, chosen), options.rtstruct):
        log(f"warning: {odd}")
    masks = {
        structure: _united(rois, structure, options.rtstruct, reference) for structure, rois in chosen.items()
    }
    tell_of_both(options.rtstruct, masks)
    write_image(options.out, label_map(masks), reference.stack.grid)
    tell(options.out, masks, reference)
    return 0


def _united(rois: list[Roi], structure: str, path: Path, reference: Reference) -> np.ndarray:
    """Bool (z, y, x) on the straight grid of all ROIs of one structure. What is odd is printed."""
    log(f"{structure} is {', '.join(roi.name for roi in rois)}")
    united = np.zeros(reference.stack.grid.size_xyz[::-1], bool)
    for roi in rois:
        mask, oddities = mask_of(roi, reference, path)
        united |= mask
        for odd in oddities:
            log(f"warning: {path}: {odd}")
        if count := misplaced(roi, reference):
            log(
                f"warning: {path}: {count} contours of {roi.name} lie on other slices than they name: mirrored?"
            )
    return united


def tell_of_both(path: Path, masks: Masks) -> None:
    """Print how many voxels are of both structures."""
    if len(masks) == len(STRUCTURES) and (both := int(np.logical_and(*masks.values()).sum())):
        log(f"warning: {path}: {both} voxels are of both structures: {STRUCTURES[0]} has them")
