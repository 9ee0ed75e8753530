"""Cases brought to the network's grid and kept on disk. Arrays are (z, y, x), channels in front.

What a case was made from lies beside it, so that corrected contours are read again.
"""

import errno
import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage

from model.errors import InputError, reason
from model.images.pair import Pair
from model.images.read import MAX_VOXELS
from model.network.bundle import CHANNELS, Normalisation
from model.network.plan import Spacing
from model.preprocessing.gtvseg import preprocess
from model.preprocessing.region import Region, interpolation_matrix
from model.structures import LABELS
from model.writing import whole_file, write_bytes
from training.data.plans import DataPlan
from training.data.sources import IGNORED, TrainingCase, read_training_case
from training.data.survey import Survey

# Beside a cached case: size and time of the files it was made from.
SOURCE = "source.json"
# To be raised by whatever makes other arrays of the same files: reading, cropping, resampling, how they are kept.
# Else a folder that an earlier version filled would be taken for this one's.
FORMAT = 2
# Of a label: pieces of less are specks that drawing and resampling leave, not tumours, if there are others.
SPECK_CM3 = 0.05
# Two channels in 16 bit and the label.
BYTES_PER_VOXEL = 5


@dataclass(frozen=True)
class CachedCase:
    """image float16 (channels, z, y, x) normalised, label uint8 (z, y, x), both memory-mapped.

    tumour: for each label present its separate tumours, each the (n, 3) voxel coordinates to draw centres from.
    """

    image: np.ndarray
    label: np.ndarray
    tumour: tuple[list[np.ndarray], ...]


def cache_folder(work: Path, data: Path | None, seed: int, plan: DataPlan) -> Path:
    """One per data set and preprocessing, so that another plan never meets old files.

    seed: of phantoms, where there are no data.
    """
    source = str(data.resolve()) if data else f"phantoms {seed}"
    key = json.dumps([FORMAT, source, plan.spacing_zyx, repr(plan.normalisation)])
    return work / f"cache-{hashlib.sha256(key.encode()).hexdigest()[:12]}"


def check_space(work: Path, surveys: list[Survey], plan: DataPlan) -> None:
    """Raises InputError where the preprocessed cases would not fit on the disk, or one not into memory."""
    needed, free = cache_gb(surveys, plan), shutil.disk_usage(work).free / 1e9
    for survey in surveys:
        if (gb := cache_gb([survey], plan)) * 1e9 > BYTES_PER_VOXEL * MAX_VOXELS:
            fact = f"case {survey.name} would take {gb:.3g} GB"
            raise InputError("spacing_zyx", fact, "choose a coarser --spacing")
    if needed > free:
        fact = f"the preprocessed cases take {needed:.1f} GB, {free:.1f} GB are free"
        raise InputError(work, fact, "free space, choose another --work or a coarser --spacing")


def cache_gb(surveys: list[Survey], plan: DataPlan) -> float:
    """What the cases' bodies take on the network's grid."""
    voxels = [
        np.prod(
            [n * s / t for n, s, t in zip(case.body_zyx, case.spacing_zyx, plan.spacing_zyx, strict=True)]
        )
        for case in surveys
    ]
    return BYTES_PER_VOXEL * float(np.sum(voxels)) / 1e9


def is_cached(case: TrainingCase, folder: Path) -> bool:
    """Whether the case lies there whole, made from its files as they are now."""
    try:
        if (folder / case.name / SOURCE).read_bytes() != source_of(case):
            return False
        load_case(folder / case.name)
    except (OSError, InputError):
        return False
    return True


def source_of(case: TrainingCase) -> bytes:
    """Size and time of every file of a case that is there."""
    files = {path.name: path.stat() for path in case.files if path.exists()}
    return json.dumps({name: [stat.st_size, stat.st_mtime_ns] for name, stat in files.items()}).encode()


def cache_from_files(case: TrainingCase, plan: DataPlan, folder: Path) -> None:
    """Read a case and keep it. The record of its files comes last: without it the case counts as not there.

    The files are looked at before they are read: what is saved meanwhile makes it count as not there either.
    """
    try:
        source = source_of(case)
        pair, label = read_training_case(case)
        shutil.rmtree(folder / case.name, ignore_errors=True)
        cache_case(folder / case.name, pair, label, plan.spacing_zyx, plan.normalisation)
        write_bytes(folder / case.name / SOURCE, source)
    except OSError as error:
        fact = f"cannot be written ({reason(error)})"
        raise InputError(folder / case.name, fact, "free space, then --resume") from None


