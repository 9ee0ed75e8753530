"""Masks → DICOM SEG on a CT series.

MASK is a label map (1 GTVp, 2 GTVnd), an image with both as channels, or one mask for each, named after it.
"""

import argparse

from dicom.seg import write_seg
from dicom.to_rtstruct import add_arguments, convert

__all__ = ["EXAMPLES", "add_arguments", "run"]
EXAMPLES = ("python -m dicom to-seg mask.nii.gz CT_FOLDER SEG.dcm",)


def run(options: argparse.Namespace) -> int:
    """Returns the exit code. Raises InputError."""
    return convert(options, write_seg)
