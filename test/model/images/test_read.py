"""Reading, checking, canonical orientation and writing; the oracle of all geometry is SimpleITK."""

import gc
import gzip
import itertools
import os
import resource
import struct
import zlib

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

import model.images.read
import model.images.write
from model.errors import InputError
from model.images.grid import empty_labels, to_input_grid, volume_cm3
from model.images.pair import read_pair
from model.images.read import IMAGE_SUFFIXES, read_grid
from model.images.write import write_channels, write_label_map

SHAPE = (4, 5, 6)
AXES = [("L", "R"), ("P", "A"), ("S", "I")]
ORIENTATIONS = [
    "".join(letters) for order in itertools.permutations(AXES) for letters in itertools.product(*order)
]
TILT = sitk.Euler3DTransform((0, 0, 0), 0.2, -0.1, 0.3).GetMatrix()


def silent(line: str) -> None:
    pass


def ct_image(
    array=None, spacing=(0.5, 0.75, 3.0), origin=(-10.0, 20.0, -300.0), direction=None
) -> sitk.Image:
    if array is None:
        array = np.arange(-400, 440, 7, np.int16).reshape(SHAPE)
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    if direction is not None:
        image.SetDirection(direction)
    return image


def save(image: sitk.Image, path, compress=True):
    sitk.WriteImage(image, str(path), compress)
    return path


def read_one(path):
    return read_pair(path, path, silent)


def labels_for(pair) -> np.ndarray:
    return (np.random.default_rng(0).integers(0, 3, pair.ct.shape)).astype(np.uint8)


def error_of(path, other=None) -> str:
    with pytest.raises(InputError) as caught:
        read_pair(path, other or path, silent)
    message = str(caught.value)
    assert path.name in message and "; " in message and "\n" not in message
    return message


@pytest.mark.parametrize("code", ORIENTATIONS)
def test_every_orientation_becomes_canonical_and_returns(tmp_path, code):
    filed = sitk.DICOMOrient(ct_image(), code)
    pair = read_one(save(filed, tmp_path / "ct.mha"))
    canonical = sitk.DICOMOrient(filed, "LPS")
    np.testing.assert_array_equal(pair.ct, sitk.GetArrayFromImage(canonical))
    np.testing.assert_array_equal(pair.ce, pair.ct)
    assert pair.spacing_zyx == canonical.GetSpacing()[::-1]
    np.testing.assert_array_equal(to_input_grid(pair.ct, pair.grid), sitk.GetArrayFromImage(filed))
    assert empty_labels(pair.grid).shape == pair.ct.shape


def test_there_are_48_orientations():
    assert len(set(ORIENTATIONS)) == 48


@pytest.mark.parametrize("code", ["LPS", "RAI", "SRP", "PIL"])
def test_canonical_axes_follow_the_patient_in_oblique_grids(tmp_path, code):
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


@pytest.mark.parametrize("suffix", IMAGE_SUFFIXES)
@pytest.mark.parametrize("compress", [False, True])
def test_all_formats_give_the_same_pair(tmp_path, suffix, compress):
    image = sitk.DICOMOrient(ct_image(), "RSA")
    pair = read_one(save(image, tmp_path / f"ct{suffix}", compress))
    gc.collect()  # the arrays must keep their pixels alive
    np.testing.assert_array_equal(to_input_grid(pair.ct, pair.grid), sitk.GetArrayFromImage(image))
    assert pair.ct.dtype == np.int16 and pair.ct.flags.writeable  # torch warns on stderr about others
    np.testing.assert_allclose(pair.grid.spacing_xyz, image.GetSpacing(), rtol=1e-6)
    np.testing.assert_allclose(pair.grid.origin_xyz, image.GetOrigin(), rtol=1e-6)
    np.testing.assert_allclose(pair.grid.direction, image.GetDirection(), atol=1e-6)


@pytest.mark.parametrize("direction", [None, (-1, 0, 0, 0, -1, 0, 0, 0, 1), TILT])
@pytest.mark.parametrize("suffix", [".mha", ".nii.gz", ".nrrd"])
def test_label_map_lies_on_the_input_grid(tmp_path, direction, suffix):
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
def test_channels_are_one_4d_scalar_file_on_the_input_grid(tmp_path, code):
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


