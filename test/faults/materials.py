"""Good inputs to be spoilt: a small patient, the pair of his CTs in every layout, small weights."""

import atexit
import functools
import shutil
import tempfile
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import torch

from model.network.bundle import Bundle, Normalisation, save_bundle
from model.network.plan import NetworkPlan
from model.network.unet import UNet

SHAPE = (24, 40, 40)
SPACING_XYZ = (4.0, 4.0, 6.0)
PLAN = NetworkPlan(2, 3, (2, 4), ((1, 3, 3), (3, 3, 3)), ((1, 1, 1), (2, 2, 2)), (1, 1), (1,))


def bundle() -> Bundle:
    """A small network with random weights, whose one window holds the whole patient."""
    torch.manual_seed(0)
    scheme = Normalisation(-1000, 1000, 0, 100)
    return Bundle(
        PLAN, (24, 40, 32), (6.0, 4.0, 4.0), (scheme, scheme), (0, 1, 2), {}, (UNet(PLAN).state_dict(),)
    )


@functools.cache
def weights() -> str:
    """Its file, written once per process."""
    folder = tempfile.mkdtemp(prefix="faults-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = Path(folder) / "small.pt"
    save_bundle(bundle(), path)
    return str(path)


def patient(contrast: bool = False) -> np.ndarray:
    """HU int16 (z, y, x): an ellipse of tissue in air with a spine, a skull from slice 14 on; with contrast vessels."""
    z, y, x = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    array = np.full(SHAPE, -1000, np.int16)
    inside = ((y - 20) / 15) ** 2 + ((x - 20) / 12) ** 2 + 0 * z
    array[inside < 1] = 40
    array[(inside < 1) & (inside > 1 - np.interp(z, [10, 16], [0, 0.3]))] = 700
    array[((y - 28) / 3) ** 2 + ((x - 20) / 3) ** 2 + 0 * z < 1] = 700
    noise = np.random.default_rng(0).integers(-15, 16, SHAPE)
    if contrast:
        array[(((y - 18) / 2) ** 2 + ((np.abs(x - 20) - 6) / 2) ** 2 + 0 * z < 1)] = 250
        noise = noise[::-1]
    return (array + noise).astype(np.int16)


def image(array: np.ndarray, origin=(-80.0, -80.0, -72.0), spacing=SPACING_XYZ) -> sitk.Image:
    result = sitk.GetImageFromArray(array)
    result.SetSpacing(spacing)
    result.SetOrigin(origin)
    return result


def save(array: np.ndarray | sitk.Image, path: Path, *, compress: bool = True) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(array if isinstance(array, sitk.Image) else image(array), str(path), compress)
    return path


def save_pair(folder: Path, suffix: str = ".nii.gz", *, compress: bool = True) -> tuple[Path, Path]:
    """folder/image* and folder/image_contrast*: the layout of one patient's folder."""
    ct = save(patient(), folder / f"image{suffix}", compress=compress)
    return ct, save(patient(contrast=True), folder / f"image_contrast{suffix}", compress=compress)


def process(folder: Path, *options: str) -> list[str]:
    """The command that segments folder/in into folder/out with the small weights on the CPU."""
    places = ["--input", str(folder / "in"), "--output", str(folder / "out")]
    return ["process", *places, "--weights", weights(), "--device", "cpu", "--no-tta", *options]
