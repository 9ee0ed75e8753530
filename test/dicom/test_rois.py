"""Other people's RTSTRUCTs."""

import numpy as np
import pydicom
import pytest

from dicom.masks import labels_on_series
from dicom.rois import Roi, check_reference, mask_of, misplaced, read_structure_set
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
    mask, odd = mask_of(roi, written.reference, tmp_path)
    assert roi.name == "Knoten" and not odd and dsc(mask, written.labels == 2) > 0.99


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
    mask, odd = mask_of(roi, a_series.reference, a_series.mask)
    counts = mask.sum((1, 2))
    assert list(np.flatnonzero(counts)) == [11, 12, 13, 14, 15] and set(counts[11:16]) == {17 * 17}
    assert odd == ["12 contours of GTV lie between the slices: left out"]


def test_slices_without_contours_between_others_are_counted(a_series):
    mask, odd = mask_of(Roi("GTV", (square(396), square(402))), a_series.reference, a_series.mask)
    assert list(np.flatnonzero(mask.any((1, 2)))) == [11, 14]
    assert odd == ["GTV has no contour on 2 slices between its others: left empty"]
    apart = Roi("GTV", (square(396, -20, -12), square(402, 12, 20)))  # two nodes
    assert mask_of(apart, a_series.reference, a_series.mask)[1] == []


def test_contours_of_much_finer_slices_are_not_every_second_one(a_series):
    """Those within a tenth of the slices' distance are one plane, unless all are so near to each other."""
    step = a_series.reference.grid.spacing_zyx[0] / 20
    growing = Roi("GTV", tuple(square(400 + k * step, -8 - k / 4, 8 + k / 4) for k in range(20)))
    mask, odd = mask_of(growing, a_series.reference, a_series.mask)
    whole, _ = mask_of(Roi("GTV", (square(400),)), a_series.reference, a_series.mask)
    middle = np.argwhere(whole).mean(0).round().astype(int)
    assert mask[tuple(middle)] and "lie between the slices: left out" in odd[0]
    ring = Roi("GTV", (square(400), square(400 + step, -4, 4)))  # a hole, a little off
    mask, odd = mask_of(ring, a_series.reference, a_series.mask)
    assert not mask[tuple(middle)] and mask.any() and not odd


@pytest.mark.parametrize(
    ("contours", "fact"),
    [
        ((square(400) + np.outer([0, 0, 1, 1], [0, 0, 9.0]),), "runs across the slices, over 9.0 mm"),
        ((square(400), square(640)), "lie outside the CT series"),
        ((square(400) + (60, 0, 0),), "lie outside the CT series"),  # within its heights
        ((square(400), np.vstack([square(402), [[1e30, 0, 402]]])), "lie outside the CT series"),
    ],
)
def test_contours_that_are_of_another_series_are_refused(a_series, contours, fact):
    with pytest.raises(InputError, match=f"'GTV' {fact}"):
        mask_of(Roi("GTV", contours), a_series.reference, a_series.mask)


def test_contours_that_are_not_closed_are_passed_over(rtss):
    dataset = pydicom.dcmread(rtss)
    first, second, *_ = dataset.ROIContourSequence[0].ContourSequence
    first.ContourGeometricType = "POINT"
    second.ContourData, second.NumberOfContourPoints = second.ContourData[:6], 2
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


def changed(rtss, change):
    dataset = pydicom.dcmread(rtss)
    change(dataset)
    dataset.save_as(rtss)
    return read_structure_set(rtss)


def test_one_number_for_two_rois_and_contours_that_lost_points_are_damage(rtss):
    def same_number(dataset):
        dataset.StructureSetROISequence[1].ROINumber = 1

    def cut(dataset):
        contour = dataset.ROIContourSequence[0].ContourSequence[3]
        contour.ContourData = contour.ContourData[: 3 * (contour.NumberOfContourPoints - 2)]

    content = rtss.read_bytes()
    for change, fact in ((same_number, "two ROIs have the ROINumber 1"), (cut, "fewer points than it says")):
        rtss.write_bytes(content)
        with pytest.raises(InputError, match=fact):
            changed(rtss, change)


def test_a_roi_whose_contours_are_in_two_lists_is_whole(rtss):
    def split(dataset):
        first = dataset.ROIContourSequence[0]
        rest = pydicom.Dataset()
        rest.ReferencedROINumber, rest.ContourSequence = 1, first.ContourSequence[5:]
        first.ContourSequence = first.ContourSequence[:5]
        dataset.ROIContourSequence.append(rest)

    whole = read_structure_set(rtss).rois[0]
    parts = changed(rtss, split).rois[0]
    assert len(parts.contours) == len(whole.contours) > 5 and parts.slices == whole.slices


