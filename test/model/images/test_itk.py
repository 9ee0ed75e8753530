"""SimpleITK's images and arrays."""

import numpy as np

from model.images.grid import Grid
from model.images.itk import pixels, to_image

GRID = Grid((4, 3, 2), (1.0, 2.0, 3.0), (5.0, 6.0, 7.0), (-1.0, 0, 0, 0, -1.0, 0, 0, 0, 1.0))


def test_an_array_becomes_an_image_on_its_grid_and_comes_back():
    array = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    image = to_image(array.transpose(0, 1, 2)[:, ::-1], GRID)
    assert (image.GetSpacing(), image.GetOrigin()) == (GRID.spacing_xyz, GRID.origin_xyz)
    assert image.GetDirection() == GRID.direction
    np.testing.assert_array_equal(pixels(image), array[:, ::-1])


def test_pixels_live_longer_than_the_image_that_nobody_holds():
    array = pixels(to_image(np.full((2, 3, 4), 7, np.int16), GRID))
    assert (array == 7).all() and array.flags.writeable
