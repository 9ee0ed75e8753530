"""Series found by their tags, wherever their files lie."""

import os
import shutil

import pydicom
import pytest

from model.errors import InputError
from model.images import series_files
from model.images.series_files import check_beside, files_below, series_below


def test_series_are_told_apart_by_tags_alone(dicom_series, tmp_path):
    dicom_series(tmp_path / "x", range(4))
    dicom_series(tmp_path / "x", range(3), series="2", modality="MR")
    dicom_series(tmp_path / "y" / "deep", range(4, 6))
    dicom_series(tmp_path / "z", [9], ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    (tmp_path / "y" / "report.pdf").write_bytes(b"%PDF")
    below = series_below(tmp_path)
    found = {(one.text("Modality"), one.localizer, len(one.files), one.folder) for one in below.series}
    assert found == {
        ("CT", False, 6, tmp_path),
        ("MR", False, 3, tmp_path / "x"),
        ("CT", True, 1, tmp_path / "z"),
    }
    assert below.others == (tmp_path / "y" / "report.pdf",) and not below.damaged


def test_the_list_of_a_disc_is_no_series(dicom_series, tmp_path):
    dicom_series(tmp_path / "x", range(2))
    dataset = pydicom.dcmread(tmp_path / "x" / "1_99.dcm")
    dataset.file_meta.MediaStorageSOPClassUID = series_files.DICOMDIR
    del dataset.PixelData
    dataset.save_as(tmp_path / "DICOMDIR")
    assert [len(one.files) for one in series_below(tmp_path).series] == [2]


@pytest.mark.parametrize(
    ("charset", "text"),
    [
        ("ISO_IR 100", "Schädel"), ("ISO_IR 192", "Hals 颈"), ("", "Neck"), ("GB18030", "颈部平扫"),
        ("ISO_IR 144", "Шея"), (["", "ISO 2022 IR 87"], "頸部"), (["", "ISO 2022 IR 149"], "경부"),
        ("ISO_IR 101", "szyję"),
    ],
)  # fmt: skip
def test_descriptions_are_read_in_their_character_set_as_pydicom_writes_them(
    dicom_series, tmp_path, charset, text
):
    dicom_series(tmp_path, range(1), SpecificCharacterSet=charset, SeriesDescription=text)
    (series,) = series_below(tmp_path).series
    assert series.text("SeriesDescription") == text


@pytest.mark.parametrize(
    ("tags", "acquired", "shown"),
    [
        ({}, "", ""),
        (
            {"AcquisitionDate": "20240301", "AcquisitionTime": "103215.25"},
            "20240301103215",
            "2024-03-01 10:32",
        ),
        ({"AcquisitionDateTime": "20240301103215.1+0100"}, "20240301103215", "2024-03-01 10:32"),
        ({"SeriesDate": "20240301", "SeriesTime": "103215"}, "", "2024-03-01 10:32"),
        ({"StudyDate": "20240301", "AcquisitionTime": "103215"}, "20240301103215", "2024-03-01 10:32"),
        ({"StudyDate": "20240301"}, "", "2024-03-01"),
        ({"StudyDate": "20240301", "AcquisitionTime": "000000"}, "", "2024-03-01 00:00"),
    ],
)
def test_when_it_was_acquired(dicom_series, tmp_path, tags, acquired, shown):
    (series,) = series_below(dicom_series(tmp_path, range(2), **tags)).series
    assert (series.acquired, series.shown_time) == (acquired, shown)


def test_a_long_description_is_cut_and_the_normal_is_of_length_one(dicom_series, tmp_path):
    axes = [0, 1, 0, 0, 0, -1]
    dicom_series(tmp_path, range(3), SeriesDescription="x" * 60, ImageOrientationPatient=axes)
    (series,) = series_below(tmp_path).series
    assert series.described() == f'"{"x" * 39}…", 3 slices'
    normal, places = series.places()
    assert list(normal) == [-1, 0, 0] and list(places) == [10, 10, 10]
    dicom_series(tmp_path / "b", range(3), series="2", without=("ImagePositionPatient",))
    assert not len(series_below(tmp_path / "b").series[0].places()[1])


def test_links_are_followed_once_and_hidden_files_are_not_seen(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    for name in ("a/b/1", "a/2", ".3", "a/.c"):
        (tmp_path / name).touch()
    (tmp_path / "a" / "b" / "loop").symlink_to(tmp_path)
    (tmp_path / "also").symlink_to(tmp_path / "a")
    assert list(files_below(tmp_path)) == [tmp_path / "a" / "2", tmp_path / "a" / "b" / "1"]


def test_the_number_of_files_is_bounded(tmp_path, monkeypatch):
    for k in range(4):
        (tmp_path / str(k)).touch()
    monkeypatch.setattr(series_files, "MOST_FILES", 3)
    with pytest.raises(InputError, match="more than 3 files"):
        list(files_below(tmp_path))


@pytest.mark.parametrize("content", [b"hello", b"", b"cut"])
def test_what_may_be_a_slice_beside_the_others_is_refused(dicom_series, tmp_path, content):
    folder = dicom_series(tmp_path / "s", range(3))
    whole = (folder / "1_98.dcm").read_bytes()
    (folder / "1_98.dcm").write_bytes(whole[:300] if content == b"cut" else content)
    shutil.copytree(folder, tmp_path / "elsewhere")
    os.remove(tmp_path / "elsewhere" / "1_98.dcm")
    below = series_below(tmp_path / "s")
    with pytest.raises(InputError, match="1_98.dcm"):
        check_beside(below.series[0], below)
    below = series_below(tmp_path / "elsewhere")
    check_beside(below.series[0], below)
