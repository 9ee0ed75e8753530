"""Writes phantoms to disk in the layouts that process.py and the training read.

All raise InputError where a file cannot be written, and leave none that is cut short.
"""

import json
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.cases import CE_SLUG, CT_SLUG
from model.errors import InputError, reason
from model.images.write import write_image
from model.structures import LABELS
from model.writing import write_bytes
from phantom.scene import Phantom, case_name

LAYOUTS = ("exec", "folder", "nnunet")


@contextmanager
def whole_case(root: Path, number: int) -> Iterator[Path]:
    """A folder to write a case to; its files move to the same places below the root when all are there.

    After an exception none is. What an earlier, killed attempt left is removed. Raises InputError.
    """
    unfinished = root / f".{case_name(number)}"
    try:
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        yield unfinished
        _move_into(unfinished, root)
    except InputError as error:  # the file's name is one that is not to be seen
        raise InputError(root / case_name(number), error.fact, error.remedy) from None
    except OSError as error:
        remedy = "free space or choose another folder"
        raise InputError(root / case_name(number), f"cannot be written ({reason(error)})", remedy) from None
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _move_into(source: Path, target: Path) -> None:
    """All of it, or none: folders that are not there yet as a whole."""
    moved: list[Path] = []
    try:
        for path in sorted(source.rglob("*")):
            there = target / path.relative_to(source)
            if path.exists() and not (path.is_dir() and there.is_dir()):
                path.replace(there)
                moved.append(there)
    except BaseException:
        for path in moved:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        raise


def write_exec(phantom: Phantom, folder: Path, rng: np.random.Generator) -> None:
    """The challenge's input: one `.mha` per modality with unrelated uuid names; the truth as 4D `.mha`."""
    plain, contrast = (str(uuid.UUID(bytes=rng.bytes(16), version=4)) for _ in range(2))
    images, grid = folder / "images", phantom.grid
    write_image(images / CT_SLUG / f"{plain}.mha", phantom.ct, grid, compress=False)
    write_image(images / CE_SLUG / f"{contrast}.mha", phantom.ce, grid, compress=False)
    write_image(folder / "reference" / f"{plain}.mha", np.stack([phantom.gtvp, phantom.gtvnd]), grid)


def write_folder(phantom: Phantom, folder: Path) -> None:
    """Four files per case: both scans and one binary mask per structure."""
    arrays: dict[str, NDArray] = {
        "image": phantom.ct,
        "image_contrast": phantom.ce,
        "GTVp": phantom.gtvp,
        "GTVnd": phantom.gtvnd,
    }
    for name, array in arrays.items():
        write_image(folder / f"{name}.nii.gz", array, phantom.grid)


def write_nnunet(phantom: Phantom, root: Path, case: str) -> None:
    """Channels `_0000` (without) and `_0001` (with contrast) and one label map (1 GTVp, 2 GTVnd)."""
    for channel, array in enumerate((phantom.ct, phantom.ce)):
        write_image(root / "imagesTr" / f"{case}_{channel:04d}.nii.gz", array, phantom.grid)
    labels = phantom.gtvp + 2 * phantom.gtvnd
    write_image(root / "labelsTr" / f"{case}.nii.gz", labels.astype(np.uint8), phantom.grid)


def write_nnunet_description(root: Path, cases: int) -> None:
    """nnU-Net's dataset.json."""
    description = {
        "channel_names": {"0": "CT", "1": "CT with contrast"},
        "labels": {"background": 0} | LABELS,
        "numTraining": cases,
        "file_ending": ".nii.gz",
    }
    write_bytes(root / "dataset.json", (json.dumps(description, indent=2) + "\n").encode())
