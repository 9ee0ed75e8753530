"""CTs of every format as HU, masks as labels, and what is refused."""

import gc
import gzip
import os

import numpy as np
import pytest
import SimpleITK as sitk

from model.errors import InputError
from model.images.grid import Grid, to_input_grid
from model.images.read import (
    IMAGE_SUFFIXES,
    image_suffix,
    read_grid,
    read_label_map,
    read_labels,
    read_mask,
    read_scan,
)

SHAPE = (4, 5, 6)


@pytest.mark.parametrize("suffix", IMAGE_SUFFIXES)
@pytest.mark.parametrize("compress", [False, True])
def test_all_formats_give_the_same_pair(ct_image, save, read_one, tmp_path, suffix, compress):
    image = sitk.DICOMOrient(ct_image(), "RSA")
    pair = read_one(save(image, tmp_path / f"ct{suffix}", compress))
    gc.collect()  # the arrays must keep their pixels alive
    np.testing.assert_array_equal(to_input_grid(pair.ct, pair.grid), sitk.GetArrayFromImage(image))
    assert pair.ct.dtype == np.int16 and pair.ct.flags.writeable  # torch warns on stderr about others
    np.testing.assert_allclose(pair.grid.spacing_xyz, image.GetSpacing(), rtol=1e-6)
    np.testing.assert_allclose(pair.grid.origin_xyz, image.GetOrigin(), rtol=1e-6)
    np.testing.assert_allclose(pair.grid.direction, image.GetDirection(), atol=1e-6)


@pytest.mark.parametrize("suffix", IMAGE_SUFFIXES)
@pytest.mark.parametrize(("more", "slices"), [(0, 4), (1, 4), (59, 4), (60, 5), (250, 8)])
def test_slices_behind_those_of_the_header_are_told(ct_image, save, tmp_path, suffix, more, slices):
    """A slice has 60 bytes; less than one is how some programs pad."""
    path = save(ct_image(), tmp_path / f"ct{suffix}", False)
    with (path.with_suffix(".raw") if suffix == ".mhd" else path).open("ab") as file:
        file.write(b"\1" * more)
    if suffix == ".nii.gz":
        path.write_bytes(
            gzip.compress(save(ct_image(), tmp_path / "a.nii", False).read_bytes() + b"\1" * more)
        )
    scan = read_scan(path)
    np.testing.assert_array_equal(scan.array, sitk.GetArrayFromImage(ct_image()))
    told = slices > 4 and suffix != ".nii.gz"  # of what is packed the size is known too late
    assert scan.oddities == ((f"its file holds {slices} slices, its header tells of 4",) if told else ())


@pytest.mark.parametrize("matrix", ["0 0 0 0 0 0 0 0 0", "1 0 0 0 1 0 1 0 0", "nan 0 0 0 1 0 0 0 1"])
def test_axes_that_span_no_volume_are_refused(ct_image, save, error_of, tmp_path, matrix, capfd):
    content = save(ct_image(), tmp_path / "ct.mha").read_bytes()
    head, _, tail = content.partition(b"TransformMatrix = ")
    path = tmp_path / "flat.mha"
    path.write_bytes(head + b"TransformMatrix = " + matrix.encode() + tail[tail.index(b"\n") :])
    error_of(path)
    assert capfd.readouterr().err == ""


def test_missing_file_and_unknown_format_are_refused(error_of, tmp_path):
    assert "no such file" in error_of(tmp_path / "ct.mha")
    (tmp_path / "ct.txt").write_text("x")
    assert "format" in error_of(tmp_path / "ct.txt")
    (tmp_path / "ct.mha").write_text("version https://git-lfs.github.com/spec/v1\n")
    error_of(tmp_path / "ct.mha")


def test_file_without_permission_is_refused(ct_image, save, error_of, tmp_path, monkeypatch):
    path = save(ct_image(), tmp_path / "ct.mha")
    monkeypatch.setattr(os, "access", lambda *arguments: False)  # root may read everything
    assert "no permission" in error_of(path)


@pytest.mark.parametrize(
    "image",
    [
        sitk.Image(8, 8, sitk.sitkInt16),
        sitk.Image([4, 4, 4, 2], sitk.sitkInt16),
        sitk.Image([8, 8, 1], sitk.sitkInt16),
        sitk.Image([4, 4, 4], sitk.sitkVectorInt16, 2),
    ],
    ids=["2D", "4D", "one slice", "vector"],
)
def test_other_than_scalar_3d_is_refused(save, error_of, tmp_path, image):
    path = save(image, tmp_path / "ct.mha")
    error_of(path)
    with pytest.raises(InputError):
        read_grid(path)


@pytest.mark.parametrize("suffix", IMAGE_SUFFIXES)
def test_several_volumes_of_which_there_is_one_are_one(ct_image, save, read_one, tmp_path, suffix):
    image = ct_image()
    pair = read_one(save(sitk.JoinSeries([image]), tmp_path / f"one{suffix}"))
    np.testing.assert_array_equal(to_input_grid(pair.ct, pair.grid), sitk.GetArrayFromImage(image))
    assert read_grid(tmp_path / f"one{suffix}") == read_grid(save(image, tmp_path / f"ct{suffix}"))


@pytest.mark.parametrize("size", ["100000 100000 1000", "0 4 4"])
def test_absurd_size_is_refused(ct_image, save, error_of, tmp_path, size):
    path = save(ct_image(), tmp_path / "ct.mhd", compress=False)
    path.write_text(path.read_text().replace("DimSize = 6 5 4", f"DimSize = {size}"))
    error_of(path)
    with pytest.raises(InputError):
        read_grid(path)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("suffix", IMAGE_SUFFIXES)
