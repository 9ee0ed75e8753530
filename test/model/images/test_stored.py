"""Stored voxels: read as ITK reads them where they are whole, and refused where they are not."""

import gzip
import os
import resource
import struct
import zlib

import numpy as np
import pytest
import SimpleITK as sitk

from model.errors import InputError
from model.images import stored
from model.images.read import IMAGE_SUFFIXES, open_header

SHAPE = (4, 5, 6)
TYPES = ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"]


@pytest.mark.parametrize("suffix", IMAGE_SUFFIXES)
@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.95, 0.999])
def test_truncated_file_is_refused(ct_image, save, error_of, tmp_path, suffix, compress, share, capfd):
    noise = np.random.default_rng(0).integers(-1000, 1000, (16, 32, 32), np.int16)
    path = save(ct_image(noise), tmp_path / f"ct{suffix}", compress)
    data = next((p for p in tmp_path.iterdir() if p.suffix in (".raw", ".zraw")), path)
    data.write_bytes(data.read_bytes()[: int(data.stat().st_size * share)])
    error_of(path)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("suffix", [".mha", ".nii.gz", ".nrrd"])
def test_damaged_compressed_file_is_refused(ct_image, save, error_of, tmp_path, suffix, capfd):
    noise = np.random.default_rng(0).integers(-1000, 1000, (16, 32, 32), np.int16)
    path = save(ct_image(noise), tmp_path / f"ct{suffix}")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    error_of(path)
    assert capfd.readouterr().err == ""


def test_gzip_of_several_members_is_whole(ct_image, save, read_one, error_of, tmp_path):
    plain = save(ct_image(), tmp_path / "ct.nii").read_bytes()
    path = tmp_path / "ct.nii.gz"
    path.write_bytes(gzip.compress(plain[:400]) + gzip.compress(plain[400:]))
    np.testing.assert_array_equal(read_one(path).ct, sitk.GetArrayFromImage(ct_image()))
    path.write_bytes(gzip.compress(plain[:400]))
    error_of(path)


@pytest.mark.parametrize("first", [0, 1, 100, 349])
def test_the_first_gzip_member_may_be_shorter_than_the_header(ct_image, save, read_one, tmp_path, first):
    plain = save(ct_image(), tmp_path / "ct.nii").read_bytes()
    path = tmp_path / "ct.nii.gz"
    path.write_bytes(gzip.compress(plain[:first]) + gzip.compress(plain[first:]))
    np.testing.assert_array_equal(read_one(path).ct, sitk.GetArrayFromImage(ct_image()))


def test_gzip_without_its_checksum_is_refused(ct_image, save, error_of, tmp_path):
    path = save(ct_image(), tmp_path / "ct.nii.gz")
    path.write_bytes(path.read_bytes()[:-6])  # all voxels are there
    error_of(path)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_nifti_slope_is_applied_and_not_taken_for_truncation(ct_image, save, read_one, tmp_path, suffix):
    content = bytearray(save(ct_image(), tmp_path / "plain.nii").read_bytes())
    struct.pack_into("<ff", content, 112, 0.5, -10.0)
    path = tmp_path / f"ct{suffix}"
    path.write_bytes(gzip.compress(content) if suffix == ".nii.gz" else content)
    expected = np.rint(sitk.GetArrayFromImage(ct_image()) * 0.5 - 10)
    np.testing.assert_array_equal(read_one(path).ct, expected)


@pytest.mark.parametrize(
    ("at", "kind", "value"), [(108, "f", 0.0), (108, "f", 100.0), (72, "h", 0), (72, "h", 12), (72, "h", 32)]
)
def test_odd_nifti_headers_are_read_as_itk_reads_them(ct_image, save, read_one, tmp_path, at, kind, value):
    """Offset of the voxels within the header, bits per voxel that are not those of the type: ITK goes by the rest."""
    content = bytearray(save(ct_image(), tmp_path / "plain.nii").read_bytes())
    struct.pack_into(f"<{kind}", content, at, value)
    if at == 108:
        del content[348:352]  # then the voxels follow the header at once
    path = tmp_path / "ct.nii.gz"
    path.write_bytes(gzip.compress(content + bytes(1000)))
    np.testing.assert_array_equal(read_one(path).ct, sitk.GetArrayFromImage(sitk.ReadImage(path)))


