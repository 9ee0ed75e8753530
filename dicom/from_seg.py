"""DICOM SEG → a label map (1 GTVp, 2 GTVnd) on the grid of its CT series.

Segments are chosen by their labels, as from-rtstruct chooses ROIs.
"""

import argparse
from functools import reduce
from pathlib import Path

import numpy as np

from dicom.choose import choose
from dicom.from_rtstruct import add_names, names_asked, tell_of_both, tell_of_left
from dicom.masks import label_map
from dicom.segments import Segment, mask_on, read_segments
from dicom.series import Reference, read_reference
from dicom.to_rtstruct import tell
from model.errors import InputError
from model.images.write import check_one_file, write_image
from model.terminal import log

EXAMPLES = ("python -m dicom from-seg SEG.dcm CT_FOLDER mask.nii.gz",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of this command."""
    parser.add_argument("seg", type=Path, metavar="SEG.dcm", help="the segmentation")
    parser.add_argument("ct", type=Path, metavar="CT_FOLDER", help="the CT series that it was drawn on")
    add_names(parser, "segment")


def _check_reference(path: Path, segment: Segment, reference: Reference) -> None:
    """Raises InputError where it was not drawn on this series' frame of reference; prints where on another series."""
    right = reference.series_uid in segment.series
    if not right and not segment.frame_uid:
        fact = f"names neither the series in {reference.folder} nor its frame of reference"
        raise InputError(path, fact, "give the CT series that it was drawn on, or export it anew")
    if segment.frame_uid not in ("", reference.frame_uid):
        fact = f"drawn in another frame of reference than {reference.folder}"
        raise InputError(path, fact, "give the CT series that it was drawn on")
    if segment.series and not right:
        log(f"warning: {path}: drawn on another series in the same frame of reference")


def run(options: argparse.Namespace) -> int:
    """Returns the exit code. Raises InputError."""
    check_one_file(options.out)
    found = read_segments(options.seg)
    chosen = choose(options.seg, found, names_asked(options))
    tell_of_left(options.seg, found, chosen, options)
    reference = read_reference(options.ct)
    _check_reference(options.seg, found[0], reference)
    masks = {}
    for structure, segments in chosen.items():
        log(f"{structure} is {', '.join(segment.name for segment in segments)}")
        parts = [mask_on(segment, reference.grid, options.seg, reference) for segment in segments]
        for odd in (odd for _, oddities in parts for odd in oddities):
            log(f"warning: {options.seg}: {odd}")
        masks[structure] = reduce(np.logical_or, [mask for mask, _ in parts])
    tell_of_both(options.seg, masks)
    write_image(options.out, label_map(masks), reference.grid)
    tell(options.out, masks, reference)
    return 0
