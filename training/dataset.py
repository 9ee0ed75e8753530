"""Preprocessed cases on disk and patches cut from them. Arrays are (z, y, x), channels in front."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage

from model.images.pair import Pair
from model.network.bundle import Normalisation
from model.network.plan import Triple
from model.preprocessing.gtvseg import Region, interpolation_matrix, preprocess

FOREGROUND_SHARE = 0.8  # of the patches are centred on a tumour voxel


@dataclass(frozen=True)
class CachedCase:
    """image float16 (channels, z, y, x) normalised, label uint8 (z, y, x), both memory-mapped.

    tumour: for each label present its separate tumours, each the (n, 3) voxel coordinates to draw centres from.
    """

    image: np.ndarray
    label: np.ndarray
    tumour: tuple[list[np.ndarray], ...]


def cache_case(
    folder: Path,
    pair: Pair,
    label: np.ndarray,
    spacing_zyx: tuple[float, float, float],
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
        f"{value}_{k}": voxels for value in (1, 2) for k, voxels in enumerate(_tumours(resampled == value))
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
    for value in (1, 2):
        mask = torch.from_numpy((cropped == value).astype(np.float32))
        planes = torch.stack([to_y @ plane @ to_x.T for plane in mask])
        shares.append((to_z @ planes.flatten(1)).unflatten(1, region.network_shape[1:]))
    background = 1 - shares[0] - shares[1]
    return torch.stack([background, *shares]).argmax(0).numpy().astype(np.uint8)


def load_case(folder: Path) -> CachedCase:
    image = np.load(folder / "image.npy", mmap_mode="r")
    label = np.load(folder / "label.npy", mmap_mode="r")
    with np.load(folder / "tumours.npz") as found:
        of_label = [[found[name] for name in found.files if name.startswith(f"{value}_")] for value in (1, 2)]
    return CachedCase(image, label, tuple(tumours for tumours in of_label if tumours))


def _tumours(mask: np.ndarray) -> list[np.ndarray]:
    """The voxel coordinates of each piece, int32 (n, 3)."""
    components, _ = ndimage.label(mask)
    return [
        (np.argwhere(components[box] == k) + [axis.start for axis in box]).astype(np.int32)
        for k, box in enumerate(ndimage.find_objects(components), 1)
    ]


def draw_patch(case: CachedCase, patch: Triple, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A random patch: float32 image (channels, *patch) and int64 label; zero-padded where the case ends.

    Foreground patches are centred, with jitter, on a voxel of a tumour: first a label is chosen at random among those
    present, then one of its tumours, so that a small node is seen as often as a large one.
    """
    shape = case.label.shape
    if case.tumour and rng.random() < FOREGROUND_SHARE:
        tumours = case.tumour[rng.integers(len(case.tumour))]
        voxels = tumours[rng.integers(len(tumours))]
        centre = voxels[rng.integers(len(voxels))] + [rng.integers(-p // 4, p // 4 + 1) for p in patch]
    else:
        centre = np.array([rng.integers(n) for n in shape])
    source, target = [], []
    for c, p, n in zip(centre, patch, shape, strict=True):
        start = int(np.clip(c - p // 2, 0, n - p)) if n > p else -((p - n) // 2)
        low, high = max(0, start), min(n, start + p)
        source.append(slice(low, high))
        target.append(slice(low - start, high - start))
    image = np.zeros((case.image.shape[0], *patch), np.float32)
    label = np.zeros(patch, np.int64)
    image[(slice(None), *target)] = case.image[(slice(None), *source)]
    label[tuple(target)] = case.label[tuple(source)]
    return image, label