def test_a_large_claim_takes_no_memory(ct_image, save, error_of, tmp_path):
    content = save(ct_image(), tmp_path / "ct.mha").read_bytes()
    path = tmp_path / "large.mha"
    path.write_bytes(content.replace(b"DimSize = 6 5 4", b"DimSize = 1024 1024 700"))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert "truncated" in error_of(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**18  # KiB; 1.5 GB are claimed


def test_compressed_without_its_size_is_refused(ct_image, save, error_of, tmp_path):
    content = save(ct_image(np.zeros(SHAPE, np.float32)), tmp_path / "ct.mha").read_bytes()
    lines = [line for line in content.split(b"\n") if not line.startswith(b"CompressedDataSize")]
    (tmp_path / "ct.mha").write_bytes(b"\n".join(lines))
    assert "CompressedDataSize" in error_of(tmp_path / "ct.mha")


@pytest.mark.parametrize("word", ["True", "T", "1"])
def test_the_other_byte_order_is_read(ct_image, save, read_one, tmp_path, word):
    array = np.random.default_rng(0).integers(-1000, 1000, SHAPE, np.int16)
    swapped = zlib.compress(array.astype(">i2").tobytes())
    text = save(ct_image(array), tmp_path / "ct.mha").read_bytes().partition(b"ElementDataFile")[0].decode()
    text = text.replace("BinaryDataByteOrderMSB = False", f"BinaryDataByteOrderMSB = {word}")
    lines = [line for line in text.splitlines() if not line.startswith("CompressedDataSize")]
    header = "\n".join([*lines, f"CompressedDataSize = {len(swapped)}", "ElementDataFile = LOCAL", ""])
    (tmp_path / "ct.mha").write_bytes(header.encode() + swapped)
    np.testing.assert_array_equal(read_one(tmp_path / "ct.mha").ct, array)


@pytest.mark.parametrize("element", ["True", "False"])
@pytest.mark.parametrize("binary", ["True", "False"])
@pytest.mark.parametrize("order", [1, -1])
def test_of_two_byte_orders_the_one_that_itk_goes_by_is_taken(tmp_path, element, binary, order):
    fields = [f"BinaryDataByteOrderMSB = {binary}\n", f"ElementByteOrderMSB = {element}\n"][::order]
    header = META.replace("NDims = 3\n", "NDims = 3\nBinaryData = True\n" + "".join(fields)).format("LOCAL")
    path = tmp_path / "a.mha"
    path.write_bytes(header.encode() + np.arange(120, dtype="<i2").tobytes())
    expected = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
    np.testing.assert_array_equal(voxels(path).reshape(SHAPE), expected)


@pytest.mark.parametrize("at", range(4))
@pytest.mark.parametrize("bit", [0, 1, 5])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_a_nifti_header_of_another_length_is_refused(ct_image, save, error_of, tmp_path, at, bit, suffix):
    """ITK takes the byte order from other fields; voxels in the wrong one would look like an image."""
    content = bytearray(save(ct_image(), tmp_path / "plain.nii").read_bytes())
    content[at] ^= 1 << bit
    path = tmp_path / f"ct{suffix}"
    path.write_bytes(gzip.compress(content) if suffix == ".nii.gz" else content)
    error_of(path)


def test_a_nifti_header_without_voxels_is_refused(ct_image, save, error_of, tmp_path):
    content = bytearray(save(ct_image(), tmp_path / "ct.nii").read_bytes())
    content[344:348] = b"ni1\0"
    struct.pack_into("<f", content, 108, 0.0)
    (tmp_path / "ct.nii").write_bytes(content)
    assert "another file" in error_of(tmp_path / "ct.nii")


@pytest.mark.parametrize("suffix", [".mha", ".mhd", ".nii", ".nrrd"])
def test_an_image_of_another_format_is_refused(save, error_of, tmp_path, suffix):
    image = save(sitk.GetImageFromArray(np.zeros(SHAPE, np.uint8)), tmp_path / "a.tif", False)
    assert "header" in error_of(image.rename(tmp_path / f"a{suffix}"))


def test_a_nan_is_found_wherever_the_pieces_of_the_stream_end(ct_image, save, error_of, tmp_path):
    array = np.random.default_rng(0).normal(size=(8, 256, 256)).astype(np.float32)
    array[7, 255, 255] = np.nan
    assert "NaN or infinite" in error_of(save(ct_image(array), tmp_path / "ct.nii.gz"))
    assert "NaN or infinite" in error_of(save(ct_image(array), tmp_path / "ct.nii"))


def test_what_only_looks_like_nan_is_read(ct_image, save, read_one, tmp_path):
    array = np.random.default_rng(0).normal(0, 500, (8, 64, 64)).astype(np.float32)
    content = bytearray(save(ct_image(array), tmp_path / "ct.nii").read_bytes())
    content[148:152] = b"\xff" * 4  # in the header's free text
    pieces = [
        gzip.compress(content[i : i + 4099]) for i in range(0, len(content), 4099)
    ]  # 4099 splits floats
    (tmp_path / "ct.nii.gz").write_bytes(b"".join(pieces))
    np.testing.assert_array_equal(read_one(tmp_path / "ct.nii.gz").ct, np.rint(array))


def voxels(path):
    """As our reader has them, values of stored numbers."""
    header = open_header(path)
    where = header.voxels
    array = stored.read(path, where, int(np.prod(header.size_xyz)))
    return array.astype(np.float64) * where.slope + where.intercept if where.scaled else array


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("suffix", IMAGE_SUFFIXES)
@pytest.mark.parametrize("compress", [False, True])
def test_every_type_is_read_as_itk_reads_it(save, tmp_path, dtype, suffix, compress):
    info = np.iinfo(dtype) if dtype[0] in "iu" else np.finfo(dtype)
    array = np.random.default_rng(0).uniform(max(info.min, -1e18), min(info.max, 1e18), SHAPE).astype(dtype)
    path = save(sitk.GetImageFromArray(array), tmp_path / f"a{suffix}", compress)
    expected = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
    np.testing.assert_array_equal(voxels(path).reshape(SHAPE), expected)
    np.testing.assert_array_equal(expected, array)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(
    ("slope", "intercept"), [(0.1, -3.3), (1 / 3, 0.0), (-2.0, 1024.0), (0.0, 5.0), (np.nan, 1.0)]
)
@pytest.mark.parametrize("order", "<>")
def test_slopes_in_either_byte_order_are_applied_as_itk_does(save, tmp_path, dtype, slope, intercept, order):
    array = np.arange(120).reshape(SHAPE).astype(dtype)
    content = bytearray(save(sitk.GetImageFromArray(array), tmp_path / "a.nii").read_bytes())
    struct.pack_into("<ff", content, 112, slope, intercept)
    if order == ">":
        content = swapped_header(content) + array.astype(f">{dtype}").tobytes()
    (tmp_path / "a.nii").write_bytes(content)
    expected = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "a.nii")))
    np.testing.assert_array_equal(voxels(tmp_path / "a.nii").astype(expected.dtype).reshape(SHAPE), expected)


