"""Augmentation of one patch: mirrors, contrast, brightness, gamma, noise, blur, a missing contrast phase."""

import numpy as np
from scipy import ndimage


def augment(image: np.ndarray, label: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """image float32 (channels, z, y, x) normalised, label (z, y, x) → the same shapes, fresh arrays.

    All three axes are mirrored with probability 1/2 each, as test-time augmentation does.
    """
    axes = tuple(axis for axis in range(3) if rng.random() < 0.5)
    image = np.flip(image, tuple(a + 1 for a in axes)).copy()
    label = np.flip(label, axes).copy()
    for channel in range(len(image)):
        image[channel] = _intensity(image[channel], rng)
    if rng.random() < 0.05:
        image[1] = image[0]  # contrast that never came: the network must survive it
    return image, label


def _intensity(volume: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    volume = volume * np.float32(rng.uniform(0.85, 1.15)) + np.float32(rng.normal(0, 0.08))
    if rng.random() < 0.2:
        low, span = volume.min(), np.ptp(volume) + 1e-6
        volume = ((volume - low) / span) ** np.float32(rng.uniform(0.8, 1.25)) * span + low
    if rng.random() < 0.2:
        volume = ndimage.gaussian_filter(volume, (0, *[rng.uniform(0.3, 0.9)] * 2))
    if rng.random() < 0.4:
        scale = np.float32(rng.uniform(0, 0.15))
        volume = volume + scale * rng.standard_normal(volume.shape, np.float32)
    return volume
