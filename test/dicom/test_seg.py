"""DICOM SEG, read back by highdicom, by DCMTK and by hand."""

import highdicom as hd
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from dicom.masks import labels_on_series
from dicom.rtstruct import write_rtstruct
from dicom.seg import write_seg
from model.errors import InputError
from model.images.tilt import on_slices
from model.structures import STRUCTURES


@pytest.fixture
def written_for(tmp_path):
    """Writes a series' own masks; returns the file and the masks on its slices."""

    def write(written):
        masks = labels_on_series(written.labels, written.grid, written.reference)
        write_seg(tmp_path / "seg.dcm", masks, written.reference)
        on = {structure: on_slices(mask, written.reference.stack) for structure, mask in masks.items()}
        return tmp_path / "seg.dcm", on

    return write


def test_highdicom_has_every_voxel_by_the_slices_uids(every_series, written_for):
    path, masks = written_for(every_series)
    array = hd.seg.segread(path).get_pixels_by_source_instance(
        list(every_series.reference.uids), assert_missing_frames_are_empty=True
    )
    for number, structure in enumerate(STRUCTURES):
        np.testing.assert_array_equal(array[..., number] > 0, masks[structure])


def test_frames_lie_where_their_slices_do(every_series, written_for):
    """By tags alone: each frame's place and bits, eight voxels in a byte."""
    path, masks = written_for(every_series)
    dataset = pydicom.dcmread(path)
    frames = np.unpackbits(np.frombuffer(dataset.PixelData, np.uint8), bitorder="little")
    size = dataset.Rows * dataset.Columns
    first = {tuple(np.round(one.position, 3)): k for k, one in enumerate(every_series.reference.slices)}
    found = {structure: np.zeros_like(mask) for structure, mask in masks.items()}
    for number, frame in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        position = np.array(frame.PlanePositionSequence[0].ImagePositionPatient, float)
        segment = frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        bits = frames[number * size : (number + 1) * size].reshape(dataset.Rows, dataset.Columns)
        found[STRUCTURES[segment - 1]][first[tuple(np.round(position, 3))]] = bits > 0
    for structure in STRUCTURES:
        np.testing.assert_array_equal(found[structure], masks[structure])
    shared = dataset.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0].ImageOrientationPatient
    axes = every_series.reference.slices[0].axes.ravel()
    np.testing.assert_allclose(np.array(shared, float), axes, atol=1e-6)


def test_dcmtk_has_every_voxel(straight_series, written_for, run_tool, dsc_of_image, tmp_path):
    path, _ = written_for(straight_series)
    where = ("--outputDirectory", tmp_path, "--outputType", "nii")
    run_tool("dcmqi", "segimage2itkimage", "--inputDICOM", path, *where)
    for number, structure in enumerate(STRUCTURES, 1):
        image = sitk.ReadImage(str(tmp_path / f"{number}.nii.gz"))
        assert dsc_of_image(image, straight_series, structure) > 0.999


def test_patient_study_segments_and_what_for(a_series, written_for):
    dataset = pydicom.dcmread(written_for(a_series)[0])
    assert (str(dataset.PatientName), dataset.StudyInstanceUID, dataset.StudyDate) == (
        *("Muster^Jörg", "1.2.3", "20240131"),
    )
    assert dataset.FrameOfReferenceUID == "1.2.4" and "Research use only" in dataset.ContentDescription
    assert [one.SegmentLabel for one in dataset.SegmentSequence] == list(STRUCTURES)
    for one in dataset.SegmentSequence:
        assert one.SegmentAlgorithmType == "AUTOMATIC" and one.SegmentAlgorithmName == "gtvseg"
    types = [one.SegmentedPropertyTypeCodeSequence[0].CodeMeaning for one in dataset.SegmentSequence]
    assert types == ["Neoplasm, Primary", "Neoplasm, Secondary"]


def test_structures_may_overlap_and_empty_ones_are_left_out(a_series, tmp_path):
    both = a_series.labels > 0
    write_seg(tmp_path / "a.dcm", {"GTVp": both, "GTVnd": both}, a_series.reference)
    array = hd.seg.segread(tmp_path / "a.dcm").get_pixels_by_source_instance(
        list(a_series.reference.uids), assert_missing_frames_are_empty=True
    )
    np.testing.assert_array_equal(array > 0, np.stack([both, both], -1))
    write_seg(tmp_path / "b.dcm", {"GTVp": both & False, "GTVnd": both}, a_series.reference)
    assert [one.SegmentLabel for one in pydicom.dcmread(tmp_path / "b.dcm").SegmentSequence] == ["GTVnd"]
    with pytest.raises(InputError, match="no structure has a voxel"):
        write_seg(tmp_path / "c.dcm", {"GTVp": both & False}, a_series.reference)


def test_headers_that_break_rules_do_no_harm(write_series, tmp_path):
    odd = {"StudyDate": "2024.1.31", "PatientSex": "female", "PatientBirthDate": "19xx", "StudyTime": "noon"}
    written = write_series(tmp_path / "ct", "oblique", size=40, **odd, without=("PatientName", "PatientID"))
    masks = labels_on_series(written.labels, written.grid, written.reference)
    write_seg(tmp_path / "seg.dcm", masks, written.reference)
    dataset = pydicom.dcmread(tmp_path / "seg.dcm")
    assert not dataset.StudyDate and not dataset.PatientSex and not dataset.PatientBirthDate


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("sets", [["", "ISO 2022 IR 87"], ["", "ISO 2022 IR 149"], "ISO-IR 100", "latin1"])
def test_texts_in_any_character_set_come_back_in_utf_8(write_series, tmp_path, sets):
    names = {"ISO 2022 IR 87": "山田^太郎", "ISO 2022 IR 149": "홍^길동"}
    name = names.get(sets[-1], "Muster^Jorg")
    written = write_series(
        tmp_path / "ct", "oblique", size=40, **{"PatientName": name, "SpecificCharacterSet": sets}
    )
    masks = labels_on_series(written.labels, written.grid, written.reference)
    for write in (write_seg, write_rtstruct):
        write(tmp_path / "new.dcm", masks, written.reference)
        dataset = pydicom.dcmread(tmp_path / "new.dcm")
        assert (str(dataset.PatientName), dataset.SpecificCharacterSet) == (name, "ISO_IR 192")


def test_what_highdicom_raises_is_one_line(a_series, tmp_path, monkeypatch):
    def refuse(*args, **options):
        raise TypeError("no such value")

    monkeypatch.setattr(hd.seg, "Segmentation", refuse)
    with pytest.raises(
        InputError, match=r"seg.dcm: cannot be written \(no such value\); correct the patient"
    ):
        write_seg(tmp_path / "seg.dcm", {"GTVp": a_series.labels == 1}, a_series.reference)
