"""DICOM folders, as pydicom writes them."""

import os
from pathlib import Path

import numpy as np
import pydicom
import pytest

from model.errors import InputError
from model.images.dicom import read_series
from model.images.pair import read_pair
from model.images.read import read_grid, read_scan
from model.images.tilt import on_slices

MOST = 10**7
REAL_SERIES = Path(__file__).parents[4] / "shared" / "data" / "dicom" / "tilt_minus18"
TILTED = [1, 0, 0, 0, 0.9483237, -0.3173047]


def refusal(folder: Path) -> str:
    """What is said of a folder that is refused, in one line, of it or of a file in it."""
    with pytest.raises(InputError) as caught:
        read_series(folder, MOST)
    message = str(caught.value)
    assert folder.name in message and "\n" not in message
    return message


def edit(path: Path, **tags) -> None:
    dataset = pydicom.dcmread(path)
    for keyword, value in tags.items():
        setattr(dataset, keyword, value)
    dataset.save_as(path)


def test_dicom_series_is_read_in_order_and_in_hu(read_one, dicom_series, tmp_path):
    pair = read_one(dicom_series(tmp_path / "image"))
    np.testing.assert_array_equal(pair.ct[:, 0, 0], [0, 10, 20, 30, 40])
    assert pair.spacing_zyx == (3, 0.5, 0.5)
    assert pair.grid.origin_xyz == (-10, -20, 0)
    assert read_grid(tmp_path / "image") == pair.grid


@pytest.mark.parametrize(
    ("axes", "move"),
    [
        ([1, 0, 0, 0, 1, 0], (0.05, 1.3, 2.5)),
        ([1, 0, 0, 0, 1, 0], (-0.4, 0.3, -2)),
        (TILTED, (0, 0, 2.5)),
        (TILTED, (0.05, 1.3, 2.5)),
        ([-1, 0, 0, 0, -1, 0], (0, 0.7, 2)),
        ([0.8, 0.6, 0, -0.6, 0.8, 0], (0.5, 0.3, 2)),
        ([1, 0, 0, 0, 0, -1], (0.3, 2.5, 0.9)),
    ],
    ids=str,
)
def test_a_function_of_the_place_is_read_at_its_places(dicom_slice, tmp_path, axes, move):
    def hu(places):
        return places @ (3.0, -2.0, 4.0) + 50

    rows, columns = np.indices((20, 16))
    row, column = np.reshape(axes, (2, 3))
    for k in range(6):
        first = np.array([3.0, -5, 100]) + k * np.array(move)
        places = first + rows[..., None] * 2.0 * column + columns[..., None] * 1.5 * row
        tags = {"ImageOrientationPatient": axes, "PixelSpacing": [2, 1.5], "InstanceNumber": k + 1}
        stored = np.rint(hu(places) + 1024).astype(np.uint16)
        dicom_slice(tmp_path / f"{k}.dcm", stored, ImagePositionPatient=list(np.round(first, 6)), **tags)
    scan = read_scan(tmp_path)
    z, y, x = np.indices(scan.array.shape)
    steps = np.reshape(scan.grid.direction, (3, 3)) * scan.grid.spacing_xyz
    expected = hu(np.stack([x, y, z], -1) @ steps.T + scan.grid.origin_xyz)
    near = abs(scan.array - expected) <= 1.01
    assert near.sum() >= 6 * 19 * 15  # every slice, but for a rim of half a voxel
    # Nothing else is there but air, and the half voxels at the rim.
    assert (near | (scan.array == -1024) | (abs(scan.array - expected) < 7)).all()


def test_a_tilted_series_is_straightened_and_said(dicom_series, tmp_path):
    folder = dicom_series(tmp_path / "tilted", ImageOrientationPatient=TILTED)
    lines: list[str] = []
    pair = read_pair(folder, folder, lines.append)
    warnings = [line for line in lines if line.startswith("warning: ") and "tilt" in line]
    assert len(warnings) == 2 and "gantry tilt of 18.5 degrees" in warnings[0]
    assert "by up to 3.8 mm" in warnings[0] and "on that straight grid" in warnings[0]
    assert pair.grid.size_xyz == (6, 4 + 8, 5)
    series = read_series(folder, MOST)
    original = on_slices(series.array, series.stack)
    np.testing.assert_array_equal(original[:, 1:3], np.arange(0, 50, 10)[:, None, None] * np.ones((2, 6)))
    assert [one.path.name for one in series.slices] == [f"1_{99 - k}.dcm" for k in range(5)]


