"""DICOM folders."""

import numpy as np
import pydicom

from model.images.read import read_grid


def test_dicom_series_is_read_in_order_and_in_hu(read_one, dicom_series, tmp_path):
    pair = read_one(dicom_series(tmp_path / "image"))
    stored = pydicom.dcmread(tmp_path / "image" / "1_99.dcm")
    assert stored.pixel_array[0, 0] == 1024 and stored.RescaleIntercept == -1024
    np.testing.assert_array_equal(pair.ct[:, 0, 0], [0, 10, 20, 30, 40])
    assert pair.spacing_zyx == (3, 0.5, 0.5)
    assert pair.grid.origin_xyz == (-10, -20, 0)
    assert read_grid(tmp_path / "image") == pair.grid


def test_dicom_folders_that_are_no_single_ct_series_are_refused(error_of, dicom_series, tmp_path, capfd):
    dicom_series(tmp_path / "two")
    assert "1.2.3.2" in error_of(dicom_series(tmp_path / "two", series="2"))
    assert "not CT" in error_of(dicom_series(tmp_path / "mr", modality="MR"))
    assert "apart" in error_of(dicom_series(tmp_path / "gap", slices=[0, 1, 3, 4]))
    (tmp_path / "empty").mkdir()
    assert "no DICOM series" in error_of(tmp_path / "empty")
    for tag, message in (("Modality", "without modality"), ("ImagePositionPatient", "without modality")):
        folder = dicom_series(tmp_path / tag)
        for path in folder.iterdir():
            stored = pydicom.dcmread(path)
            delattr(stored, tag)
            stored.save_as(path)
        assert message in error_of(folder)
    cut = dicom_series(tmp_path / "cut")
    for file in cut.iterdir():
        file.write_bytes(file.read_bytes()[:-30])
    error_of(cut)
    assert capfd.readouterr().err == ""
