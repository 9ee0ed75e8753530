"""Cases brought to the network's grid and kept on disk. Arrays are (z, y, x), channels in front.

What a case was made from lies beside it, so that corrected contours are read again.
"""

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
from model.network.bundle import Normalisation
from model.network.plan import Spacing
from model.preprocessing.gtvseg import preprocess
from model.preprocessing.region import Region, interpolation_matrix
from model.structures import LABELS
from model.writing import write_bytes
from training.data.planning import DataPlan
from training.data.sources import TrainingCase, read_training_case
from training.data.survey import Survey

# Beside a cached case: size and time of the files it was made from.
SOURCE = "source.json"
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
    """One per data set and preprocessing, so that another plan never meets old files."""
    key = json.dumps([str(data and data.resolve()), seed, plan.spacing_zyx, repr(plan.normalisation)])
    return work / f"cache-{hashlib.sha256(key.encode()).hexdigest()[:12]}"


def check_space(work: Path, surveys: list[Survey], plan: DataPlan) -> None:
    """Raises InputError where the preprocessed cases would not fit on the disk."""
    needed, free = cache_gb(surveys, plan), shutil.disk_usage(work).free / 1e9
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
    record = folder / case.name / SOURCE
    return record.exists() and record.read_text(encoding="utf-8") == source_of(case)


def source_of(case: TrainingCase) -> str:
    """Size and time of every file of a case."""
    files = {path.name: path.stat() for path in (case.ct, case.ce, *case.labels.values())}
    return json.dumps({name: [stat.st_size, stat.st_mtime_ns] for name, stat in files.items()})


def cache_from_files(case: TrainingCase, plan: DataPlan, folder: Path) -> None:
    """Read a case and keep it. The record of its files comes last: without it the case counts as not there."""
    pair, label = read_training_case(case)
    try:
        cache_case(folder / case.name, pair, label, plan.spacing_zyx, plan.normalisation)
        write_bytes(folder / case.name / SOURCE, source_of(case).encode())
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
    """Bring a pair and its label map (uint8 0/1/2, the pair's grid) to the network's grid and write them."""
    prepared = preprocess(pair, spacing_zyx, normalisation)
    if prepared is None:
        raise ValueError(f"{folder.name}: nothing denser than air in the CT")
    image, region = prepared
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "image.npy", image.numpy().astype(np.float16))
    resampled = resample_label(label, region)
    tumours = {
        f"{value}_{k}": voxels
        for value in LABELS.values()
        for k, voxels in enumerate(_tumours(resampled == value))
    }
    np.savez(folder / "tumours.npz", **tumours)  # type: ignore[arg-type]
    np.save(folder / "label.npy", resampled)


def resample_label(label: np.ndarray, region: Region) -> np.ndarray:
    """Label map on the network's grid: each label's mask is averaged into the coarser voxels, the largest wins."""
    cropped = label[region.box]
    to_z, to_y, to_x = (
        interpolation_matrix(n, m) for n, m in zip(cropped.shape, region.network_shape, strict=True)
    )
    shares = []
    for value in LABELS.values():
        mask = torch.from_numpy((cropped == value).astype(np.float32))
        planes = torch.stack([to_y @ plane @ to_x.T for plane in mask])
        shares.append((to_z @ planes.flatten(1)).unflatten(1, region.network_shape[1:]))
    background = 1 - shares[0] - shares[1]
    return torch.stack([background, *shares]).argmax(0).numpy().astype(np.uint8)


def load_case(folder: Path) -> CachedCase:
    image = np.load(folder / "image.npy", mmap_mode="r")
    label = np.load(folder / "label.npy", mmap_mode="r")
    with np.load(folder / "tumours.npz") as arrays:
        of_label = [
            [arrays[name] for name in arrays.files if name.startswith(f"{value}_")]
            for value in LABELS.values()
        ]
    return CachedCase(image, label, tuple(tumours for tumours in of_label if tumours))


def _tumours(mask: np.ndarray) -> list[np.ndarray]:
    """The voxel coordinates of each piece, int32 (n, 3)."""
    components, _ = ndimage.label(mask)
    return [
        (np.argwhere(components[box] == k) + [axis.start for axis in box]).astype(np.int32)
        for k, box in enumerate(ndimage.find_objects(components), 1)
    ]