def test_failed_write_keeps_the_old_result_and_leaves_nothing(tmp_path, monkeypatch):
    grid = read_grid(save(ct_image(), tmp_path / "ct.mha"))
    write_label_map(tmp_path / "out.mha", empty_labels(grid), grid)
    before = (tmp_path / "out.mha").read_bytes()

    def full_disk(image, name, **options):
        with open(name, "wb") as file:
            file.write(b"half")
        raise RuntimeError("ITK ERROR: X(0x1): no space")

    monkeypatch.setattr(model.images.write.sitk, "WriteImage", full_disk)
    with pytest.raises(InputError, match=r"out.mha: cannot be written \(no space\); "):
        write_label_map(tmp_path / "out.mha", empty_labels(grid) + np.uint8(1), grid)
    assert (tmp_path / "out.mha").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 2


def test_volume_is_voxels_times_spacing(tmp_path):
    grid = read_grid(save(ct_image(spacing=(2, 5, 10)), tmp_path / "ct.mha"))
    labels = empty_labels(grid)
    labels[0, 0, :3] = 1
    labels[1, 0, 0] = 2
    assert volume_cm3(labels, 1, grid) == pytest.approx(0.3)
    assert volume_cm3(labels, 2, grid) == pytest.approx(0.1)


@pytest.mark.parametrize("suffix", IMAGE_SUFFIXES)
@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.95, 0.999])
def test_truncated_file_is_refused(tmp_path, suffix, compress, share, capfd):
    noise = np.random.default_rng(0).integers(-1000, 1000, (16, 32, 32), np.int16)
    path = save(ct_image(noise), tmp_path / f"ct{suffix}", compress)
    data = next((p for p in tmp_path.iterdir() if p.suffix in (".raw", ".zraw")), path)
    data.write_bytes(data.read_bytes()[: int(data.stat().st_size * share)])
    error_of(path)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("suffix", [".mha", ".nii.gz", ".nrrd"])
def test_damaged_compressed_file_is_refused(tmp_path, suffix, capfd):
    noise = np.random.default_rng(0).integers(-1000, 1000, (16, 32, 32), np.int16)
    path = save(ct_image(noise), tmp_path / f"ct{suffix}")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    error_of(path)
    assert capfd.readouterr().err == ""


def test_gzip_of_several_members_is_whole(tmp_path):
    plain = save(ct_image(), tmp_path / "ct.nii").read_bytes()
    path = tmp_path / "ct.nii.gz"
    path.write_bytes(gzip.compress(plain[:400]) + gzip.compress(plain[400:]))
    np.testing.assert_array_equal(read_one(path).ct, sitk.GetArrayFromImage(ct_image()))
    path.write_bytes(gzip.compress(plain[:400]))
    error_of(path)


def test_gzip_without_its_checksum_is_refused(tmp_path):
    path = save(ct_image(), tmp_path / "ct.nii.gz")
    path.write_bytes(path.read_bytes()[:-6])  # all voxels are there
    error_of(path)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_nifti_slope_is_applied_and_not_taken_for_truncation(tmp_path, suffix):
    content = bytearray(save(ct_image(), tmp_path / "plain.nii").read_bytes())
    struct.pack_into("<ff", content, 112, 0.5, -10.0)
    path = tmp_path / f"ct{suffix}"
    path.write_bytes(gzip.compress(content) if suffix == ".nii.gz" else content)
    expected = np.rint(sitk.GetArrayFromImage(ct_image()) * 0.5 - 10)
    np.testing.assert_array_equal(read_one(path).ct, expected)


@pytest.mark.parametrize(
    ("at", "kind", "value"), [(108, "f", 0.0), (108, "f", 100.0), (72, "h", 0), (72, "h", 12), (72, "h", 32)]
)
def test_odd_nifti_headers_are_read_as_itk_reads_them(tmp_path, at, kind, value):
    """Offset of the voxels within the header, bits per voxel that are not those of the type: ITK goes by the rest."""
    content = bytearray(save(ct_image(), tmp_path / "plain.nii").read_bytes())
    struct.pack_into(f"<{kind}", content, at, value)
    if at == 108:
        del content[348:352]  # then the voxels follow the header at once
    path = tmp_path / "ct.nii.gz"
    path.write_bytes(gzip.compress(content + bytes(1000)))
    np.testing.assert_array_equal(read_one(path).ct, sitk.GetArrayFromImage(sitk.ReadImage(path)))


