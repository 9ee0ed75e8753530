"""A CT series as contours are tied to it."""

import numpy as np
import pydicom
import pytest

from dicom.series import places, points_on, read_reference
from model.errors import InputError


def test_every_slice_lies_where_its_own_file_says(every_series):
    reference = every_series.reference
    assert (np.diff(reference.heights_mm) > 0).all()
    corners = np.array([[0, 0], [0, 71], [71, 0], [71, 71], [30.5, 12.25]])
    for one, uid in zip(reference.slices, reference.uids, strict=True):
        dataset = pydicom.dcmread(one.path)
        assert dataset.SOPInstanceUID == uid
        row, column = np.reshape(np.array(dataset.ImageOrientationPatient, float), (2, 3))
        down, across = map(float, dataset.PixelSpacing)
        expected = [
            np.array(dataset.ImagePositionPatient, float) + y * down * column + x * across * row
            for y, x in corners
        ]
        found = places(one, corners)
        np.testing.assert_allclose(found, expected, atol=1e-6)
        np.testing.assert_allclose(points_on(one, found), corners, atol=1e-6)
        np.testing.assert_allclose(points_on(one, found + 3 * reference.normal), corners, atol=1e-6)


def test_pixels_that_are_not_square_keep_their_axes(write_series, tmp_path):
    written = write_series(tmp_path / "ct", "oblique", size=12, PixelSpacing=[2, 0.5])
    one = written.reference.slices[0]
    moved = places(one, np.array([[0.0, 0], [1, 0], [0, 1]]))
    assert np.linalg.norm(moved[1] - moved[0]) == pytest.approx(2)
    assert np.linalg.norm(moved[2] - moved[0]) == pytest.approx(0.5)
    np.testing.assert_allclose(points_on(one, moved), [[0, 0], [1, 0], [0, 1]], atol=1e-6)


def test_study_and_uids_are_known(a_series):
    reference = a_series.reference
    assert (reference.study_uid, reference.series_uid, reference.frame_uid) == ("1.2.3", "1.2.3.1", "1.2.4")
    assert reference.class_uid == "1.2.840.10008.5.1.4.1.1.2"
    assert str(reference.header.PatientName) == "Muster^Jörg" and "PixelData" not in reference.header
    assert len(reference.slices) == 26


@pytest.mark.parametrize(
    "keyword", ["StudyInstanceUID", "FrameOfReferenceUID", "SeriesInstanceUID", "SOPInstanceUID"]
)
def test_a_series_without_its_uids_is_refused(write_series, tmp_path, keyword):
    without = {"without": (keyword,)} if keyword == "SOPInstanceUID" else {keyword: ""}
    with pytest.raises(InputError, match=f"no {keyword}, which contours must name; export the series anew"):
        write_series(tmp_path / "ct", "tilted", size=8, **without)


def test_two_slices_of_one_uid_are_refused(write_series, tmp_path):
    with pytest.raises(InputError, match="has the SOPInstanceUID of 001.dcm"):
        write_series(tmp_path / "ct", "tilted", size=8, SOPInstanceUID="1.2.3.1")


def test_what_is_no_folder_is_said(tmp_path):
    for path, fact in ((tmp_path / "none", "no such folder"), (__file__, "no folder")):
        with pytest.raises(InputError, match=fact):
            read_reference(tmp_path / path)


def test_contours_beside_the_slices_are_passed_over_and_told(write_series, tmp_path, capsys):
    """As planning systems export both to one folder."""
    written = write_series(tmp_path / "ct", "oblique", size=8)
    dataset = pydicom.dcmread(written.folder / "001.dcm")
    dataset.Modality, dataset.SeriesInstanceUID = "RTSTRUCT", "1.2.9"
    del dataset.PixelData
    dataset.save_as(written.folder / "RS.1.2.9.dcm")
    assert read_reference(written.folder).uids == written.reference.uids
    told = f"warning: {written.folder}: passed over RS.1.2.9.dcm: RTSTRUCT, no image\n"
    assert capsys.readouterr().out == told
