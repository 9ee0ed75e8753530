"""SimpleITK's images as the rest needs them.

To be imported where it is used, and not before: it takes 90 MB and much of the time that process.py takes to load,
while what is read and computed does without it.
"""

import numpy as np
import SimpleITK as sitk

from model.images.grid import Grid

sitk.ProcessObject.SetGlobalWarningDisplay(False)  # ITK's warnings would break "one line on stderr"


class _Pixels:
    """An image's voxels for np.asarray; keeps the image alive as long as an array refers to it."""

    def __init__(self, image: sitk.Image) -> None:
        self.image = image
        interface = sitk.GetArrayViewFromImage(image).__array_interface__
        address, _ = interface["data"]
        self.__array_interface__ = {**interface, "data": (address, False)}  # torch warns of read-only arrays


def pixels(image: sitk.Image) -> np.ndarray:
    """An image's voxels, not copied, (z, y, x) along the file's own axes."""
    return np.asarray(_Pixels(image))


def to_image(array: np.ndarray, grid: Grid) -> sitk.Image:
    """A copy of an array (z, y, x), or (channels, z, y, x), along the grid's own axes as an image on it."""
    return on_grid(sitk.GetImageFromArray(np.ascontiguousarray(array), isVector=False), grid)


def on_grid(image: sitk.Image, grid: Grid) -> sitk.Image:
    """The image itself, laid on a grid. A fourth dimension, of channels, gets spacing 1 and origin 0."""
    direction = np.eye(image.GetDimension())
    direction[:3, :3] = np.reshape(grid.direction, (3, 3))
    channels = image.GetDimension() - 3
    image.SetSpacing((*grid.spacing_xyz, *[1.0] * channels))
    image.SetOrigin((*grid.origin_xyz, *[0.0] * channels))
    image.SetDirection(tuple(direction.ravel()))
    return image
