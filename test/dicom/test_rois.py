"""Other people's RTSTRUCTs."""

import numpy as np
import pydicom
import pytest

from dicom.masks import labels_on_series
from dicom.rois import Roi, check_reference, mask_of, read_structure_set
from dicom.rtstruct import write_rtstruct
from model.errors import InputError


@pytest.fixture
def rtss(a_series, tmp_path):
    """A file of our own, to be changed."""
    masks = labels_on_series(a_series.labels, a_series.grid, a_series.reference)
    write_rtstruct(tmp_path / "rtss.dcm", masks, a_series.reference)
    return tmp_path / "rtss.dcm"


def square(z: float, low: float = -10.0, high: float = 10.0) -> np.ndarray:
    """Around the middle of the plainest series, x, y, z in mm."""
    corners = np.array([[low, low], [high, low], [high, high], [low, high]]) + (12, -180)
    return np.column_stack([corners, np.full(4, z)])


def test_what_rt_utils_draws_through_the_centres_of_voxels_is_the_mask(a_series, tmp_path, write_series, dsc):
    rt_utils = pytest.importorskip("rt_utils", exc_type=ImportError)
    wanted = "StudyTime SeriesDate SeriesTime StudyDescription SeriesDescription PatientBirthDate PatientSex"
    tags = dict.fromkeys([*wanted.split(), "PatientAge", "PatientSize", "PatientWeight", "StudyID"], "")
    written = write_series(tmp_path / "ct", "feet first supine", SeriesNumber=1, **tags)
    builder = rt_utils.RTStructBuilder.create_new(str(written.folder))
    builder.add_roi(mask=np.moveaxis(written.labels == 2, 0, 2), name="Knoten")
    builder.save(str(tmp_path / "theirs"))
    (roi,) = read_structure_set(tmp_path / "theirs.dcm").rois
    mask, missing = mask_of(roi, written.reference, tmp_path)
    assert roi.name == "Knoten" and not missing and dsc(mask, written.labels == 2) > 0.99


def test_inner_contours_are_holes(a_series):
    roi = Roi("GTV", (square(400), square(400, -4, 4)))
    mask, _ = mask_of(roi, a_series.reference, a_series.mask)
    expected, middle = np.zeros_like(mask), 36
    expected[13, middle - 10 : middle + 11, middle - 10 : middle + 11] = True
    expected[13, middle - 3 : middle + 4, middle - 3 : middle + 4] = False
    np.testing.assert_array_equal(mask, expected)


def test_contours_of_finer_slices_are_not_mixed(a_series):
    """Half a slice's distance apart; those on the slice itself count, and not every second of both."""
    roi = Roi("GTV", tuple(square(z, -8, 8) for z in np.arange(396, 404.1, 0.5)))
    mask, missing = mask_of(roi, a_series.reference, a_series.mask)
    counts = mask.sum((1, 2))
    assert list(np.flatnonzero(counts)) == [11, 12, 13, 14, 15] and set(counts[11:16]) == {17 * 17}
    assert not missing


def test_slices_without_contours_between_others_are_counted(a_series):
    mask, missing = mask_of(Roi("GTV", (square(396), square(402))), a_series.reference, a_series.mask)
    assert list(np.flatnonzero(mask.any((1, 2)))) == [11, 14] and missing == 2
    apart = Roi("GTV", (square(396, -20, -12), square(402, 12, 20)))  # two nodes
    assert mask_of(apart, a_series.reference, a_series.mask)[1] == 0


@pytest.mark.parametrize(
    ("contours", "fact"),
    [
        ((square(400) + np.outer([0, 0, 1, 1], [0, 0, 9.0]),), "runs across the slices, over 9.0 mm"),
        ((square(400), square(640)), "lie outside the CT series"),
    ],
)
def test_contours_that_are_of_another_series_are_refused(a_series, contours, fact):
    with pytest.raises(InputError, match=f"'GTV' {fact}"):
        mask_of(Roi("GTV", contours), a_series.reference, a_series.mask)


def test_contours_that_are_not_closed_are_passed_over(rtss):
    dataset = pydicom.dcmread(rtss)
    first, second, *_ = dataset.ROIContourSequence[0].ContourSequence
    first.ContourGeometricType = "POINT"
    second.ContourData = second.ContourData[:6]
    dataset.ROIContourSequence[1].ContourSequence[0].ContourGeometricType = "CLOSEDPLANAR_XOR"
    dataset.save_as(rtss)
    one, other = read_structure_set(rtss).rois
    assert one.passed_over == 2 and other.passed_over == 0


def test_rois_without_contours_are_there(rtss):
    dataset = pydicom.dcmread(rtss)
    del dataset.ROIContourSequence[0].ContourSequence
    del dataset.ROIContourSequence[1]
    dataset.save_as(rtss)
    assert [(roi.name, roi.contours) for roi in read_structure_set(rtss).rois] == [
        ("GTVp", ()),
        ("GTVnd", ()),
    ]


def test_of_which_series_it_is(rtss, all_series, a_series, write_series, tmp_path):
    structures = read_structure_set(rtss)
    assert check_reference(structures, a_series.reference) == ""
    same_frame = write_series(tmp_path / "ce", "oblique", size=8, SeriesInstanceUID="1.2.3.77")
    assert "another series in the same frame" in check_reference(structures, same_frame.reference)
    tags = {"SeriesInstanceUID": "1.2.3.78", "FrameOfReferenceUID": "1.2.5"}
    other = write_series(tmp_path / "other", "oblique", size=8, **tags)
    with pytest.raises(InputError, match="in another frame of reference"):
        check_reference(structures, other.reference)


def test_what_is_no_rtstruct_is_said(a_series, tmp_path, rtss):
    (tmp_path / "text").write_text("no DICOM")
    (tmp_path / "cut.dcm").write_bytes(rtss.read_bytes()[:3000])
    for path, fact in (
        (tmp_path / "none.dcm", "cannot be read"),
        (tmp_path / "text", "no DICOM file"),
        (tmp_path / "cut.dcm", "cut short"),
        (tmp_path, "no DICOM file"),
        (a_series.folder / "001.dcm", "CT, no RTSTRUCT"),
    ):
        with pytest.raises(InputError, match=fact):
            read_structure_set(path)


@pytest.mark.parametrize("number", ["nan", "1e400", "abc", ""])
def test_numbers_that_are_none_are_damage(rtss, number):
    content = rtss.read_bytes()
    place = content.index(b"CLOSED_PLANAR")
    place = content.index(b"-", place)  # the first coordinate that is negative, of seven or eight letters
    end = content.index(b"\\", place)
    rtss.write_bytes(content[:place] + number.ljust(end - place).encode() + content[end:])
    with pytest.raises(InputError, match="damaged"):
        read_structure_set(rtss)