def test_voxels_that_are_no_numbers_are_refused(
    ct_image, save, read_one, error_of, tmp_path, value, dtype, suffix
):
    array = np.zeros(SHAPE, dtype)
    path = save(ct_image(array), tmp_path / f"good{suffix}")
    assert read_one(path).ct.shape == SHAPE
    array[2, 1, 3] = value
    path = save(ct_image(array), tmp_path / f"ct{suffix}")
    assert "NaN or infinite" in error_of(path)


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        ([-1000.4, 40.6, 1e6, -1e6], np.float32, [-1000, 41, 32767, -32768]),
        ([-1000.4, 40.6, 1e6, -1e6], np.float64, [-1000, 41, 32767, -32768]),
        ([0, 255, 7, 8], np.uint8, [0, 255, 7, 8]),
        ([0, 65535, 7, 8], np.uint16, [0, 32767, 7, 8]),
        ([-100000, 100000, 7, 8], np.int32, [-32768, 32767, 7, 8]),
        ([-100000, 100000, 7, 8], np.int64, [-32768, 32767, 7, 8]),
        ([0, 2**63, 7, 8], np.uint64, [0, 32767, 7, 8]),
    ],
)
def test_other_types_become_int16(ct_image, save, read_one, tmp_path, values, dtype, expected):
    array = np.resize(np.array(values, dtype), (2, 2, 4))
    pair = read_one(save(ct_image(array), tmp_path / "ct.nrrd"))
    assert pair.ct.dtype == np.int16
    np.testing.assert_array_equal(pair.ct, np.resize(expected, (2, 2, 4)))


def test_the_longest_suffix_counts(tmp_path):
    names = ("a.nii.gz", "a.nii", "b.c.mha", "a.gz", "nii")
    assert [image_suffix(tmp_path / name) for name in names] == [".nii.gz", ".nii", ".mha", "", ""]


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.float32, np.float64])
def test_labels_of_any_type_are_read(ct_image, save, tmp_path, dtype):
    labels = np.random.default_rng(0).integers(0, 3, SHAPE)
    array, grid = read_label_map(save(ct_image(labels.astype(dtype)), tmp_path / "a.nii.gz"), 2)
    np.testing.assert_array_equal(array, labels)
    assert array.dtype == np.uint8 and grid.size_xyz == SHAPE[::-1]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (3, "values from 0.0 to 3"),
        (-1, "values from -1.0 to"),
        (0.5, "fractions"),
        (np.nan, "values from nan"),
    ],
)
def test_what_is_no_label_is_refused(ct_image, save, tmp_path, value, words):
    labels = np.zeros(SHAPE, np.float32)
    labels[1, 2, 3], labels[1, 1, 1] = value, 1
    with pytest.raises(InputError, match=f"a.mha: {words}.*; write whole labels"):
        read_label_map(save(ct_image(labels), tmp_path / "a.mha"), 2)


def test_labels_on_another_grid_than_the_ct_are_refused(ct_image, save, tmp_path):
    path = save(ct_image(np.ones(SHAPE, np.uint8)), tmp_path / "a.mha")
    grid = read_grid(path)
    assert read_labels(path, grid, 1).shape == SHAPE
    moved = Grid(grid.size_xyz, grid.spacing_xyz, (0.0, 0.0, 0.0), grid.direction)
    with pytest.raises(InputError, match="origin .* as the non-contrast CT has"):
        read_labels(path, moved, 1)


def test_channels_are_read_only_where_they_are_allowed(ct_image, save, tmp_path):
    channels = [np.random.default_rng(k).integers(0, 2, SHAPE).astype(np.uint8) for k in range(3)]
    for count in (2, 3):
        image = sitk.JoinSeries([ct_image(channel) for channel in channels[:count]])
        save(image, tmp_path / f"{count}.mha")
    array, grid = read_label_map(tmp_path / "2.mha", 2, channels=2)
    np.testing.assert_array_equal(array, channels[:2])
    assert grid.size_xyz == SHAPE[::-1] and len(grid.direction) == 9
    for name, allowed, words in (("2.mha", 0, "4 dimensions"), ("3.mha", 2, "3 channels")):
        with pytest.raises(InputError, match=words):
            read_label_map(tmp_path / name, 2, channels=allowed)
    with pytest.raises(InputError, match="labels are 0 to 1"):
        read_label_map(
            save(sitk.JoinSeries([ct_image(2 * c) for c in channels[:2]]), tmp_path / "x.mha"), 2, channels=2
        )


def test_a_mask_of_one_structure_has_any_one_value_inside(ct_image, save, tmp_path):
    labels = np.arange(8 * 10 * 12).reshape(8, 10, 12) % 2
    for number, inside in enumerate((1, 255, 0.25)):
        path = save(ct_image((labels * inside).astype(np.float32)), tmp_path / f"{number}.mha")
        mask, grid = read_mask(path)
        assert mask.dtype == bool and grid.size_xyz == (12, 10, 8)
        np.testing.assert_array_equal(mask, labels == 1)
    path = save(
        ct_image((np.arange(8 * 10 * 12).reshape(8, 10, 12) % 4).astype(np.int16)), tmp_path / "several.mha"
    )
    with pytest.raises(InputError, match="values from 0 to 3, but a mask is 0 and one value above it"):
        read_mask(path)
