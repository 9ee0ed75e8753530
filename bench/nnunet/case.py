"""The case that both sides segment: a phantom, whole or cropped, or two images of the user's."""

import argparse
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from model.images.pair import Pair, read_pair
from phantom import Phantom, make_phantom

# Geometry of the phantom, and how many voxels (z, y, x) around the primary, if not all.
CASES: dict[str, tuple[str, tuple[int, int, int] | None]] = {
    "full": ("segrap", None),
    "small": ("small", None),
    # For comparing logits in minutes.
    "crop": ("small", (48, 140, 150)),
    # Two windows of the published plan.
    "segrap-window": ("segrap", (28, 256, 320)),
}
FILES = ("image.nii.gz", "image_contrast.nii.gz")


def add_options(parser: argparse.ArgumentParser, default: str) -> None:
    """Which case."""
    parser.add_argument("--case", choices=CASES, default=default)
    parser.add_argument("--seed", type=int, default=2026, help="of the phantom")
    parser.add_argument(
        "--pair", type=Path, nargs=2, metavar=("CT", "CE"), help="these two images instead of a phantom"
    )


def write_case(folder: Path, args: argparse.Namespace) -> np.ndarray:
    """Both CTs as compressed NIfTI; returns the phantom's true labels (z, y, x), none of a pair's."""
    folder.mkdir()
    if args.pair:
        for name, path in zip(FILES, args.pair, strict=True):
            image = sitk.ReadImage(path)
            sitk.WriteImage(image, folder / name, useCompression=True)
        return np.zeros(image.GetSize()[::-1], np.uint8)
    geometry, size = CASES[args.case]
    phantom = make_phantom(args.seed, 0, geometry)
    box = (slice(None),) * 3 if size is None else around(phantom, size)
    for name, array in zip(FILES, (phantom.ct, phantom.ce), strict=True):
        image = sitk.GetImageFromArray(np.ascontiguousarray(array[box]))
        image.SetSpacing(phantom.spacing_xyz)
        sitk.WriteImage(image, folder / name, useCompression=True)
    return np.where(phantom.gtvp, 1, np.where(phantom.gtvnd, 2, 0))[box].astype(np.uint8)


def around(phantom: Phantom, size: tuple[int, int, int]) -> tuple[slice, slice, slice]:
    """A box of this size (z, y, x) around the primary's centre, within the volume."""
    centre = np.argwhere(phantom.gtvp).mean(0)
    starts = [
        int(np.clip(c - n / 2, 0, whole - n))
        for c, n, whole in zip(centre, size, phantom.ct.shape, strict=True)
    ]
    z, y, x = (slice(start, start + n) for start, n in zip(starts, size, strict=True))
    return (z, y, x)


def read_case(folder: Path) -> Pair:
    """The pair as the container reads it."""
    ct, ce = (folder / name for name in FILES)
    return read_pair(ct, ce, lambda line: None)
