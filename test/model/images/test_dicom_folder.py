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
    assert others == {folder / "README.txt": "no DICOM"} and series.folder == folder


@pytest.mark.parametrize("modality", ["RTSTRUCT", "RTPLAN", "RTDOSE", "SEG", "SR", "PR", "REG", "KO"])
def test_what_is_exported_beside_the_slices_is_passed_over(dicom_series, tmp_path, modality):
    """As planning systems do; other images stay refused, and a folder of nothing else is none of a CT."""
    folder = dicom_series(tmp_path / "image", range(3))
    (other,) = dicom_series(tmp_path / "other", range(1), series="2", Modality=modality).iterdir()
    other.rename(folder / "RS.1.2.3.dcm")
    series, others = files_of_one_series(folder)
    assert len(series.files) == 3 and others == {folder / "RS.1.2.3.dcm": f"{modality}, no image"}
    for path in series.files:
        path.unlink()
    with pytest.raises(InputError, match=f"{modality}, not CT"):
        files_of_one_series(folder)


def test_two_series_are_named_as_people_know_them_and_not_by_their_uids(dicom_series, tmp_path):
    folder = tmp_path / "image"
    dicom_series(folder, range(3), SeriesDescription="Hals nativ", SeriesDate="20240301", SeriesTime="1032")
    dicom_series(folder, range(1), series="2", SeriesDescription="Hals KM")
    with pytest.raises(InputError) as caught:
        files_of_one_series(folder)
    assert '("Hals nativ", 2024-03-01 10:32, 3 slices, CT), ("Hals KM", 1 slice, CT)' in str(caught.value)
    assert "2 DICOM series" in str(caught.value) and "1.2.3" not in str(caught.value)
