"""RTSTRUCT, read back by others."""

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from skimage.draw import polygon2mask

from dicom.masks import labels_on_series
from dicom.rois import mask_of, read_structure_set
from dicom.rtstruct import write_rtstruct
from model.errors import InputError
from model.structures import STRUCTURES


@pytest.fixture
def written_for(tmp_path):
    """Writes a series' own masks; returns the file and the masks."""

    def write(written):
        masks = labels_on_series(written.labels, written.grid, written.reference)
        write_rtstruct(tmp_path / "out" / "rtss.dcm", masks, written.reference)
        return tmp_path / "out" / "rtss.dcm", masks

    return write


def test_this_reader_has_every_voxel_again(every_series, written_for):
    path, masks = written_for(every_series)
    for roi in read_structure_set(path).rois:
        mask, missing = mask_of(roi, every_series.reference, path)
        np.testing.assert_array_equal(mask, masks[roi.name])
        assert not roi.passed_over and not missing


def test_left_and_right_front_and_back_head_and_feet(every_series, written_for):
    """By nothing but the numbers in the file, which are of the patient: x to the left, y to the back, z to the head."""
    path, _ = written_for(every_series)
    dataset = pydicom.dcmread(path)
    middle = {}
    for roi, name in zip(dataset.ROIContourSequence, STRUCTURES, strict=True):
        points = np.concatenate([np.reshape(one.ContourData, (-1, 3)) for one in roi.ContourSequence])
        low, high = points.min(0).astype(float), points.max(0).astype(float)
        middle[name] = (low + high) / 2 - (12, -180, 400)
    np.testing.assert_allclose(middle["GTVp"], [12, -8, -2], atol=1.2)
    # The nodes' box: from the right node's rim to the other's.
    np.testing.assert_allclose(middle["GTVnd"], [-14.5, 11.5, 5], atol=1.2)


def test_rt_utils_has_every_voxel(straight_series, written_for):
    rt_utils = pytest.importorskip("rt_utils", exc_type=ImportError)
    path, masks = written_for(straight_series)
    opened = rt_utils.RTStructBuilder.create_from(str(straight_series.folder), str(path))
    assert opened.get_roi_names() == list(STRUCTURES)
    for structure in STRUCTURES:
        mask = np.moveaxis(opened.get_roi_mask_by_name(structure), 2, 0)
        np.testing.assert_array_equal(mask, masks[structure])


def test_plastimatch_has_every_voxel(every_series, written_for, run_tool, dsc_of_image, tmp_path):
    path, _ = written_for(every_series)
    where = ("--output-prefix", tmp_path, "--prefix-format", "mha")
    run_tool(
        *("plastimatch", "plastimatch", "convert", "--input", path),
        *("--referenced-ct", every_series.folder, *where),
    )
    for structure in STRUCTURES:
        image = sitk.ReadImage(str(tmp_path / f"{structure}.mha"))
        assert dsc_of_image(image, every_series, structure) > 0.999


def test_a_plain_fill_on_the_slices_of_their_uids_has_every_voxel(straight_series, written_for):
    """By tags alone: the slice by its UID, the voxel by the slice's own header, contours exchanged as platipy does."""
    path, masks = written_for(straight_series)
    slices = {(one := pydicom.dcmread(file)).SOPInstanceUID: one for file in straight_series.folder.iterdir()}
    order = list(straight_series.reference.uids)
    for roi, structure in zip(pydicom.dcmread(path).ROIContourSequence, STRUCTURES, strict=True):
        mask = np.zeros_like(masks[structure])
        for contour in roi.ContourSequence:
            uid = contour.ContourImageSequence[0].ReferencedSOPInstanceUID
            ct = slices[uid]
            relative = np.reshape(contour.ContourData, (-1, 3)).astype(float) - ct.ImagePositionPatient
            row, column = np.reshape(ct.ImageOrientationPatient, (2, 3)).astype(float)
            assert abs(relative @ np.cross(row, column)).max() < 0.002
            points = np.stack([relative @ column, relative @ row], 1) / np.array(ct.PixelSpacing, float)
            mask[order.index(uid)] ^= polygon2mask((ct.Rows, ct.Columns), points)
        np.testing.assert_array_equal(mask, masks[structure])


@pytest.mark.parametrize(
    ("size", "mm"),
    [
        pytest.param(512, 0.5, marks=pytest.mark.slow),
        pytest.param(1024, 0.25, marks=[pytest.mark.slow, pytest.mark.long]),
    ],
)
@pytest.mark.parametrize("name", ["oblique", "tilted feet first"])
def test_large_slices(write_series, written_for, run_tool, dsc_of_image, tmp_path, name, size, mm):
    written = write_series(tmp_path / "ct", name, size=size, mm=mm, step=4)
    test_this_reader_has_every_voxel_again(written, written_for)
    test_plastimatch_has_every_voxel(written, written_for, run_tool, dsc_of_image, tmp_path)
    if "tilted" not in name:
        test_rt_utils_has_every_voxel(written, written_for)


