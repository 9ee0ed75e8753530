"""SimpleITK's images and arrays."""

import subprocess
import sys

import numpy as np

from model.images.grid import Grid
from model.images.itk import pixels, to_image
from model.images.write import write_image

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


def test_it_is_not_loaded_before_something_is_written(root, tmp_path):
    """In a process of its own, which has loaded process.py and read a pair."""
    for name in ("ct", "ce"):
        write_image(tmp_path / f"{name}.nii.gz", np.zeros((2, 3, 4), np.int16), GRID)
    code = f"""
import sys
from pathlib import Path
import process
from model.images.pair import read_pair
read_pair(Path({str(tmp_path)!r}, "ct.nii.gz"), Path({str(tmp_path)!r}, "ce.nii.gz"), lambda line: None)
assert "model.images.write" in sys.modules and "SimpleITK" not in sys.modules and "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True)
