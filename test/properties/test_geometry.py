"""Any grid survives writing and reading, and the way to canonical orientation and back. Oracle: SimpleITK's points."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st

from model.images.grid import Grid, difference, orientation, to_canonical, to_input_grid
from model.images.itk import to_image
from model.images.read import read_grid, read_label_map, read_labels, read_scan
from model.images.write import write_channels, write_image, write_label_map


def numbered(grid) -> np.ndarray:
    """Another number in every voxel, int16 (z, y, x) along the file's axes."""
    return np.arange(np.prod(grid.size_xyz), dtype=np.int16).reshape(grid.size_xyz[::-1])


def labels_in(shape, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 3, shape).astype(np.uint8)


def of_its_own(folder: Path, suffix: str) -> Path:
    """One folder for each format: where x.nii lies beside x.nii.gz, ITK takes the voxels of both from x.nii."""
    (folder / suffix).mkdir(exist_ok=True)
    return folder / suffix


def test_canonical_axes_run_to_head_back_and_left(grids):
    """From voxel to voxel by the nearest axis, and so far as the spacing says."""

    @given(grids())
    def holds(grid):
        array = numbered(grid)
        image, canonical = to_image(array, grid), to_canonical(array, grid)
        np.testing.assert_array_equal(to_input_grid(canonical, grid), array)

        def place(*index_zyx: int) -> np.ndarray:
            z, y, x = np.unravel_index(int(canonical[index_zyx]), array.shape)
            return np.array(image.TransformIndexToPhysicalPoint((int(x), int(y), int(z))))

        for axis, patient in ((0, 2), (1, 1), (2, 0)):
            step = place(*(int(axis == k) for k in range(3))) - place(0, 0, 0)
            assert step[patient] >= -1e-6
            assert np.linalg.norm(step) == pytest.approx(grid.canonical_spacing_zyx[axis], rel=1e-6)
        assert sorted(orientation(grid)[0]) == [0, 1, 2]

    holds()


def test_a_ct_is_read_as_it_was_written(grids, suffix, folder):
    @given(grids(), st.booleans())
    def holds(grid, compress):
        path, array = of_its_own(folder, suffix) / f"ct{suffix}", numbered(grid) - 300
        write_image(path, array, grid, compress=compress)
        scan = read_scan(path)
        np.testing.assert_array_equal(scan.array, array)
        assert difference(scan.grid, grid) == "" == difference(read_grid(path), grid)
        image = sitk.ReadImage(str(path))
        np.testing.assert_array_equal(sitk.GetArrayFromImage(image), array)
        corner = [n - 1 for n in grid.size_xyz]
        expected = to_image(array, grid).TransformIndexToPhysicalPoint(corner)
        np.testing.assert_allclose(image.TransformIndexToPhysicalPoint(corner), expected, atol=1e-2)

    holds()


def test_header_and_data_apart_are_read_as_they_were_written(grids, folder):
    @given(grids(), st.booleans())
    def holds(grid, compress):
        path, array = folder / "ct.mhd", numbered(grid)
        sitk.WriteImage(to_image(array, grid), str(path), compress)
        scan = read_scan(path)
        np.testing.assert_array_equal(scan.array, array)
        assert difference(scan.grid, grid) == ""

    holds()


def test_a_label_map_returns_to_canonical_orientation(grids, suffix, folder):
    @given(grids(), st.integers(0, 99))
    def holds(grid, seed):
        path, labels = (
            of_its_own(folder, suffix) / f"labels{suffix}",
            labels_in(to_canonical(numbered(grid), grid).shape, seed),
        )
        write_label_map(path, labels, grid)
        np.testing.assert_array_equal(read_labels(path, grid, 2), labels)
        own = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
        np.testing.assert_array_equal(to_canonical(own, grid), labels)

    holds()


def test_channels_are_the_label_map_on_the_same_grid(grids, suffix, folder):
    @given(grids(), st.integers(0, 99))
    def holds(grid, seed):
        path, labels = (
            of_its_own(folder, suffix) / f"channels{suffix}",
            labels_in(to_canonical(numbered(grid), grid).shape, seed),
        )
        write_channels(path, labels, grid)
        channels, own_grid = read_label_map(path, 2, channels=2)
        assert difference(own_grid, grid) == ""
        for channel, label in zip(channels, (1, 2), strict=True):
            np.testing.assert_array_equal(to_canonical(channel, grid), labels == label)

    holds()


def test_two_files_that_differ_in_packing_alone_are_not_mixed_up(folder):
    """As ITK does: x.nii.gz with the voxels of x.nii."""
    grid = Grid((3, 4, 5), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), tuple(np.eye(3).ravel()))
    suffixes = (".nii", ".nii.gz", ".mha", ".nrrd")
    arrays = {suffix: numbered(grid) + k for k, suffix in enumerate(suffixes)}
    for suffix, array in arrays.items():
        write_image(folder / f"same{suffix}", array, grid)
    for suffix, array in arrays.items():
        np.testing.assert_array_equal(read_scan(folder / f"same{suffix}").array, array)
