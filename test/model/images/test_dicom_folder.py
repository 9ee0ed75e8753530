"""Folders that are said to hold one CT series; what their slices must be like is tested with the series."""

import pytest

from model.errors import InputError
from model.images.dicom_folder import files_of_one_series


def test_the_files_of_the_series_and_the_rest(dicom_series, tmp_path):
    folder = dicom_series(tmp_path / "image", range(3))
    for name in ("README.txt", ".hidden"):
        (folder / name).write_text("x")
    series, others = files_of_one_series(folder)
    assert [path.name for path in series.files] == ["1_97.dcm", "1_98.dcm", "1_99.dcm"]
    assert others == [folder / "README.txt"] and series.folder == folder


def test_two_series_are_named_as_people_know_them_and_not_by_their_uids(dicom_series, tmp_path):
    folder = tmp_path / "image"
    dicom_series(folder, range(3), SeriesDescription="Hals nativ", SeriesDate="20240301", SeriesTime="1032")
    dicom_series(folder, range(1), series="2", SeriesDescription="Hals KM")
    with pytest.raises(InputError) as caught:
        files_of_one_series(folder)
    assert '("Hals nativ", 2024-03-01 10:32, 3 slices, CT), ("Hals KM", 1 slice, CT)' in str(caught.value)
    assert "2 DICOM series" in str(caught.value) and "1.2.3" not in str(caught.value)
