"""Masks in files on the slices of a series, and back."""

import itertools

import numpy as np
import pytest
import SimpleITK as sitk

from dicom.masks import canonical, label_map, labels_on_series, read_on_series
from model.errors import InputError
from model.images.write import write_image

SIZE_CHANGED = "size .* as the CT series has; give a mask on the grid of this series"


def test_masks_are_on_the_grid_whose_planes_are_the_slices(every_series):
    masks = read_on_series([every_series.mask], every_series.reference)
    np.testing.assert_array_equal(label_map(masks), every_series.labels)
    again = labels_on_series(every_series.labels, every_series.grid, every_series.reference)
    for label, structure in enumerate(("GTVp", "GTVnd"), 1):
        np.testing.assert_array_equal(masks[structure], every_series.labels == label)
        np.testing.assert_array_equal(again[structure], masks[structure])


def test_where_both_are_gtvp_stays():
    both = np.ones((2, 3, 4), bool)
    assert (label_map({"GTVp": both, "GTVnd": both}) == 1).all()
    assert (label_map({"GTVnd": both}) == 2).all()


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
def test_axes_in_another_order_are_the_same_voxels(all_series, tmp_path, order):
    for name in ("feet first supine", "oblique"):
        written = all_series(name)
        image = sitk.ReadImage(str(written.mask))
        image = sitk.Flip(sitk.PermuteAxes(image, order), [True, False, order[0] > 0])
        sitk.WriteImage(image, str(tmp_path / "turned.nrrd"))
        masks = read_on_series([tmp_path / "turned.nrrd"], written.reference)
        expected = read_on_series([written.mask], written.reference)
        for structure in expected:
            np.testing.assert_array_equal(masks[structure], expected[structure])


def test_the_canonical_grid_has_the_same_places(all_series):
    for name in ("feet first prone", "oblique", "coronal", "on the right side"):
        grid = all_series(name).grid
        turned = canonical(grid)
        for one, other in ((grid, turned), (turned, grid)):
            image = sitk.Image(one.size_xyz, sitk.sitkUInt8)
            image.SetSpacing(one.spacing_xyz)
            image.SetOrigin(one.origin_xyz)
            image.SetDirection(one.direction)
            at = image.TransformPhysicalPointToContinuousIndex(other.origin_xyz)
            assert all(min(abs(v), abs(v - n + 1)) < 1e-6 for v, n in zip(at, one.size_xyz, strict=True))


def test_channels_and_files_for_each_structure(a_series, tmp_path):
    expected = read_on_series([a_series.mask], a_series.reference)
    both = np.stack([a_series.labels == 1, a_series.labels == 2]).astype(np.uint8)
    for number, name in enumerate(("GTVp.nii.gz", "case_7_GTV-N.mha")):
        write_image(tmp_path / name, both[number], a_series.grid)
    separate = read_on_series([tmp_path / "case_7_GTV-N.mha", tmp_path / "GTVp.nii.gz"], a_series.reference)
    alone = read_on_series([tmp_path / "GTVp.nii.gz"], a_series.reference)
    for structure in expected:
        np.testing.assert_array_equal(separate[structure], expected[structure])
    assert list(alone) == ["GTVp"]


def test_another_grid_is_refused(a_series, tmp_path):
    write_image(tmp_path / "m.mha", a_series.labels[:-1], canonical_with_size(a_series.grid))
    with pytest.raises(InputError, match=SIZE_CHANGED):
        read_on_series([tmp_path / "m.mha"], a_series.reference)
    with pytest.raises(InputError, match=SIZE_CHANGED):
        labels_on_series(a_series.labels[:-1], canonical_with_size(a_series.grid), a_series.reference)


def canonical_with_size(grid):
    """The same grid one slice shorter."""
    x, y, z = grid.size_xyz
    return type(grid)((x, y, z - 1), grid.spacing_xyz, grid.origin_xyz, grid.direction)


@pytest.mark.parametrize(
    ("names", "fact"),
    [
        (("a.mha", "b.mha"), "a.mha: its name says neither GTVp nor GTVnd; give one file for all"),
        (("GTVp.mha", "gtv_p_2.mha"), "gtv_p_2.mha: a second mask of GTVp"),
    ],
)
def test_several_files_must_say_what_they_are(a_series, tmp_path, names, fact):
    with pytest.raises(InputError, match=fact):
        read_on_series([tmp_path / name for name in names], a_series.reference)


@pytest.mark.parametrize(
    ("name", "labels", "fact"),
    [
        ("primary_07", (2,), "its name says GTVp, but its values are those of a label map with GTVnd alone"),
        ("CTVp", (1,), "its name says another structure, and its only label is GTVp's"),
        ("parotid_L", (1,), "its name says another structure, and its only label is GTVp's"),
        ("gtv1", (1,), "its name says GTV, but not which, and its only label is GTVp's"),
        ("N", (1,), "its name says another structure, and its only label is GTVp's"),
        ("N", (2,), None),
        ("GTVnd", (1,), None),
        ("GTVp", (1,), None),
        ("patient_07", (2,), None),
        ("parotid_L", (1, 2), None),
    ],
)
def test_a_name_that_speaks_against_the_only_label_is_refused(a_series, tmp_path, name, labels, fact):
    path = tmp_path / f"{name}.nii.gz"
    array = np.where(np.isin(a_series.labels, labels), a_series.labels, 0).astype(np.uint8)
    write_image(path, array, a_series.grid)
    if fact:
        with pytest.raises(InputError, match=f"{name}.nii.gz: {fact}; give it a name"):
            read_on_series([path], a_series.reference)
    else:
        masks = read_on_series([path], a_series.reference)
        assert sum(mask.any() for mask in masks.values()) == len(labels)
