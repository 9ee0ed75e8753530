"""Images written whole or not at all; read back with SimpleITK."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from model.errors import InputError
from model.images.grid import Grid, empty_labels, to_input_grid
from model.images.read import read_grid, read_labels
from model.images.write import write_channels, write_image, write_label_map

TILT = sitk.Euler3DTransform((0, 0, 0), 0.2, -0.1, 0.3).GetMatrix()
GRID = Grid((9, 8, 7), (1.0, 1.5, 3.0), (-4.0, 5.0, 6.0), (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0))


@pytest.mark.parametrize("direction", [None, (-1, 0, 0, 0, -1, 0, 0, 0, 1), TILT])
@pytest.mark.parametrize("suffix", [".mha", ".nii.gz", ".nrrd"])
def test_label_map_lies_on_the_input_grid(ct_image, save, read_one, labels_for, tmp_path, direction, suffix):
    image = ct_image(direction=direction)
    pair = read_one(save(image, tmp_path / "ct.mha"))
    labels = labels_for(pair)
    write_label_map(tmp_path / f"out{suffix}", labels, pair.grid)
    written = sitk.ReadImage(str(tmp_path / f"out{suffix}"))
    assert written.GetPixelID() == sitk.sitkUInt8 and written.GetSize() == image.GetSize()
    for name in ("GetSpacing", "GetOrigin", "GetDirection"):
        np.testing.assert_allclose(getattr(written, name)(), getattr(image, name)(), atol=1e-5)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(written), to_input_grid(labels, pair.grid))
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(["ct.mha", f"out{suffix}"])


@pytest.mark.parametrize("code", ["LPS", "RAI", "PIR"])
def test_channels_are_one_4d_scalar_file_on_the_input_grid(
    ct_image, save, read_one, labels_for, tmp_path, code
):
    image = sitk.DICOMOrient(ct_image(), code)
    pair = read_one(save(image, tmp_path / "ct.mha"))
    labels = labels_for(pair)
    write_channels(tmp_path / "out.mha", labels, pair.grid)
    header = (tmp_path / "out.mha").read_bytes().split(b"LOCAL")[0].decode()
    x, y, z = image.GetSize()
    for line in ("NDims = 4", "ElementType = MET_UCHAR", "CompressedData = True", f"DimSize = {x} {y} {z} 2"):
        assert line in header
    assert "ElementNumberOfChannels" not in header
    written = sitk.ReadImage(str(tmp_path / "out.mha"))
    assert written.GetSpacing() == (*image.GetSpacing(), 1.0)
    assert written.GetOrigin() == (*image.GetOrigin(), 0.0)
    block = np.eye(4)
    block[:3, :3] = np.reshape(image.GetDirection(), (3, 3))
    np.testing.assert_array_equal(np.reshape(written.GetDirection(), (4, 4)), block)
    on_file = to_input_grid(labels, pair.grid)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(written), np.stack([on_file == 1, on_file == 2]))


def test_failed_write_keeps_the_old_result_and_leaves_nothing(ct_image, save, tmp_path, monkeypatch):
    grid = read_grid(save(ct_image(), tmp_path / "ct.mha"))
    write_label_map(tmp_path / "out.mha", empty_labels(grid), grid)
    before = (tmp_path / "out.mha").read_bytes()

    def full_disk(image, name, **options):
        with open(name, "wb") as file:
            file.write(b"half")
        raise RuntimeError("ITK ERROR: X(0x1): no space")

    monkeypatch.setattr(sitk, "WriteImage", full_disk)
    with pytest.raises(InputError, match=r"out.mha: cannot be written \(no space\); "):
        write_label_map(tmp_path / "out.mha", empty_labels(grid) + np.uint8(1), grid)
    assert (tmp_path / "out.mha").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("suffix", [".mha", ".nii", ".nii.gz", ".nrrd"])
@pytest.mark.parametrize("cut", [1, 100, "all", "bit"])
def test_a_short_write_is_seen_and_leaves_nothing(tmp_path, monkeypatch, suffix, cut):
    """ITK reports no full disk for NIfTI, and for small masks in no format."""
    original = sitk.WriteImage

    def on_a_full_disk(image, path, **options):
        original(image, path, **options)
        content = bytearray(Path(path).read_bytes())
        if cut == "bit":
            content[-30] ^= 1
        Path(path).write_bytes(
            content[: len(content) - (len(content) if cut == "all" else cut if cut != "bit" else 0)]
        )

    monkeypatch.setattr(sitk, "WriteImage", on_a_full_disk)
    array = np.random.default_rng(0).integers(0, 3, (7, 8, 9)).astype(np.uint8)
    with pytest.raises(InputError, match="cannot be written .*; free space"):
        write_image(tmp_path / f"mask{suffix}", array, GRID)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [".mha", ".nii", ".nii.gz", ".nrrd"])
def test_a_grid_far_off_is_written_as_finely_as_the_format_can(tmp_path, suffix):
    grid = replace(GRID, origin_xyz=(-1234.567, 20000.0123, 50000.123))
    labels = np.random.default_rng(0).integers(0, 3, (7, 8, 9)).astype(np.uint8)
    write_label_map(tmp_path / f"mask{suffix}", labels, grid)
    origin = sitk.ReadImage(str(tmp_path / f"mask{suffix}")).GetOrigin()
    rounded = np.float32(grid.origin_xyz) if ".nii" in suffix else grid.origin_xyz
    np.testing.assert_allclose(origin, rounded, rtol=1e-12)
    np.testing.assert_array_equal(read_labels(tmp_path / f"mask{suffix}", grid, 2), labels)


@pytest.mark.parametrize("dtype", [np.int16, np.uint8, np.float32])
@pytest.mark.parametrize("compress", [True, False])
def test_an_image_comes_back_on_its_grid(tmp_path, dtype, compress):
    array = np.random.default_rng(0).integers(0, 100, (7, 8, 9)).astype(dtype)
    write_image(tmp_path / "deep" / "a.nii.gz", array, GRID, compress=compress)
    image = sitk.ReadImage(str(tmp_path / "deep" / "a.nii.gz"))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), array)
    assert image.GetSize() == GRID.size_xyz
    np.testing.assert_allclose(
        (*image.GetSpacing(), *image.GetOrigin()), (*GRID.spacing_xyz, *GRID.origin_xyz)
    )
