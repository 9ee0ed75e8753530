"""The grid of what cannot be read wholly: equal to that of the whole series."""

import pytest

from model.errors import InputError
from model.images.outline import outline
from model.images.read import read_scan

MOST = 10**7
TILTED = [1, 0, 0, 0, 0.9483237, -0.3173047]


@pytest.mark.parametrize("axes", [[1, 0, 0, 0, 1, 0], TILTED], ids=["straight", "tilted"])
@pytest.mark.parametrize("spoilt", ["", "missing", "cut", "localizer", "another series"])
def test_it_is_the_grid_of_the_whole_series(dicom_series, dicom_slice, tmp_path, axes, spoilt):
    folder = dicom_series(tmp_path / "s", range(8), ImageOrientationPatient=axes)
    expected = read_scan(folder).grid
    one = folder / "1_96.dcm"
    if spoilt == "missing":
        one.unlink()
    elif spoilt == "cut":
        one.write_bytes(one.read_bytes()[:-9])
    elif spoilt == "localizer":
        dicom_series(folder, [20], series="1", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    elif spoilt == "another series":
        dicom_series(folder, range(6), series="2", ImageOrientationPatient=axes)
    grid = outline(folder, MOST)
    assert grid.size_xyz == expected.size_xyz
    assert grid.spacing_xyz == pytest.approx(expected.spacing_xyz)
    assert grid.origin_xyz == pytest.approx(expected.origin_xyz, abs=1e-4)
    assert grid.direction == pytest.approx(expected.direction, abs=1e-6)


def test_the_plain_ct_is_taken_though_the_other_has_more_slices(dicom_series, tmp_path):
    dicom_series(tmp_path / "a", range(9), SeriesDescription="Hals KM")
    dicom_series(tmp_path / "b", range(6), series="2", SeriesDescription="Hals nativ")
    dicom_series(tmp_path / "c", range(6), series="3", SeriesDescription="Hals KM")
    assert outline(tmp_path, MOST).size_xyz[2] == 6


def test_without_a_ct_there_is_none(dicom_series, tmp_path):
    dicom_series(tmp_path, range(6), modality="MR")
    with pytest.raises(InputError, match="no DICOM series"):
        outline(tmp_path, MOST)
    dicom_series(tmp_path, range(1), series="2")
    with pytest.raises(InputError, match="no slices"):
        outline(tmp_path, MOST)
    dicom_series(tmp_path, range(6), series="3")
    with pytest.raises(InputError, match="more than any CT has"):
        outline(tmp_path, 10)


@pytest.mark.parametrize("far", [1e300, 99999.0])
def test_a_slice_far_off_does_not_take_memory(dicom_series, tmp_path, far):
    dicom_series(tmp_path, range(6))
    dicom_series(tmp_path, [6], ImagePositionPatient=[-10, -20, f"{far:g}"])
    if far == 1e300:
        assert outline(tmp_path, MOST).size_xyz[2] == 6
    else:
        with pytest.raises(InputError, match="too far apart"):
            outline(tmp_path, MOST)