def swapped_header(content: bytes) -> bytes:
    """The first 352 bytes of a NIfTI file in the other byte order."""
    shorts, floats = (
        (36, *range(40, 56, 2), 68, 70, 72, 74, 120, 252, 254),
        (*range(56, 68, 4), *range(76, 120, 4)),
    )
    result = bytearray(content[:352])
    for at in shorts:
        result[at : at + 2] = result[at : at + 2][::-1]
    for at in (0, 32, *floats, 124, 128, 132, 136, 140, 144, *range(256, 328, 4)):
        result[at : at + 4] = result[at : at + 4][::-1]
    return bytes(result)


@pytest.mark.parametrize("suffix", [".mha", ".nii.gz", ".nrrd"])
def test_no_flipped_bit_in_compressed_voxels_changes_them_unnoticed(save, tmp_path, suffix):
    array = np.random.default_rng(0).integers(-1000, 1000, (12, 20, 20)).astype(np.int16)
    whole = save(sitk.GetImageFromArray(array), tmp_path / f"a{suffix}").read_bytes()
    begin = {".mha": whole.find(b"LOCAL\n") + 6, ".nrrd": whole.find(b"\n\n") + 2, ".nii.gz": 400}[suffix]
    refused = 0
    for at in np.linspace(begin, len(whole) - 1, 200).astype(int):
        damaged = bytearray(whole)
        damaged[at] ^= 1 << (at % 8)
        (tmp_path / f"b{suffix}").write_bytes(damaged)
        try:
            np.testing.assert_array_equal(voxels(tmp_path / f"b{suffix}").reshape(array.shape), array)
        except InputError:
            refused += 1
    assert refused > 190  # the few others lie in bytes that mean nothing, such as gzip's time


