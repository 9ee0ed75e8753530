"""One DICOM slice: its place, and its voxels as HU."""

import numpy as np
import pydicom
import pytest
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless

from model.errors import InputError
from model.images.dicom_elements import read_elements
from model.images.dicom_slice import read_planes, slice_of

RANDOM = np.random.default_rng(3)


def hu_of(path) -> np.ndarray:
    (plane,) = read_planes([slice_of(path, read_elements(path))])
    return plane


def refusal(path) -> str:
    with pytest.raises(InputError) as caught:
        hu_of(path)
    assert path.name in str(caught.value)
    return str(caught.value)


def test_values_to_be_shown_inverted_are_hu_all_the_same(tmp_path, dicom_slice):
    """MONOCHROME1 says how they are shown; ITK's decoder inverts them."""
    stored = RANDOM.integers(0, 4096, (15, 16)).astype(np.uint16)
    tags = {"PhotometricInterpretation": "MONOCHROME1"}
    np.testing.assert_array_equal(hu_of(dicom_slice(tmp_path / "a.dcm", stored, **tags)), stored - 1024.0)
    path = dicom_slice(tmp_path / "b.dcm", stored, syntax=RLELossless, **tags)
    assert "compressed, to be shown inverted (MONOCHROME1); " in refusal(path)


@pytest.mark.parametrize(
    "syntax",
    [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, RLELossless],
    ids=lambda s: s.name,
)
@pytest.mark.parametrize(
    ("dtype", "bits", "slope", "intercept"),
    [
        ("uint16", 12, 1, -1024),
        ("int16", 16, 1, 0),
        ("int16", 12, 1, -24),
        ("uint16", 16, 0.25, -1000.5),
        ("uint8", 8, 10, -1024),
    ],
)
def test_values_are_hu_as_pydicom_has_them(tmp_path, dicom_slice, syntax, dtype, bits, slope, intercept):
    lowest = -(1 << bits - 1) if dtype[0] == "i" else 0
    stored = RANDOM.integers(lowest, lowest + (1 << bits), (15, 16)).astype(dtype)
    tags = {"RescaleSlope": slope, "RescaleIntercept": intercept, "BitsStored": bits, "HighBit": bits - 1}
    path = dicom_slice(tmp_path / "a.dcm", stored, syntax=syntax, **tags)
    values = pydicom.dcmread(path).pixel_array * float(slope) + float(intercept)
    np.testing.assert_array_equal(hu_of(path), np.rint(values).clip(-32768, 32767))


def test_place_is_what_the_file_says(tmp_path, dicom_slice):
    tags = {"ImagePositionPatient": [1.5, -2, 3], "ImageOrientationPatient": [0.8, 0.6, 0, 0, 0, -1]}
    path = dicom_slice(tmp_path / "a.dcm", np.zeros((3, 4), np.int16), PixelSpacing=[2, 0.5], **tags)
    one = slice_of(path, read_elements(path))
    assert one.shape == (3, 4) and one.spacing_yx == (2, 0.5)
    np.testing.assert_allclose(one.position, [1.5, -2, 3])
    np.testing.assert_allclose(one.axes, [[0.8, 0.6, 0], [0, 0, -1]])


REQUIRED = (
    *("Rows", "Columns", "PixelSpacing", "ImagePositionPatient", "ImageOrientationPatient"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"),
)


@pytest.mark.parametrize("keyword", REQUIRED)
def test_what_lacks_a_needed_tag_is_refused_by_its_name(tmp_path, dicom_slice, keyword):
    path = dicom_slice(tmp_path / "a.dcm", np.zeros((3, 4), np.int16), without=[keyword])
    assert f"no {keyword}" in refusal(path)


@pytest.mark.parametrize(
    ("tags", "fact"),
    [
        ({"NumberOfFrames": 3}, "3 frames in one file"),
        ({"Rows": 65535, "Columns": 65535}, "no CT slice"),
        ({"Rows": 1}, "no CT slice"),
        ({"Rows": 4}, "24 bytes of voxels, not the 32"),
        ({"Rows": 2}, "24 bytes of voxels, not the 16"),
        ({"PixelSpacing": [0, 1]}, "PixelSpacing is"),
        ({"PixelSpacing": [-1, 1]}, "PixelSpacing is"),
        ({"PixelSpacing": [1]}, "PixelSpacing is"),
        ({"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]}, "no pair of axes"),
        ({"ImageOrientationPatient": [0, 0, 0, 0, 0, 0]}, "no pair of axes"),
        ({"ImageOrientationPatient": [1, 0, 0, 0.1, 1, 0]}, "no pair of axes"),
        ({"ImageOrientationPatient": [2, 0, 0, 0, 1, 0]}, "no pair of axes"),
        ({"RescaleSlope": 0}, "RescaleSlope is 0"),
        ({"RescaleSlope": -1}, "RescaleSlope is -1"),
        ({"RescaleType": "Z_EFF"}, "no HU"),
        ({"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"}, "3 samples per pixel, RGB"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "PALETTE COLOR"),
        ({"BitsAllocated": 12, "BitsStored": 12, "HighBit": 11}, "12 bits, the highest 11, in 12"),
        ({"BitsStored": 12, "HighBit": 15}, "12 bits, the highest 15"),
        ({"BitsStored": 12, "HighBit": 11}, "values from 0 to 4096 in 12 bits"),
        ({"PixelRepresentation": 7}, "PixelRepresentation is neither"),
    ],
    ids=str,
)
def test_what_is_no_ct_slice_is_refused_and_why(tmp_path, dicom_slice, tags, fact):
    stored = np.zeros((3, 4), np.int16)
    stored[0, 0] = 4096
    assert fact in refusal(dicom_slice(tmp_path / "a.dcm", stored, **tags))


@pytest.mark.parametrize("text", [b"nan", b"inf", b"0,5", b"1e9999", b"abcd"])
def test_numbers_that_are_none_are_refused(tmp_path, dicom_slice, text):
    path = dicom_slice(tmp_path / "a.dcm", np.zeros((3, 4), np.int16), PixelSpacing=["1.234567", "7.654321"])
    path.write_bytes(path.read_bytes().replace(b"1.234567", text.ljust(8)))
    assert "PixelSpacing is" in refusal(path)


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.100", "1.2.3"])
def test_an_unknown_transfer_syntax_is_refused_by_its_name(tmp_path, dicom_slice, syntax):
    path = dicom_slice(tmp_path / "a.dcm", np.zeros((64, 64), np.int16), syntax=RLELossless)
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.UID(syntax)
    pydicom.dcmwrite(path, dataset, implicit_vr=False, little_endian=True)
    assert syntax in refusal(path)


def test_a_file_that_goes_meanwhile_is_told(tmp_path, dicom_slice):
    path = dicom_slice(tmp_path / "a.dcm", np.zeros((15, 16), np.int16))
    one = slice_of(path, read_elements(path))
    path.unlink()
    with pytest.raises(InputError, match=r"a\.dcm: cannot be read \(No such file"):
        list(read_planes([one]))