def test_patient_study_and_slices_are_named(a_series, written_for):
    path, masks = written_for(a_series)
    dataset = pydicom.dcmread(path)
    assert dataset.Modality == "RTSTRUCT" and dataset.SOPClassUID == "1.2.840.10008.5.1.4.1.1.481.3"
    assert (str(dataset.PatientName), dataset.PatientID, dataset.StudyDate) == (
        *("Muster^Jörg", "P1", "20240131"),
    )
    assert (dataset.StudyInstanceUID, dataset.FrameOfReferenceUID) == ("1.2.3", "1.2.4")
    (frame,) = dataset.ReferencedFrameOfReferenceSequence
    (study,) = frame.RTReferencedStudySequence
    (series,) = study.RTReferencedSeriesSequence
    assert frame.FrameOfReferenceUID == "1.2.4" and study.ReferencedSOPInstanceUID == "1.2.3"
    assert series.SeriesInstanceUID == "1.2.3.1"
    named = [one.ReferencedSOPInstanceUID for one in series.ContourImageSequence]
    assert named == list(a_series.reference.uids)
    for roi, structure in zip(dataset.ROIContourSequence, STRUCTURES, strict=True):
        of_slices = {one.ContourImageSequence[0].ReferencedSOPInstanceUID for one in roi.ContourSequence}
        expected = np.flatnonzero(masks[structure].any((1, 2)))
        assert of_slices == {named[k] for k in expected}


def test_who_outlined_it_and_what_for(a_series, written_for):
    dataset = pydicom.dcmread(written_for(a_series)[0])
    assert "gtvseg" in dataset.Manufacturer and dataset.SoftwareVersions
    assert "Research use only" in dataset.StructureSetDescription
    assert dataset.ApprovalStatus == "UNAPPROVED"
    assert [roi.ROIName for roi in dataset.StructureSetROISequence] == list(STRUCTURES)
    for roi in dataset.StructureSetROISequence:
        assert roi.ROIGenerationAlgorithm == "AUTOMATIC" and "gtvseg" in roi.ROIGenerationDescription
        assert roi.ReferencedFrameOfReferenceUID == "1.2.4"
    assert {one.RTROIInterpretedType for one in dataset.RTROIObservationsSequence} == {"GTV"}
    colours = [list(one.ROIDisplayColor) for one in dataset.ROIContourSequence]
    assert colours == [[255, 0, 0], [255, 128, 0]]


def test_uids_are_new_every_time(a_series, written_for):
    first, second = (pydicom.dcmread(written_for(a_series)[0]) for _ in range(2))
    for keyword in ("SOPInstanceUID", "SeriesInstanceUID"):
        assert (
            first[keyword].value
            != second[keyword].value
            != pydicom.dcmread(a_series.folder / "001.dcm")[keyword].value
        )
    assert first.file_meta.MediaStorageSOPInstanceUID == first.SOPInstanceUID


def test_numbers_are_as_long_as_dicom_allows(all_series, written_for):
    dataset = pydicom.dcmread(written_for(all_series("oblique"))[0])
    for roi in dataset.ROIContourSequence:
        for contour in roi.ContourSequence:
            assert contour.NumberOfContourPoints * 3 == len(contour.ContourData)
            assert contour.NumberOfContourPoints >= 3
            assert max(len(str(value)) for value in contour.ContourData) <= 16


def test_a_ring_is_one_contour(a_series, written_for):
    """Two tubes in the primary tumour, one with a core: on the slices of the core there are two contours, no more."""
    path, masks = written_for(a_series)
    (roi, _) = pydicom.dcmread(path).ROIContourSequence
    uids = [one.ContourImageSequence[0].ReferencedSOPInstanceUID for one in roi.ContourSequence]
    assert max(uids.count(uid) for uid in uids) == 2 and masks["GTVp"].any()


def test_an_empty_structure_is_left_out_and_nothing_at_all_is_refused(a_series, tmp_path):
    masks = labels_on_series(a_series.labels, a_series.grid, a_series.reference)
    masks["GTVp"] = np.zeros_like(masks["GTVp"])
    write_rtstruct(tmp_path / "a.dcm", masks, a_series.reference)
    dataset = pydicom.dcmread(tmp_path / "a.dcm")
    assert [roi.ROIName for roi in dataset.StructureSetROISequence] == ["GTVnd"]
    masks["GTVnd"] = np.zeros_like(masks["GTVnd"])
    with pytest.raises(InputError, match="no structure has a voxel"):
        write_rtstruct(tmp_path / "b.dcm", masks, a_series.reference)
    assert not (tmp_path / "b.dcm").exists()
