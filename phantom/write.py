"""Writes phantoms to disk in the layouts that process.py and the training read."""

import json
import uuid
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from phantom.scene import Phantom

LAYOUTS = ("exec", "folder", "nnunet")
_FASTEST = 1


def write_exec(phantom: Phantom, folder: Path, rng: np.random.Generator) -> None:
    """The challenge's input: one `.mha` per modality with unrelated uuid names; the truth as 4D `.mha`."""
    plain, contrast = (str(uuid.UUID(bytes=rng.bytes(16), version=4)) for _ in range(2))
    _save(_image(phantom.ct, phantom), folder / "images" / "head-neck-ct" / f"{plain}.mha", compress=False)
    scan = _image(phantom.ce, phantom)
    _save(scan, folder / "images" / "head-neck-contrast-enhanced-ct" / f"{contrast}.mha", compress=False)
    masks = sitk.JoinSeries([_image(mask, phantom) for mask in (phantom.gtvp, phantom.gtvnd)])
    _save(masks, folder / "reference" / f"{plain}.mha")


def write_folder(phantom: Phantom, folder: Path) -> None:
    """Four files per case: both scans and one binary mask per structure."""
    arrays: dict[str, NDArray] = {
        "image": phantom.ct,
        "image_contrast": phantom.ce,
        "GTVp": phantom.gtvp,
        "GTVnd": phantom.gtvnd,
    }
    for name, array in arrays.items():
        _save(_image(array, phantom), folder / f"{name}.nii.gz")


def write_nnunet(phantom: Phantom, root: Path, case: str) -> None:
    """Channels `_0000` (without) and `_0001` (with contrast) and one label map (1 GTVp, 2 GTVnd)."""
    for channel, array in enumerate((phantom.ct, phantom.ce)):
        _save(_image(array, phantom), root / "imagesTr" / f"{case}_{channel:04d}.nii.gz")
    labels = phantom.gtvp + 2 * phantom.gtvnd
    _save(_image(labels.astype(np.uint8), phantom), root / "labelsTr" / f"{case}.nii.gz")


def write_nnunet_description(root: Path, cases: int) -> None:
    """nnU-Net's dataset.json."""
    description = {
        "channel_names": {"0": "CT", "1": "CT with contrast"},
        "labels": {"background": 0, "GTVp": 1, "GTVnd": 2},
        "numTraining": cases,
        "file_ending": ".nii.gz",
    }
    (root / "dataset.json").write_text(json.dumps(description, indent=2) + "\n")


def _image(array: NDArray, phantom: Phantom) -> sitk.Image:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(phantom.spacing_xyz)
    image.SetOrigin(phantom.origin_xyz)
    image.SetDirection(phantom.direction)
    return image


def _save(image: sitk.Image, path: Path, compress: bool = True) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(path), useCompression=compress, compressionLevel=_FASTEST)