@pytest.mark.parametrize(("angle", "said"), [("-18.5", True), ("0", False), ("0.1", False), ("", False)])
def test_a_tilt_that_the_slices_do_not_show_is_said(dicom_series, tmp_path, angle, said):
    series = read_series(dicom_series(tmp_path / "series", GantryDetectorTilt=angle), MOST)
    assert bool(series.oddities) == said and not series.stack.tilted


def test_a_real_tilted_series_lies_where_its_slices_say():
    if not REAL_SERIES.is_dir():
        pytest.skip(f"needs the real series {REAL_SERIES}")
    series = read_series(REAL_SERIES, 10**8)
    assert "gantry tilt of 18.5 degrees" in series.oddities[0]
    grid = series.stack.grid
    steps = np.reshape(grid.direction, (3, 3)) * grid.spacing_xyz
    for k in (0, 8, 17):
        dataset = pydicom.dcmread(series.slices[k].path)
        row, column = np.reshape(np.array(dataset.ImageOrientationPatient, float), (2, 3))
        mm = float(dataset.PixelSpacing[0])
        hu = dataset.pixel_array * float(dataset.RescaleSlope) + float(dataset.RescaleIntercept)
        y, x = np.mgrid[2:510:37, 2:510:41]
        places = np.array(dataset.ImagePositionPatient, float) + mm * (
            y[..., None] * column + x[..., None] * row
        )
        at = (places - grid.origin_xyz) @ np.linalg.inv(steps).T  # x, y, z in voxels
        assert abs(at[..., 2] - k).max() < 1e-3 and abs(at[..., 0] - x).max() < 1e-3
        low = np.floor(at[..., 1] + 1e-6).astype(int)
        plane = series.array[k].astype(float)
        # The slice's values lie between the two that the grid has beside them, or are smoothed by it.
        part = at[..., 1] - low
        found = (1 - part) * plane[low, x] + part * plane[low + 1, x]
        f = series.stack.shifts_yx[k, 0] % 1
        weights = f * (1 - f), f**2 + (1 - f) ** 2, f * (1 - f)  # there and back
        expected = sum(w * hu[y + d, x] for w, d in zip(weights, (-1, 0, 1), strict=True))
        assert abs(found - expected).max() <= 1.01


def test_every_slice_has_its_own_scale_and_sign(dicom_series, dicom_slice, tmp_path):
    folder = dicom_series(tmp_path / "mixed")
    for k, tags in ((1, {"RescaleSlope": 0.5, "RescaleIntercept": 0}), (3, {"RescaleIntercept": -24})):
        place = {"ImagePositionPatient": [-10, -20, 3 * k], "InstanceNumber": k + 1}
        dicom_slice(folder / f"1_{99 - k}.dcm", np.full((4, 6), -200, np.int16), **place, **tags)
    np.testing.assert_array_equal(read_series(folder, MOST).array[:, 0, 0], [0, -100, 20, -224, 40])