def test_a_roi_in_another_frame_of_reference_is_refused_though_others_are_not(rtss, a_series):
    """As where some were drawn on a PET; what only names a frame of reference that nothing else knows is a slip."""

    def other_frame(dataset):
        dataset.StructureSetROISequence[0].ReferencedFrameOfReferenceUID = "1.2.99"

    def listed(dataset):
        frame = pydicom.Dataset()
        frame.FrameOfReferenceUID = "1.2.99"
        dataset.ReferencedFrameOfReferenceSequence.append(frame)

    structures = changed(rtss, other_frame)
    assert check_reference(structures, a_series.reference, structures.rois) == ""
    structures = changed(rtss, listed)
    assert check_reference(structures, a_series.reference, structures.rois[1:]) == ""
    with pytest.raises(InputError, match="'GTVp' is drawn in another frame of reference"):
        check_reference(structures, a_series.reference, structures.rois)


def test_contours_on_other_slices_than_they_name_are_counted(rtss, a_series):
    """As in an export with its slices in the wrong order."""

    def mirror(dataset):
        for contour in dataset.ROIContourSequence[0].ContourSequence:
            points = np.reshape(contour.ContourData, (-1, 3)).astype(float)
            points[:, 2] = 2 * 390 - points[:, 2]
            contour.ContourData = [f"{value:.3f}" for value in points.ravel()]

    assert [misplaced(roi, a_series.reference) for roi in read_structure_set(rtss).rois] == [0, 0]
    first, second = changed(rtss, mirror).rois
    on_390 = sum(points[0, 2] == 390 for points in first.contours)
    assert misplaced(first, a_series.reference) == len(first.contours) - on_390 > 10
    assert misplaced(second, a_series.reference) == 0


def test_a_contour_of_more_than_64_kb_is_read_whichever_way_it_is_written(a_series, rtss):
    """With explicit VRs such a value has an unknown one, which pydicom leaves as bytes."""
    angles = np.linspace(0, 2 * np.pi, 3000, endpoint=False)
    circle = np.column_stack([12 + 8 * np.cos(angles), -180 + 8 * np.sin(angles), np.full(3000, 400.0)])
    for syntax in (pydicom.uid.ImplicitVRLittleEndian, pydicom.uid.ExplicitVRLittleEndian):

        def write(dataset, syntax=syntax):
            contour = dataset.ROIContourSequence[0].ContourSequence[0]
            contour.ContourData, contour.NumberOfContourPoints = [f"{v:.3f}" for v in circle.ravel()], 3000
            dataset.file_meta.TransferSyntaxUID = syntax

        points = changed(rtss, write).rois[0].contours[0]
        np.testing.assert_allclose(points, circle, atol=1e-3)
        back = mask_of(Roi("GTV", (points,)), a_series.reference, rtss)[0]
        assert back.sum() == np.count_nonzero(np.hypot(*np.mgrid[-9:10, -9:10]) <= 8)


def on_slices(contours, uids, a_series):
    mask, odd = mask_of(Roi("GTV", tuple(contours), slices=tuple(uids)), a_series.reference, a_series.mask)
    return [int(count) for count in mask.sum((1, 2)) if count], odd


def test_pieces_of_one_slice_at_heights_that_differ_a_little_are_both_there(a_series):
    pieces = [square(400, -20, -10), square(400.1, 5, 15)]
    assert on_slices(pieces, ["", ""], a_series) == ([2 * 11 * 11], [])
    # Farther apart they are of one slice where both name it, and told where they do not.
    pieces[1][:, 2] = 400.5
    uid = a_series.reference.uids[13]
    assert on_slices(pieces, [uid, uid], a_series) == ([2 * 11 * 11], [])
    told = ["1 contours of GTV lie between the slices: left out"]
    assert on_slices(pieces, ["", ""], a_series) == ([11 * 11], told)


def test_contours_half_way_between_slices_are_of_one_each(a_series):
    z = (395.0, 397.004, 398.996)  # as numbers are rounded
    assert on_slices(map(square, z), [""] * 3, a_series)[0] == [21 * 21] * 3


def test_contours_without_a_voxel_in_them_are_told(a_series):
    assert on_slices([square(400, 0.3, 0.6)], [""], a_series) == (
        *([], ["no voxel lies in the contours of GTV: left empty"]),
    )
