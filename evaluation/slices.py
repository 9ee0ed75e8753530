"""A case's slices as the report's viewer reads them: masks as they are, CTs as coarse as it takes to fit.

Voxels are joined to blocks; a CT's slices are side by side in one WebP image, in levels that spend most on soft tissue.
"""

import base64
import io
import itertools
import zlib
from collections.abc import Sequence
from math import ceil
from typing import Any

import numpy as np
from PIL import Image
from scipy.ndimage import label

from evaluation.scene import Scene
from evaluation.targets import Errors, bins

# HU, and the level out of 0 to 255 that it gets; linear between.
HU = (-1000, -250, 300, 2000)
LEVELS = (0, 30, 225, 255)
QUALITIES = (55, 35)
# Blocks are at least so large; every second size is 1.4 times the one before.
SIZES_MM = tuple(0.4 * 1.2**k for k in range(18))
# The least voxels that are encoded in so many bytes, as a first guess.
VOXELS_PER_BYTE = 6.0
LARGEST_VOXELS = 12_000_000
# In one byte of the masks.
BITS = {
    ("reference", "GTVp"): 1,
    ("reference", "GTVnd"): 2,
    ("prediction", "GTVp"): 4,
    ("prediction", "GTVnd"): 8,
}


def encode(scene: Scene, errors: Errors, most_bytes: int, tolerance_mm: float) -> dict[str, Any]:
    """Plain values for JSON, of no more than so many bytes, or of as few as it can be.

    Masks and distances keep their voxels (but of very large scenes); of distances there are the bins, 1 the first one
    and 0 without any. The CTs get what they leave, and have the finest blocks that fit: each is so many of the masks'
    (z, y, x) as "ratio" says.
    """
    blocks = next(b for b in _sizes(scene.spacing_zyx) if np.prod(_shape(scene, b)) <= LARGEST_VOXELS)
    encoded = _encode_masks(scene, errors, blocks, tolerance_mm)
    room = most_bytes - len(encoded["masks"]) - len(encoded["errors"])
    most_voxels = VOXELS_PER_BYTE * room / max(1, len(scene.cts))
    ratios = _sizes(encoded["spacing"])
    for ratio, quality in itertools.product(ratios, QUALITIES):
        of_ct = tuple(b * r for b, r in zip(blocks, ratio, strict=True))
        if np.prod(_shape(scene, of_ct)) <= most_voxels or ratio == ratios[-1]:
            encoded["ratio"] = ratio
            encoded["cts"] = {
                name: _webp(blocked(ct, of_ct, None), quality) for name, ct in scene.cts.items()
            }
            if sum(map(len, encoded["cts"].values())) <= room:
                break
    return encoded


def _sizes(spacing_zyx: Sequence[float]) -> list[tuple[int, ...]]:
    """Blocks (z, y, x) of voxels, finest first; they become about as long as wide and high."""
    return list(dict.fromkeys(tuple(max(1, round(mm / own)) for own in spacing_zyx) for mm in SIZES_MM))


def _shape(scene: Scene, blocks: tuple[int, ...]) -> list[int]:
    return [ceil(n / b) for n, b in zip(scene.shape, blocks, strict=True)]


def _encode_masks(
    scene: Scene, errors: Errors, blocks: tuple[int, ...], tolerance_mm: float
) -> dict[str, Any]:
    """All but the CTs."""
    sides = {"reference": scene.reference, "prediction": scene.prediction}
    masks = np.zeros(_shape(scene, blocks), np.uint8)
    for (side, structure), bit in BITS.items():
        if structure in sides[side]:
            masks[in_blocks(sides[side][structure], blocks)] |= bit
    both = (errors.prediction_mm, errors.reference_mm)
    numbers = [1 + bins(blocked(mm, blocks, -1).max(axis=(1, 3, 5)), tolerance_mm) for mm in both]
    shift = (np.array(blocks) - 1) / 2  # a block's middle, from its first voxel's
    return {
        "shape": list(masks.shape),
        "spacing": [mm * b for mm, b in zip(scene.spacing_zyx, blocks, strict=True)],
        "blocks": list(blocks),
        "place": (scene.place_xyz + shift @ scene.steps_mm).tolist(),
        "steps": (scene.steps_mm * np.array(blocks)[:, None]).tolist(),
        "masks": _packed(masks),
        "errors": _packed(np.stack(numbers).astype(np.uint8)) if scene.reference else "",
        "ratio": (1, 1, 1),
        "cts": {},
    }


def blocked(array: np.ndarray, blocks: tuple[int, ...], fill: float | None) -> np.ndarray:
    """(z, bz, y, by, x, bx); at the end filled up, with the last voxels where no value is given."""
    missing = [(0, -n % b) for n, b in zip(array.shape, blocks, strict=True)]
    filled = np.pad(array, missing, "edge") if fill is None else np.pad(array, missing, constant_values=fill)
    return filled.reshape([n for whole, b in zip(filled.shape, blocks, strict=True) for n in (whole // b, b)])


def in_blocks(mask: np.ndarray, blocks: tuple[int, ...]) -> np.ndarray:
    """Blocks of which at least half is inside; of a part that would vanish, all that it touches."""
    parts = blocked(mask, blocks, 0)
    inside, touched = parts.mean(axis=(1, 3, 5), dtype=np.float32) >= 0.5, parts.any(axis=(1, 3, 5))
    labels, count = label(touched, np.ones((3, 3, 3)))
    vanished = np.setdiff1d(np.arange(1, count + 1), labels[inside])
    return inside | np.isin(labels, vanished)


def columns(shape: tuple[int, ...]) -> int:
    """How many slices stand side by side, so that the image is about square."""
    return max(1, round((shape[0] * shape[1] / shape[2]) ** 0.5))


def _webp(parts: np.ndarray, quality: int) -> str:
    """Means of blocks of HU, as a data URL."""
    levels = np.interp(parts.mean(axis=(1, 3, 5), dtype=np.float32), HU, LEVELS).astype(np.uint8)
    z, y, x = levels.shape
    wide = columns(levels.shape)
    tiles = np.zeros((ceil(z / wide) * wide, y, x), np.uint8)
    tiles[:z] = levels
    image = tiles.reshape(-1, wide, y, x).transpose(0, 2, 1, 3).reshape(-1, wide * x)
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "webp", quality=quality, method=4)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _packed(array: np.ndarray) -> str:
    return base64.b64encode(zlib.compress(array.tobytes(), 9)).decode()