@pytest.mark.parametrize(
    ("one", "tags", "facts"),
    [
        (
            2,
            {"ImageOrientationPatient": [1, 0, 0, 0, 0, -1]},
            ["1 of 5 slices have another orientation", "1_97.dcm"],
        ),
        (
            0,
            {"ImageOrientationPatient": TILTED},
            ["1 of 5 slices have another orientation", "InstanceNumber 1)"],
        ),
        (
            *(
                4,
                {
                    "ImageOrientationPatient": [0, 1, 0, 0, 0, -1],
                    "ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"],
                },
            ),
            ["1_95.dcm (a localizer, InstanceNumber 5)"],
        ),
        (
            1,
            {"ImagePositionPatient": [-10, -20, 0]},
            ["1 of 5 slices lie where another does", "other voxels"],
        ),
        (1, {"ImagePositionPatient": [-10, -20, 0.2]}, ["1 of 5 slices lie where another does"]),
        (2, {"ImagePositionPatient": [-10, -20, 7]}, ["2.00 to 4.00 mm apart", "1_97.dcm", "1.00 mm off"]),
        (2, {"ImagePositionPatient": [-10, -18, 6]}, ["drift sideways without order", "1_97.dcm", "mm off"]),
        (2, {"ImagePositionPatient": [-8.5, -20, 6]}, ["drift sideways without order", "1_97.dcm"]),
        (
            4,
            {"ImagePositionPatient": [-10, -20, 21]},
            ["3 slices seem to be missing between 1_96.dcm", "9.00 and 21.00"],
        ),
        (3, {"PixelSpacing": [0.6, 0.6]}, ["PixelSpacing differs", "(0.5, 0.5)", "(0.6, 0.6)", "1_96.dcm"]),
        (3, {"FrameOfReferenceUID": "1.9"}, ["FrameOfReferenceUID differs", "1_96.dcm"]),
        (3, {"NumberOfFrames": 2}, ["1_96.dcm: 2 frames"]),
        (3, {"Modality": "MR"}, ["MR, not CT", "1_96.dcm"]),
        (3, {"Modality": None}, ["no Modality", "1_96.dcm"]),
        (3, {"RescaleSlope": None, "RescaleIntercept": None}, ["RescaleSlope differs", "1_96.dcm"]),
        (3, {"RescaleSlope": None}, ["no RescaleSlope", "1_96.dcm"]),
        (3, {"SeriesInstanceUID": "1.2.9"}, ["2 DICOM series", "(file 1_96.dcm, 1 slice, CT)"]),
    ],
    ids=str,
)
def test_one_odd_slice_is_refused_by_its_name(dicom_series, tmp_path, one, tags, facts):
    folder = dicom_series(tmp_path / "series")
    edit(folder / f"1_{99 - one}.dcm", **tags)
    message = refusal(folder)
    assert all(fact in message for fact in facts), message


def test_patients_are_not_named(dicom_series, tmp_path):
    folder = dicom_series(tmp_path / "mixed", PatientID="Anna")
    edit(folder / "1_97.dcm", PatientID="Berta")
    message = refusal(folder)
    assert "PatientID differs" in message and "Anna" not in message and "Berta" not in message


@pytest.mark.parametrize(
    ("slices", "fact"),
    [
        ([0, 1, 3, 4], "1 slice seems to be missing between 1_98.dcm (InstanceNumber 2) and 1_96.dcm"),
        ([0, 1, 2, 7, 8, 9], "4 slices seem to be missing between 1_97.dcm"),
        ([0, 1, 2, 4, 5, 6, 8], "2 slices seem to be missing between 1_97.dcm"),
        ([3], "one slice"),
    ],
    ids=str,
)
def test_missing_slices_are_refused_with_their_place(dicom_series, tmp_path, slices, fact):
    assert fact in refusal(dicom_series(tmp_path / "gap", slices=slices))


def test_a_change_of_distance_is_refused_with_figures(dicom_series, tmp_path):
    folder = dicom_series(tmp_path / "uneven", slices=range(9))
    for k in range(5, 9):
        edit(folder / f"1_{99 - k}.dcm", ImagePositionPatient=[-10, -20, 12 + 5 * (k - 4)])
    assert "slices are 3.00 to 5.00 mm apart" in refusal(folder)


@pytest.mark.parametrize("step", [0.625, 1.25, 0.7999])
def test_positions_may_be_rounded(dicom_series, tmp_path, step):
    folder = dicom_series(tmp_path / "rounded", slices=range(9))
    for k in range(9):
        edit(folder / f"1_{99 - k}.dcm", ImagePositionPatient=[-10, -20, round(step * k, 1)])
    assert read_grid(folder).spacing_xyz[2] == pytest.approx(step, abs=0.02)


def test_slices_stacked_along_their_own_plane_are_refused(dicom_series, tmp_path):
    folder = dicom_series(tmp_path / "wrong", ImageOrientationPatient=[1, 0, 0, 0, 0.1, -0.995])
    assert "84 degrees off their normal" in refusal(folder)


