"""Orientation and volumes; the oracle is SimpleITK."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk

from model.images.grid import (
    Grid,
    canonical_place,
    difference,
    empty_labels,
    overlap,
    position_mm,
    same_grid,
    size_in_words,
    to_input_grid,
    volume_cm3,
)
from model.images.read import read_grid

AXES = [("L", "R"), ("P", "A"), ("S", "I")]
ORIENTATIONS = [
    "".join(letters) for order in itertools.permutations(AXES) for letters in itertools.product(*order)
]
TILT = sitk.Euler3DTransform((0, 0, 0), 0.2, -0.1, 0.3).GetMatrix()
IDENTITY = (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0)


@pytest.mark.parametrize("code", ORIENTATIONS)
def test_every_orientation_becomes_canonical_and_returns(ct_image, save, read_one, tmp_path, code):
    filed = sitk.DICOMOrient(ct_image(), code)
    pair = read_one(save(filed, tmp_path / "ct.mha"))
    canonical = sitk.DICOMOrient(filed, "LPS")
    np.testing.assert_array_equal(pair.ct, sitk.GetArrayFromImage(canonical))
    np.testing.assert_array_equal(pair.ce, pair.ct)
    assert pair.spacing_zyx == canonical.GetSpacing()[::-1]
    np.testing.assert_array_equal(to_input_grid(pair.ct, pair.grid), sitk.GetArrayFromImage(filed))
    assert empty_labels(pair.grid).shape == pair.ct.shape


@pytest.mark.parametrize("code", ["LPS", "RAI", "SRP", "PIL"])
def test_voxels_of_a_canonical_array_lie_where_they_lay(ct_image, save, tmp_path, code):
    canonical = sitk.DICOMOrient(ct_image(), "LPS")
    grid = read_grid(save(sitk.DICOMOrient(ct_image(), code), tmp_path / "ct.mha"))
    place, steps = canonical_place(grid)
    for index in ((0, 0, 0), (3, 2, 1)):
        expected = canonical.TransformIndexToPhysicalPoint(index)
        np.testing.assert_allclose(place + np.array(index[::-1]) @ steps, expected, atol=1e-4)


@pytest.mark.parametrize("code", ["LPS", "RAI", "SRP", "PIL", "ILP"])
def test_positions_of_voxels_are_those_of_itk(ct_image, save, read_one, tmp_path, code):
    filed = sitk.DICOMOrient(ct_image(), code)
    grid = read_one(save(filed, tmp_path / "ct.mha")).grid
    upright = sitk.DICOMOrient(filed, "LPS")
    for z, y, x in ((0, 0, 0), (2, 1, 3)):
        assert position_mm(grid, (z, y, x)) == pytest.approx(upright.TransformIndexToPhysicalPoint((x, y, z)))


def test_there_are_48_orientations():
    assert len(set(ORIENTATIONS)) == 48


@pytest.mark.parametrize("code", ["LPS", "RAI", "SRP", "PIL"])
def test_canonical_axes_follow_the_patient_in_oblique_grids(ct_image, save, read_one, tmp_path, code):
    filed = sitk.DICOMOrient(ct_image(), code)
    filed.SetDirection((np.reshape(TILT, (3, 3)) @ np.reshape(filed.GetDirection(), (3, 3))).ravel().tolist())
    pair = read_one(save(filed, tmp_path / "ct.mha"))
    values = sitk.GetArrayFromImage(filed)

    def position(z, y, x):
        (index,) = np.argwhere(values == pair.ct[z, y, x])
        return np.array(filed.TransformIndexToPhysicalPoint([int(i) for i in index[::-1]]))

    for step, patient_axis in (((1, 0, 0), 2), ((0, 1, 0), 1), ((0, 0, 1), 0)):
        moved = position(*step) - position(0, 0, 0)
        assert np.argmax(np.abs(moved)) == patient_axis and moved[patient_axis] > 0
        assert np.linalg.norm(moved) == pytest.approx(pair.spacing_zyx[2 - patient_axis])
    np.testing.assert_array_equal(to_input_grid(pair.ct, pair.grid), values)


def test_volume_is_voxels_times_spacing(ct_image, save, tmp_path):
    grid = read_grid(save(ct_image(spacing=(2, 5, 10)), tmp_path / "ct.mha"))
    labels = empty_labels(grid)
    labels[0, 0, :3] = 1
    labels[1, 0, 0] = 2
    assert volume_cm3(labels, 1, grid) == pytest.approx(0.3)
    assert volume_cm3(labels, 2, grid) == pytest.approx(0.1)


def test_a_difference_names_what_differs_and_both_values():
    grid = Grid((6, 5, 4), (1.0, 1.5, 3.0), (0.0, 0.0, 0.0), IDENTITY)
    others = {
        "size (6, 5, 4) voxels, not (6, 5, 5)": Grid((6, 5, 5), grid.spacing_xyz, grid.origin_xyz, IDENTITY),
        "spacing (1.0, 1.5, 3.0) mm, not (1.0, 1.5, 3.002)": Grid(
            (6, 5, 4), (1.0, 1.5, 3.002), (0.0,) * 3, IDENTITY
        ),
        "origin (0.0, 0.0, 0.0) mm, not (0.0, 0.1, 0.0)": Grid(
            (6, 5, 4), grid.spacing_xyz, (0.0, 0.1, 0.0), IDENTITY
        ),
        "direction": Grid((6, 5, 4), grid.spacing_xyz, grid.origin_xyz, tuple(TILT)),
    }
    for words, other in others.items():
        assert difference(grid, other).startswith(words) and not same_grid(grid, other)
    nearly = Grid((6, 5, 4), (1.0, 1.5, 3.0009), (0.0009, 0.0, 0.0), IDENTITY)
    assert difference(grid, nearly) == "" and same_grid(grid, nearly)


@pytest.mark.parametrize("far_mm", [1e3, 5e4, 1e6])
def test_what_float32_rounds_is_no_difference(far_mm):
    for z in far_mm + np.random.default_rng(0).uniform(0, 1, 100):
        grid, rounded = (
            Grid((6, 5, 4), (1.0,) * 3, (0.0, 0.0, float(o)), IDENTITY) for o in (z, np.float32(z))
        )
        assert same_grid(grid, rounded)
        moved = replace(grid, origin_xyz=(0.0, 0.0, float(z) + 1e-3 + far_mm * 2.5e-7))
        assert not same_grid(grid, moved)


def test_spacing_in_either_order_and_size_in_words():
    turned = Grid((6, 5, 4), (1.0, 1.5, 3.0), (0.0, 0.0, 0.0), (0.0, 0, 1.0, 1.0, 0, 0, 0, 1.0, 0))
    assert turned.spacing_zyx == (3.0, 1.5, 1.0)
    assert turned.canonical_spacing_zyx == (1.5, 1.0, 3.0)  # head: its y, back: its x, left: its z
    assert size_in_words(turned) == "6 x 5 x 4"


def test_boxes_that_only_touch_do_not_overlap():
    one = Grid((4, 4, 4), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), IDENTITY)
    for x, shared in ((3.9, True), (4.0, False), (-4.0, False), (-3.9, True)):
        assert overlap(one, Grid((4, 4, 4), (1.0, 1.0, 1.0), (x, 0.0, 0.0), IDENTITY)) == shared