@pytest.mark.parametrize("matrix", ["0 0 0 0 0 0 0 0 0", "1 0 0 0 1 0 1 0 0", "nan 0 0 0 1 0 0 0 1"])
def test_axes_that_span_no_volume_are_refused(tmp_path, matrix, capfd):
    content = save(ct_image(), tmp_path / "ct.mha").read_bytes()
    head, _, tail = content.partition(b"TransformMatrix = ")
    path = tmp_path / "flat.mha"
    path.write_bytes(head + b"TransformMatrix = " + matrix.encode() + tail[tail.index(b"\n") :])
    error_of(path)
    assert capfd.readouterr().err == ""


def test_a_large_claim_takes_no_memory(tmp_path):
    content = save(ct_image(), tmp_path / "ct.mha").read_bytes()
    path = tmp_path / "large.mha"
    path.write_bytes(content.replace(b"DimSize = 6 5 4", b"DimSize = 1024 1024 1000"))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert "truncated" in error_of(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**18  # KiB; 4 GB are claimed


def test_compressed_without_its_size_is_refused(tmp_path):
    content = save(ct_image(np.zeros(SHAPE, np.float32)), tmp_path / "ct.mha").read_bytes()
    lines = [line for line in content.split(b"\n") if not line.startswith(b"CompressedDataSize")]
    (tmp_path / "ct.mha").write_bytes(b"\n".join(lines))
    assert "CompressedDataSize" in error_of(tmp_path / "ct.mha")


@pytest.mark.parametrize("suffix", [".mha", ".nii.gz"])
def test_compressed_int16_is_inflated_once(tmp_path, suffix, monkeypatch):
    noise = np.random.default_rng(0).integers(-1000, 1000, (40, 128, 130), np.int16)  # more than one piece
    path = save(ct_image(noise), tmp_path / f"ct{suffix}")
    monkeypatch.setattr(
        model.images.read, "execute", lambda reader, path: pytest.fail("ITK was asked to read it again")
    )
    np.testing.assert_array_equal(read_one(path).ct, noise)


@pytest.mark.parametrize("word", ["True", "T", "1"])
def test_the_other_byte_order_is_read(tmp_path, word):
    array = np.random.default_rng(0).integers(-1000, 1000, SHAPE, np.int16)
    swapped = zlib.compress(array.astype(">i2").tobytes())
    text = save(ct_image(array), tmp_path / "ct.mha").read_bytes().partition(b"ElementDataFile")[0].decode()
    text = text.replace("BinaryDataByteOrderMSB = False", f"BinaryDataByteOrderMSB = {word}")
    lines = [line for line in text.splitlines() if not line.startswith("CompressedDataSize")]
    header = "\n".join([*lines, f"CompressedDataSize = {len(swapped)}", "ElementDataFile = LOCAL", ""])
    (tmp_path / "ct.mha").write_bytes(header.encode() + swapped)
    np.testing.assert_array_equal(read_one(tmp_path / "ct.mha").ct, array)


def test_missing_file_and_unknown_format_are_refused(tmp_path):
    assert "no such file" in error_of(tmp_path / "ct.mha")
    (tmp_path / "ct.txt").write_text("x")
    assert "format" in error_of(tmp_path / "ct.txt")
    (tmp_path / "ct.mha").write_text("version https://git-lfs.github.com/spec/v1\n")
    error_of(tmp_path / "ct.mha")


def test_file_without_permission_is_refused(tmp_path, monkeypatch):
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
def test_other_than_scalar_3d_is_refused(tmp_path, image):
    path = save(image, tmp_path / "ct.mha")
    error_of(path)
    with pytest.raises(InputError):
        read_grid(path)


@pytest.mark.parametrize("size", ["100000 100000 1000", "0 4 4"])
def test_absurd_size_is_refused(tmp_path, size):
    path = save(ct_image(), tmp_path / "ct.mhd", compress=False)
    path.write_text(path.read_text().replace("DimSize = 6 5 4", f"DimSize = {size}"))
    error_of(path)
    with pytest.raises(InputError):
        read_grid(path)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("suffix", IMAGE_SUFFIXES)
def test_voxels_that_are_no_numbers_are_refused(tmp_path, value, dtype, suffix):
    array = np.zeros(SHAPE, dtype)
    path = save(ct_image(array), tmp_path / f"good{suffix}")
    assert read_one(path).ct.shape == SHAPE
    array[2, 1, 3] = value
    path = save(ct_image(array), tmp_path / f"ct{suffix}")
    assert "NaN or infinite" in error_of(path)


def test_a_nan_is_found_wherever_the_pieces_of_the_stream_end(tmp_path):
    array = np.random.default_rng(0).normal(size=(8, 256, 256)).astype(np.float32)
    array[7, 255, 255] = np.nan
    assert "NaN or infinite" in error_of(save(ct_image(array), tmp_path / "ct.nii.gz"))
    assert "NaN or infinite" in error_of(save(ct_image(array), tmp_path / "ct.nii"))


def test_what_only_looks_like_nan_is_read(tmp_path):
    array = np.random.default_rng(0).normal(0, 500, (8, 64, 64)).astype(np.float32)
    content = bytearray(save(ct_image(array), tmp_path / "ct.nii").read_bytes())
    content[148:152] = b"\xff" * 4  # in the header's free text
    pieces = [
        gzip.compress(content[i : i + 4099]) for i in range(0, len(content), 4099)
    ]  # 4099 splits floats
    (tmp_path / "ct.nii.gz").write_bytes(b"".join(pieces))
    np.testing.assert_array_equal(read_one(tmp_path / "ct.nii.gz").ct, np.rint(array))


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
def test_other_types_become_int16(tmp_path, values, dtype, expected):
    array = np.resize(np.array(values, dtype), (2, 2, 4))
    pair = read_one(save(ct_image(array), tmp_path / "ct.nrrd"))
    assert pair.ct.dtype == np.int16
    np.testing.assert_array_equal(pair.ct, np.resize(expected, (2, 2, 4)))


@pytest.mark.parametrize(
    ("values", "warned"),
    [
        ([0, 0], True),
        ([-1024, -1024], True),
        ([0, 4095], True),
        ([-1000, 30000], True),
        ([-1000, 3000], False),
    ],
)
def test_odd_values_are_a_warning(tmp_path, values, warned):
    array = np.resize(np.array(values, np.int16), SHAPE)
    lines: list[str] = []
    pair = read_pair(
        *[save(ct_image(array), tmp_path / f"{name}.mha") for name in ("ct", "ce")], lines.append
    )
    np.testing.assert_array_equal(pair.ct, array)
    warnings = [line for line in lines if line.startswith("warning: ")]
    assert len(warnings) == (2 if warned else 0)
    assert not warned or ("ct.mha" in warnings[0] and "ce.mha" in warnings[1])


def ramp_image(size, spacing, origin, direction) -> sitk.Image:
    """HU that are a linear function of the position, hence exact under linear interpolation."""
    image = sitk.Image(size, sitk.sitkInt16)
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    image.SetDirection(direction)
    for index in itertools.product(*(range(n) for n in size)):
        x, y, z = image.TransformIndexToPhysicalPoint(index)
        image[index] = round(20 * x + 30 * y + 40 * z)
    return image


def test_contrast_ct_on_another_grid_is_resampled_and_logged(tmp_path):
    ct = ramp_image((6, 6, 6), (1, 1, 1), (5, 5, 5), np.eye(3).ravel().tolist())
    ce = ramp_image((12, 12, 12), (1.5, 1.25, 2), (19, 18, 0), (-1, 0, 0, 0, -1, 0, 0, 0, 1))
    lines: list[str] = []
    pair = read_pair(save(ct, tmp_path / "ct.mha"), save(ce, tmp_path / "ce.mha"), lines.append)
    np.testing.assert_allclose(pair.ce, pair.ct, atol=1)
    assert any("resampled" in line for line in lines)
    assert pair.grid == read_grid(tmp_path / "ct.mha")


def test_where_the_contrast_ct_has_no_data_is_air(tmp_path):
    ct = ct_image(np.full((4, 8, 8), 40, np.int16), spacing=(1, 1, 1), origin=(0, 0, 0))
    ce = ct_image(np.full((4, 8, 8), 60, np.int16), spacing=(1, 1, 1), origin=(4, 0, 0))
    pair = read_pair(save(ct, tmp_path / "ct.mha"), save(ce, tmp_path / "ce.mha"), silent)
    assert (pair.ce[..., :4] == -1024).all() and (pair.ce[..., 4:] == 60).all()


def test_rounding_of_the_header_is_no_other_grid(tmp_path):
    lines: list[str] = []
    ce = ct_image(origin=(-10.0001, 20.0001, -300.0001), spacing=(0.50001, 0.75, 3))
    read_pair(save(ct_image(), tmp_path / "ct.mha"), save(ce, tmp_path / "ce.mha"), lines.append)
    assert not any("resampled" in line for line in lines)


def test_pair_without_overlap_is_refused(tmp_path):
    ct, ce = (
        save(ct_image(), tmp_path / "ct.mha"),
        save(ct_image(origin=(500, 20, -300)), tmp_path / "ce.mha"),
    )
    assert "ce.mha" in error_of(ct, ce) and "overlap" in error_of(ct, ce)


def dicom_series(folder, slices=range(5), modality="CT", series="1", intercept=-1024):
    """Slices of constant HU 10 k at z = 3 k mm, in files whose names run the other way."""
    folder.mkdir(exist_ok=True)
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    for k in slices:
        image = sitk.GetImageFromArray(np.full((1, 4, 6), 10 * k, np.int16))
        tags = {
            "0008|0060": modality,
            "0008|0016": "1.2.840.10008.5.1.4.1.1.2",
            "0008|0018": f"1.2.3.{series}.{k + 1}",
            "0020|000d": "1.2.3",
            "0020|000e": f"1.2.3.{series}",
            "0020|0032": f"-10\\-20\\{3 * k}",
            "0020|0037": "1\\0\\0\\0\\1\\0",
            "0020|0013": str(k + 1),
            "0028|1052": str(intercept),
            "0028|1053": "1",
        }
        for tag, value in tags.items():
            image.SetMetaData(tag, value)
        image.SetSpacing((0.5, 0.5, 3))
        writer.SetFileName(str(folder / f"{series}_{99 - k}.dcm"))
        writer.Execute(image)
    return folder


def test_dicom_series_is_read_in_order_and_in_hu(tmp_path):
    pair = read_one(dicom_series(tmp_path / "image"))
    stored = pydicom.dcmread(tmp_path / "image" / "1_99.dcm")
    assert stored.pixel_array[0, 0] == 1024 and stored.RescaleIntercept == -1024
    np.testing.assert_array_equal(pair.ct[:, 0, 0], [0, 10, 20, 30, 40])
    assert pair.spacing_zyx == (3, 0.5, 0.5)
    assert pair.grid.origin_xyz == (-10, -20, 0)
    assert read_grid(tmp_path / "image") == pair.grid


def test_dicom_folders_that_are_no_single_ct_series_are_refused(tmp_path, capfd):
    dicom_series(tmp_path / "two")
    assert "1.2.3.2" in error_of(dicom_series(tmp_path / "two", series="2"))
    assert "not CT" in error_of(dicom_series(tmp_path / "mr", modality="MR"))
    assert "apart" in error_of(dicom_series(tmp_path / "gap", slices=[0, 1, 3, 4]))
    (tmp_path / "empty").mkdir()
    assert "no DICOM series" in error_of(tmp_path / "empty")
    for tag, message in (("Modality", "without modality"), ("ImagePositionPatient", "without modality")):
        folder = dicom_series(tmp_path / tag)
        for path in folder.iterdir():
            stored = pydicom.dcmread(path)
            delattr(stored, tag)
            stored.save_as(path)
        assert message in error_of(folder)
    cut = dicom_series(tmp_path / "cut")
    for file in cut.iterdir():
        file.write_bytes(file.read_bytes()[:-30])
    error_of(cut)
    assert capfd.readouterr().err == ""
