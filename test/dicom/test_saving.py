"""DICOM files are there whole or not at all."""

import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset

from dicom.saving import encoded, store
from model.errors import InputError


@pytest.fixture
def dataset() -> Dataset:
    """The least that is a file."""
    one = Dataset()
    one.SOPClassUID, one.SOPInstanceUID, one.PatientID = "1.2.840.10008.5.1.4.1.1.481.3", "2.25.1", "P7"
    one.file_meta = FileMetaDataset()
    one.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    one.file_meta.MediaStorageSOPClassUID = one.SOPClassUID
    one.file_meta.MediaStorageSOPInstanceUID = one.SOPInstanceUID
    return one


def test_a_file_with_its_folder(dataset, tmp_path):
    store(tmp_path / "a" / "b.dcm", encoded(tmp_path / "a" / "b.dcm", dataset))
    assert (tmp_path / "a" / "b.dcm").read_bytes()[128:132] == b"DICM"
    assert pydicom.dcmread(tmp_path / "a" / "b.dcm").PatientID == "P7"
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b.dcm"]


def test_what_a_header_brought_along_is_no_traceback(dataset, tmp_path):
    dataset.add_new("PatientWeight", "SL", "heavy")
    with pytest.raises(InputError, match="b.dcm: cannot be written .*; correct the patient's"):
        encoded(tmp_path / "b.dcm", dataset)
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_written_is_said(dataset, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="b.dcm: cannot be written .*; free space or choose another name"):
        store(tmp_path / "file" / "b.dcm", encoded(tmp_path / "file" / "b.dcm", dataset))