def cache_case(
    folder: Path,
    pair: Pair,
    label: np.ndarray,
    spacing_zyx: Spacing,
    normalisation: tuple[Normalisation, ...],
) -> None:
    """Bring a pair and its label map (uint8 0/1/2 or IGNORED, the pair's grid) to the network's grid and write them.

    Raises InputError where the CT shows no body, OSError where a file cannot be written.
    """
    prepared = preprocess(pair, spacing_zyx, normalisation)
    if prepared is None:
        raise InputError(f"case {folder.name}", "nothing denser than air in the CT", "leave the case out")
    image, region = prepared
    folder.mkdir(parents=True, exist_ok=True)
    _save(folder / "image.npy", image.numpy().astype(np.float16))
    resampled = resample_label(label, region)
    tumours = {
        f"{value}_{k}": voxels
        for value in LABELS.values()
        for k, voxels in enumerate(_tumours(resampled == value, float(np.prod(spacing_zyx)) / 1000))
    }
    with whole_file(folder / "tumours.npz") as temporary:
        np.savez(temporary, **tumours)  # type: ignore[arg-type]
    _save(folder / "label.npy", resampled)


def _save(path: Path, array: np.ndarray) -> None:
    with whole_file(path) as temporary:
        np.save(temporary, array)


def resample_label(label: np.ndarray, region: Region) -> np.ndarray:
    """Label map on the network's grid: each label's mask is averaged into the coarser voxels, the largest wins."""
    cropped = label[region.box]
    to_z, to_y, to_x = (
        interpolation_matrix(n, m) for n, m in zip(cropped.shape, region.network_shape, strict=True)
    )
    shares = []
    for value in (*LABELS.values(), IGNORED):
        mask = torch.from_numpy((cropped == value).astype(np.float32))
        planes = torch.stack([to_y @ plane @ to_x.T for plane in mask])
        shares.append((to_z @ planes.flatten(1)).unflatten(1, region.network_shape[1:]))
    chosen = torch.stack([1 - sum(shares), *shares]).argmax(0).numpy()
    return np.array([0, *LABELS.values(), IGNORED], np.uint8)[chosen]


def load_case(folder: Path) -> CachedCase:
    """Raises InputError where it is not there whole."""
    try:
        image = np.load(folder / "image.npy", mmap_mode="r")
        label = np.load(folder / "label.npy", mmap_mode="r")
        if image.shape != (len(CHANNELS), *label.shape) or (image.dtype, label.dtype) != (
            np.float16,
            np.uint8,
        ):
            raise ValueError("image and label do not belong together")
        with np.load(folder / "tumours.npz") as arrays:
            of_label = [
                [arrays[name] for name in arrays.files if name.startswith(f"{value}_")]
                for value in LABELS.values()
            ]
        for voxels in (voxels for tumours in of_label for voxels in tumours):
            if voxels.size == 0 or voxels.min() < 0 or (voxels.max(0) >= label.shape).any():
                raise ValueError("tumours and label do not belong together")
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE):
            fact = f"more files are open at a time than this system allows ({reason(error)})"
            raise InputError(folder, fact, "raise the limit: ulimit -n 65536, or ask who runs it") from None
        raise _not_whole(folder, error) from None
    except Exception as error:  # numpy and zipfile raise whatever a damaged file happens to cause
        raise _not_whole(folder, error) from None
    return CachedCase(image, label, tuple(tumours for tumours in of_label if tumours))


def _not_whole(folder: Path, error: Exception) -> InputError:
    fact = f"not a whole preprocessed case ({reason(error)})"
    return InputError(folder, fact, "run again with --resume: it is made anew")


def _tumours(mask: np.ndarray, voxel_cm3: float) -> list[np.ndarray]:
    """The voxel coordinates of each piece that counts as a tumour, int32 (n, 3); voxels hang together by corners, too.

    Patches are drawn from each as often: were a speck one, it would be seen as often as the tumour that it lies beside.
    """
    components, _ = ndimage.label(mask, np.ones((3, 3, 3)))
    pieces = [
        (np.argwhere(components[box] == k) + [axis.start for axis in box]).astype(np.int32)
        for k, box in enumerate(ndimage.find_objects(components), 1)
    ]
    return [piece for piece in pieces if len(piece) * voxel_cm3 >= SPECK_CM3] or pieces
