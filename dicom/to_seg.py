"""Masks → DICOM SEG on a CT series.

MASK is a label map (1 GTVp, 2 GTVnd), an image with both as channels, or one mask for each, named after it.
"""

import argparse

from dicom.masks import read_on_series
from dicom.seg import write_seg
from dicom.series import read_reference
from dicom.to_rtstruct import add_arguments, tell

__all__ = ["add_arguments", "run"]


def run(options: argparse.Namespace) -> int:
    """Returns the exit code. Raises InputError."""
    reference = read_reference(options.ct)
    masks = read_on_series(options.masks, reference)
    write_seg(options.out, masks, reference)
    tell(options.out, masks, reference)
    return 0