def test_copies_of_slices_are_refused_as_such(dicom_series, tmp_path):
    folder = dicom_series(tmp_path / "copies")
    for k in (1, 3):
        (folder / f"copy_{k}.dcm").write_bytes((folder / f"1_{99 - k}.dcm").read_bytes())
    message = refusal(folder)
    assert "2 of 7 slices lie where another does" in message and "copy_1.dcm" in message
    assert "the same voxels" in message and "remove the duplicates" in message


def test_two_times_in_one_series_are_refused_as_such(dicom_series, tmp_path):
    folder = dicom_series(tmp_path / "times")
    dicom_series(folder, intercept=-1000, SeriesInstanceUID="1.2.3.1", PixelSpacing=[0.5, 0.5])
    for k in range(5):
        path = folder / f"1_{99 - k}.dcm"
        path.rename(folder / f"2_{k}.dcm")
        edit(folder / f"2_{k}.dcm", RescaleIntercept=-900)
    message = refusal(dicom_series(folder))
    assert "5 of 10 slices lie where another does" in message and "and 2 more" in message
    assert "several acquisitions or times" in message


@pytest.mark.parametrize("modality", ["MR", "PT", "RTDOSE"])
def test_other_modalities_are_refused(dicom_series, tmp_path, modality):
    assert f"{modality}, not CT" in refusal(dicom_series(tmp_path / "other", modality=modality))


def test_folders_without_one_series_are_refused(dicom_series, tmp_path):
    dicom_series(tmp_path / "two")
    message = refusal(dicom_series(tmp_path / "two", series="2"))
    assert (
        "(file 1_95.dcm, 5 slices, CT), (file 2_95.dcm, 5 slices, CT)" in message and "1.2.3" not in message
    )
    (tmp_path / "empty").mkdir()
    assert "no DICOM series" in refusal(tmp_path / "empty")
    (tmp_path / "empty" / "deeper").mkdir()
    assert "no DICOM series, only folders" in refusal(tmp_path / "empty")


@pytest.mark.parametrize("left", [0, 100, 300, 500, -30, -2])
@pytest.mark.parametrize("cut", [0, 2, 4])  # also at the ends, where no gap would show
def test_a_slice_cut_short_is_refused(dicom_series, tmp_path, cut, left, capfd):
    path = dicom_series(tmp_path / "series") / f"1_{99 - cut}.dcm"
    path.write_bytes(path.read_bytes()[:left])
    assert path.name in refusal(tmp_path / "series")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("name", ["README.txt", "Thumbs.db", "DICOMDIR", "ü'$x{}.json"])
def test_other_files_are_passed_over_and_said(dicom_series, tmp_path, name):
    folder = dicom_series(tmp_path / "series")
    (folder / name).write_text("no slice")
    (folder / ".hidden").write_text("no slice")
    (folder / "._1_99.dcm").write_text("no slice")
    (folder / "deeper").mkdir()
    series = read_series(folder, MOST)
    assert len(series.slices) == 5 and series.oddities == (f"passed over {name}: no DICOM",)


def test_the_list_of_files_on_a_disc_is_no_slice(dicom_series, tmp_path):
    folder = dicom_series(tmp_path / "series")
    meta = pydicom.dataset.FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = "1.2.840.10008.1.3.10", "1.2.3.4"
    meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    listing = pydicom.dataset.Dataset()
    listing.FileSetID, listing.file_meta = "DISC", meta
    listing.save_as(folder / "DICOMDIR", enforce_file_format=True)
    series = read_series(folder, MOST)
    assert len(series.slices) == 5 and not series.oddities


@pytest.mark.parametrize("name", ["1_20.dcm", "other.DCM", "x.ima"])
def test_what_is_named_as_a_slice_but_none_is_refused(dicom_series, tmp_path, name):
    folder = dicom_series(tmp_path / "series")
    (folder / name).write_text("no slice")
    assert "no DICOM file, though named as a slice" in refusal(folder)


@pytest.mark.parametrize("kind", ["loop", "dangling", "pipe", "link to a pipe"])
def test_what_cannot_be_opened_is_refused(dicom_series, tmp_path, kind):
    folder = dicom_series(tmp_path / "series")
    path = folder / "1_20.dcm"
    if "pipe" in kind:
        os.mkfifo(tmp_path / "pipe")
        path.symlink_to(tmp_path / "pipe") if "link" in kind else (tmp_path / "pipe").rename(path)
    else:
        path.symlink_to(path if kind == "loop" else folder / "nowhere")
    assert "1_20.dcm" in refusal(folder)


