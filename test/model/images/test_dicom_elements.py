"""The elements of a DICOM file, against what pydicom writes, and damage."""

import struct

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless

from model.errors import InputError
from model.images.dicom_elements import read_elements

STORED = np.arange(4096, dtype=np.int16).reshape(64, 64)


def nested(depth: int, length_given: bool) -> Sequence:
    """Sequences in sequences; each has tags that must not be taken for the file's own."""
    inner = Dataset()
    inner.Rows, inner.Modality = 999, "XX"
    inner.is_undefined_length_sequence_item = not length_given
    if depth:
        inner.ReferencedImageSequence = nested(depth - 1, length_given)
        inner["ReferencedImageSequence"].is_undefined_length = not length_given
    return Sequence([inner, Dataset()])


@pytest.mark.parametrize(
    "syntax",
    [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, RLELossless],
    ids=lambda s: s.name,
)
@pytest.mark.parametrize("length_given", [True, False])
def test_elements_are_those_written(tmp_path, dicom_slice, syntax, length_given):
    path = dicom_slice(
        *(tmp_path / "a.dcm", STORED),
        syntax=syntax,
        ReferencedImageSequence=nested(3, length_given),
        ImageComments="x" * 5000,
        PatientID="Ä 1 ",
    )
    elements = read_elements(path)
    assert elements.text("Modality") == "CT" and elements.text("TransferSyntaxUID") == syntax
    assert elements.text("ImagePositionPatient") == "-10.0\\-20.0\\0.0" and elements.text("RescaleType") == ""
    rows = elements.values["Rows"]
    assert struct.unpack(f"{elements.order}H", rows) == (64,)
    offset, length = elements.pixels
    if syntax == RLELossless:
        assert length is None
    else:
        assert length == STORED.nbytes
        found = np.fromfile(path, f"{elements.order}i2", 4096, offset=offset)
        np.testing.assert_array_equal(found, STORED.ravel())


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian], ids=lambda s: s.name)
def test_a_file_without_preamble_is_read(tmp_path, dicom_slice, syntax):
    path = dicom_slice(tmp_path / "a.dcm", STORED, syntax=syntax)
    whole = path.read_bytes()
    path.write_bytes(whole[132:])
    assert read_elements(path).text("Modality") == "CT"
    path.write_bytes(
        whole[whole.index(b"\x08\x00\x16\x00") :]
    )  # and without the group that says how it is written
    assert read_elements(path).text("Modality") == "CT"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"DICM",
        b"read me",
        b"\x89PNG\r\n\x1a\n" + bytes(200),
        b"PK\x03\x04" + bytes(99),
        bytes(500),
        b"\x08\x00",
    ],
)
def test_other_files_are_no_dicom(tmp_path, content):
    (tmp_path / "a").write_bytes(content)
    assert read_elements(tmp_path / "a") is None


@pytest.mark.parametrize(
    "syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless], ids=lambda s: s.name
)
def test_a_file_cut_anywhere_is_refused_or_no_dicom(tmp_path, dicom_slice, syntax):
    path = dicom_slice(
        tmp_path / "a.dcm", STORED[:8], syntax=syntax, ReferencedImageSequence=nested(1, False)
    )
    whole = path.read_bytes()
    for length in range(0, len(whole) - 1, 7):
        path.write_bytes(whole[:length])
        try:
            elements = read_elements(path)
        except InputError:
            continue
        assert elements is None or elements.pixels is None  # cut between two elements: the voxels are missing


@pytest.mark.parametrize(
    ("extra", "fact"),
    [
        (b"\xfe\xff\x00\xe0\xff\xff\xff\xff" * 100, "deep"),
        (b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff" * 99, "deep"),
        (b"\xfe\xff\xdd\xe0\0\0\0\0", "never began"),
        (b"\x08\x00\x60\x00CS\x02\x00MR", "Modality is there twice"),
        (b"\x09\x00\x10\x00LO\x00\x00" * 100_001, "more than 100000 elements"),
        (b"\x09\x00\x10\x00??\x00\x00", "damaged at its element (0009,0010)"),
        (b"\x09\x00\x10\x00OB\x00\x00\xff\xff\xff\xff", "(0009,0010) has no length"),
        (b"\x09\x00\x10\x00OB\x00\x00\xff\xff\xff\x7f", "cut short"),
        (b"\x10\x00\x20\x00LO\x00\x20" + b"1" * 8192, "PatientID is there twice or too long"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_hostile_elements_are_refused(tmp_path, dicom_slice, extra, fact):
    without = ["PatientID"]
    path = dicom_slice(tmp_path / "a.dcm", STORED, without=without)
    whole = path.read_bytes()
    begin = whole.index(b"\x20\x00\x0d\x00")
    path.write_bytes(whole[:begin] + extra + whole[begin:])
    with pytest.raises(InputError) as caught:
        read_elements(path)
    assert fact in str(caught.value)


def test_a_file_compressed_as_a_whole_is_refused(tmp_path, dicom_slice):
    path = dicom_slice(tmp_path / "a.dcm", STORED, syntax="1.2.840.10008.1.2.1.99")
    with pytest.raises(InputError, match="deflated"):
        read_elements(path)


def test_a_file_that_cannot_be_opened_is_refused(tmp_path):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(InputError, match="Too many levels of symbolic links"):
        read_elements(tmp_path / "loop")
