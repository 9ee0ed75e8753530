"""A case's slices as the report's viewer reads them: CTs and masks, as coarse as it takes to fit.

Voxels are joined to blocks; a CT's are images side by side in one WebP, in levels that spend most on soft tissue.
"""

import base64
import io
import zlib
from math import ceil
from typing import Any

import numpy as np
from PIL import Image
from scipy.ndimage import label

from evaluation.scene import Scene
from evaluation.targets import Errors

# HU, and the level out of 0 to 255 that it gets; linear between.
HU = (-1000, -250, 300, 2000)
LEVELS = (0, 30, 225, 255)
QUALITY = 55
# Blocks are at least so large; every second size is 1.4 times the one before.
SIZES_MM = tuple(0.4 * 1.2**k for k in range(18))
# The least voxels that are encoded in so many bytes, as a first guess.
VOXELS_PER_BYTE = 6.0
LARGEST_VOXELS = 12_000_000
STEP_MM = 0.1  # of distances: level 1 is 0 mm, 255 is 25.4 mm and more
# In one byte of the masks.
BITS = {
    ("reference", "GTVp"): 1,
    ("reference", "GTVnd"): 2,
    ("prediction", "GTVp"): 4,
    ("prediction", "GTVnd"): 8,
}


def encode(scene: Scene, errors: Errors, most_bytes: int) -> dict[str, Any]:
    """Plain values for JSON: the finest blocks that take no more than so many bytes, or the coarsest there are."""
    encoded: dict[str, Any] = {}
    for blocks in _block_sizes(scene, most_bytes):
        encoded = _encode(scene, errors, blocks)
        if _length(encoded) <= most_bytes:
            break
    return encoded


def _length(encoded: dict[str, Any]) -> int:
    return sum(len(part) for part in (encoded["masks"], encoded["errors"], *encoded["cts"].values()))


def _block_sizes(scene: Scene, most_bytes: int) -> list[tuple[int, ...]]:
    """Voxels of a block (z, y, x), finest first, that may fit."""
    sizes = [tuple(max(1, round(mm / own)) for own in scene.spacing_zyx) for mm in SIZES_MM]
    most_voxels = min(LARGEST_VOXELS, VOXELS_PER_BYTE * most_bytes) / max(1, len(scene.cts))
    return [b for b in dict.fromkeys(sizes) if np.prod(_shape(scene, b)) <= most_voxels] or sizes[-1:]


def _shape(scene: Scene, blocks: tuple[int, ...]) -> list[int]:
    return [ceil(n / b) for n, b in zip(scene.shape, blocks, strict=True)]


def _encode(scene: Scene, errors: Errors, blocks: tuple[int, ...]) -> dict[str, Any]:
    sides = {"reference": scene.reference, "prediction": scene.prediction}
    masks = np.zeros(_shape(scene, blocks), np.uint8)
    for (side, structure), bit in BITS.items():
        if structure in sides[side]:
            masks[in_blocks(sides[side][structure], blocks)] |= bit
    levels = [
        _levels(blocked(mm, blocks, -1).max(axis=(1, 3, 5)))
        for mm in (errors.prediction_mm, errors.reference_mm)
    ]
    shift = (np.array(blocks) - 1) / 2  # a block's middle, from its first voxel's
    return {
        "shape": list(masks.shape),
        "spacing": [mm * b for mm, b in zip(scene.spacing_zyx, blocks, strict=True)],
        "blocks": list(blocks),
        "place": (scene.place_xyz + shift @ scene.steps_mm).tolist(),
        "steps": (scene.steps_mm * np.array(blocks)[:, None]).tolist(),
        "columns": columns(masks.shape),
        "cts": {name: _webp(blocked(ct, blocks, None)) for name, ct in scene.cts.items()},
        "masks": _packed(masks),
        "errors": _packed(np.stack(levels)) if scene.reference else "",
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


def _webp(parts: np.ndarray) -> str:
    """Means of blocks of HU, as a data URL."""
    levels = np.interp(parts.mean(axis=(1, 3, 5), dtype=np.float32), HU, LEVELS).astype(np.uint8)
    z, y, x = levels.shape
    wide = columns(levels.shape)
    tiles = np.zeros((ceil(z / wide) * wide, y, x), np.uint8)
    tiles[:z] = levels
    image = tiles.reshape(-1, wide, y, x).transpose(0, 2, 1, 3).reshape(-1, wide * x)
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "webp", quality=QUALITY, method=4)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _levels(mm: np.ndarray) -> np.ndarray:
    return np.where(mm < 0, 0, 1 + np.minimum(254, np.round(mm / STEP_MM))).astype(np.uint8)


def _packed(array: np.ndarray) -> str:
    return base64.b64encode(zlib.compress(array.tobytes(), 9)).decode()