def test_a_slice_without_permission_is_refused(dicom_series, tmp_path, monkeypatch):
    folder, opened = dicom_series(tmp_path / "series"), Path.open

    def guarded(path, *arguments, **options):
        if path.name == "1_97.dcm":  # root may read everything
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", guarded)
    assert "1_97.dcm: cannot be read (Permission denied)" in refusal(folder)


@pytest.mark.parametrize("name", ["a b", "$x^{$", "%s%n", "line\nend", "ümläut", os.fsdecode(b"not\xe4utf8")])
def test_names_of_folders_and_files_may_be_odd(dicom_series, tmp_path, name):
    folder = dicom_series(tmp_path / name)
    (folder / "1_99.dcm").rename(folder / f"{name}.dcm")
    assert len(read_series(folder, MOST).slices) == 5


def test_the_number_of_voxels_is_bounded(dicom_series, tmp_path):
    folder = dicom_series(tmp_path / "many")
    with pytest.raises(InputError, match="6 x 4 x 5 voxels are more than any CT has"):
        read_series(folder, 100)


def test_values_without_a_scale_are_taken_as_hu_and_said(dicom_series, tmp_path):
    folder = dicom_series(tmp_path / "series", intercept=0, RescaleSlope=None, RescaleIntercept=None)
    series = read_series(folder, MOST)
    np.testing.assert_array_equal(series.array[:, 0, 0], [0, 10, 20, 30, 40])
    assert "its values are taken as HU" in series.oddities[0]


@pytest.mark.parametrize(
    ("tags", "refused", "warned"),
    [
        ({"PatientID": "P2"}, True, False),
        ({"PatientID": "P2", "FrameOfReferenceUID": "1.9"}, True, False),
        ({"PatientID": ""}, False, False),
        ({"FrameOfReferenceUID": "1.9"}, False, True),
        ({"FrameOfReferenceUID": ""}, False, False),
        ({"PatientID": "P1 "}, False, False),
    ],
    ids=str,
)
def test_both_series_are_of_one_patient(dicom_series, tmp_path, tags, refused, warned):
    ct, ce = dicom_series(tmp_path / "ct"), dicom_series(tmp_path / "ce", series="2", **tags)
    lines: list[str] = []
    if refused:
        with pytest.raises(InputError) as caught:
            read_pair(ct, ce, lines.append)
        message = str(caught.value)
        assert "two patients" in message and str(ct) in message and str(ce) in message
        assert "P1" not in message and "P2" not in message
    else:
        read_pair(ct, ce, lines.append)
    assert any("different frames of reference" in line for line in lines) == warned


@pytest.mark.parametrize("here", [1, 2])
def test_slices_of_the_series_in_a_folder_below_are_refused(dicom_series, tmp_path, here):
    dicom_series(tmp_path)
    files = sorted(tmp_path.glob("*.dcm"))
    (tmp_path / "more").mkdir()
    for file in files[here:]:
        file.rename(tmp_path / "more" / file.name)
    with pytest.raises(InputError, match="more/.*a folder below"):
        read_scan(tmp_path)


@pytest.mark.parametrize(
    "tags",
    [
        {"ImageType": ["DERIVED", "SECONDARY", "AXIAL"]},
        {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"},
    ],
)
def test_a_secondary_capture_among_slices_is_refused(dicom_series, tmp_path, tags):
    dicom_series(tmp_path)
    edit(sorted(tmp_path.glob("*.dcm"))[0], **tags)
    with pytest.raises(InputError, match=f"{next(iter(tags))} differs"):
        read_scan(tmp_path)


def test_pixels_that_are_not_square_and_captures_are_told(dicom_series, tmp_path):
    dicom_series(tmp_path)
    for path in tmp_path.glob("*.dcm"):
        edit(path, PixelSpacing=[1, 2], SOPClassUID="1.2.840.10008.5.1.4.1.1.7")
    said = " ".join(read_scan(tmp_path).oddities)
    assert "not square: 1 x 2 mm" in said and "SOPClassUID" in said