def detached(folder, header: str, data: bytes, suffix: str):
    path = folder / f"a{suffix}"
    path.write_bytes(header.encode())
    (folder / "a.raw").write_bytes(data)
    return path


META = "ObjectType = Image\nNDims = 3\nDimSize = 6 5 4\nElementType = MET_SHORT\nElementDataFile = {}\n"
NRRD = "NRRD0004\ntype: short\ndimension: 3\nsizes: 6 5 4\nencoding: {}\nendian: little\ndata file: {}\n{}"


@pytest.mark.parametrize("packing", ["raw", "gzip"])
@pytest.mark.parametrize("skip", ["", "line skip: 2\n", "byte skip: 7\n", "byte skip: -1\n"])
def test_detached_nrrd_is_read_as_itk_reads_it(tmp_path, packing, skip):
    array = np.random.default_rng(0).integers(-1000, 1000, SHAPE).astype("<i2")
    data = (b"seven b" if "byte" in skip else b"") + array.tobytes()
    data = gzip.compress(data) if packing == "gzip" else data
    path = detached(
        tmp_path, NRRD.format(packing, "a.raw", skip), (b"1\n2\n" if "line" in skip else b"") + data, ".nrrd"
    )
    if packing == "gzip" and "-1" in skip:
        with pytest.raises(InputError, match="byte skip"):
            voxels(path)
        return
    np.testing.assert_array_equal(voxels(path).reshape(SHAPE), array)
    if packing == "raw" or not skip:  # ITK's own reader of compressed data mistakes the skips
        np.testing.assert_array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(path))), array)


@pytest.mark.parametrize("behind", [1, 2, 8])
def test_voxels_that_are_counted_from_the_end_are_read_as_itk_reads_them(tmp_path, behind):
    array = np.random.default_rng(0).integers(-1000, 1000, SHAPE).astype("<i2")
    data = b"before" + array.tobytes() + bytes(behind - 1)
    path = detached(tmp_path, NRRD.format("raw", "a.raw", f"byte skip: -{behind}\n"), data, ".nrrd")
    np.testing.assert_array_equal(voxels(path).reshape(SHAPE), array)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(path))), array)


@pytest.mark.parametrize("kept", [239, 200])
@pytest.mark.parametrize("suffix", [".mha", ".nrrd"])
def test_voxels_that_are_counted_from_the_end_do_not_begin_in_the_header(tmp_path, error_of, kept, suffix):
    if suffix == ".nrrd":
        header = NRRD.replace("data file: {}\n", "").format("raw", "byte skip: -1\n\n")
    else:
        header = META.replace("ElementData", "HeaderSize = -1\nElementData").format("LOCAL")
    path = tmp_path / f"a{suffix}"
    path.write_bytes(header.encode() + bytes(240))
    assert not voxels(path).any()
    path.write_bytes(header.encode() + bytes(kept))
    assert f"truncated: {kept} of 240" in error_of(path)


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_a_data_file_may_have_letters_that_are_not_ascii(
    ct_image, save, error_of, tmp_path, compress, encoding
):
    """SimpleITK writes UTF-8; Latin-1 is what others wrote."""
    path = save(ct_image(), tmp_path / "Müller_0000.mhd", compress)
    data = next(p for p in tmp_path.iterdir() if p != path)
    assert "Müller" in data.name and data.name.encode() in path.read_bytes()
    path.write_bytes(path.read_bytes().decode().encode(encoding))
    np.testing.assert_array_equal(voxels(path).reshape(SHAPE), sitk.GetArrayFromImage(ct_image()))
    nrrd = NRRD.format("gzip" if compress else "raw", data.name, "")
    array = np.arange(120, dtype="<i2")
    data.write_bytes(gzip.compress(array.tobytes()) if compress else array.tobytes())
    (tmp_path / "a.nrrd").write_bytes(nrrd.encode(encoding))
    np.testing.assert_array_equal(voxels(tmp_path / "a.nrrd"), array)
    data.unlink()
    assert f"data file '{data.name}' is not there" in error_of(path)
    assert f"data file '{data.name}' is not there" in error_of(tmp_path / "a.nrrd")


@pytest.mark.parametrize("suffix", [".mha", ".nii", ".nrrd"])
def test_a_file_that_shrinks_while_it_is_read_is_refused(
    ct_image, save, error_of, tmp_path, suffix, monkeypatch
):
    path, from_file = save(ct_image(), tmp_path / f"a{suffix}", False), np.fromfile
    size = path.stat().st_size

    def shrink(*args, **options):
        os.truncate(path, size - 100)
        return from_file(*args, **options)

    monkeypatch.setattr(np, "fromfile", shrink)
    assert "truncated: 140 of 240 bytes" in error_of(path)


@pytest.mark.parametrize("name", ["/dev/zero", "a{suffix}", ".", "", "nothing.raw", "short.raw"])
@pytest.mark.parametrize("suffix", [".mhd", ".nrrd"])
def test_a_data_file_must_be_a_file_of_enough_voxels_beside_the_header(tmp_path, name, suffix, error_of):
    """/dev/zero gives as many as one likes; the header itself and a folder are no voxels either."""
    (tmp_path / "short.raw").write_bytes(bytes(239))
    template = META if suffix == ".mhd" else NRRD
    named = name.format(suffix=suffix)
    header = template.format(named) if suffix == ".mhd" else template.format("raw", named, "")
    error_of(detached(tmp_path, header, b"", suffix))


@pytest.mark.parametrize(
    "name", ["LIST\n0.raw\n1.raw\n2.raw\n3.raw", "%d.raw 0 3 1", "%s%s%s%n.raw 1 25 1", "%"]
)
@pytest.mark.parametrize("suffix", [".mhd", ".nrrd"])
def test_voxels_in_several_files_are_refused(tmp_path, name, suffix, error_of):
    for k in range(4):
        (tmp_path / f"{k}.raw").write_bytes(bytes(60))
    header = META.format(name) if suffix == ".mhd" else NRRD.replace("\n{}", "").format("raw", name)
    (tmp_path / f"a{suffix}").write_text(header + "\n")
    assert "several files" in error_of(tmp_path / f"a{suffix}")


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
def test_what_is_packed_cannot_fill_time(tmp_path, save, error_of, suffix, monkeypatch):
    monkeypatch.setattr(stored, "MOST_BEHIND", 1000)
    image = sitk.GetImageFromArray(np.zeros((40, 50, 60), np.int16))
    content = save(image, tmp_path / f"a{suffix}").read_bytes()
    if suffix == ".nii.gz":
        content = bytearray(gzip.decompress(content))
        struct.pack_into("<hhh", content, 42, 6, 5, 4)
        content = gzip.compress(content)
    else:
        content = content.replace(b"60 50 40", b"6 5 4")
    (tmp_path / f"a{suffix}").write_bytes(content)
    assert "far more" in error_of(tmp_path / f"a{suffix}")


def test_what_was_written_is_compared_to_its_last_byte(save, tmp_path):
    array = np.random.default_rng(0).integers(0, 3, (6, 30, 30)).astype(np.uint8)
    for suffix in (".mha", ".nii", ".nii.gz", ".nrrd"):
        path = save(sitk.GetImageFromArray(array), tmp_path / f"a{suffix}")
        where = open_header(path).voxels
        assert stored.holds(where, array)
        other = array.copy()
        other[-1, -1, -1] += 1
        assert not stored.holds(where, other) and not stored.holds(where, array[:-1])
