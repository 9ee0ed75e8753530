"""DICOM contours, as far as that is no matter of reading them (test/dicom/test_on_grid.py)."""

import pytest

import evaluation.contours as contours
from evaluation.contours import has_slices, kind_of, read_contours, slices_beside
from model.errors import InputError


def test_what_a_file_holds_is_said_by_its_class(save_head, tmp_path):
    assert kind_of(save_head(tmp_path / "a.dcm", "481.3")) == "RT Structure Set"
    assert kind_of(save_head(tmp_path / "b.DCM", "66.4")) == "Segmentation"
    assert kind_of(save_head(tmp_path / "l.dcm", "66.7")) == "Segmentation"
    assert not has_slices(tmp_path)
    assert (
        kind_of(save_head(tmp_path / "c.dcm", "2")) == ""
        and kind_of(save_head(tmp_path / "d.nii", "66.4")) == ""
    )
    assert has_slices(tmp_path)


def test_without_a_grid_or_the_packages_nothing_is_read(save_head, tmp_path, monkeypatch):
    path = save_head(tmp_path / "a.dcm", "66.4")
    monkeypatch.setattr(contours, "readable", lambda: True)
    with pytest.raises(InputError, match="on which grid .* is not known; give --image"):
        read_contours(path, None)
    monkeypatch.setattr(contours, "readable", lambda: False)
    with pytest.raises(
        InputError, match="a DICOM Segmentation, .*; python -m pip install -r dicom/requirements"
    ):
        read_contours(path, None)


def test_the_slices_beside_contours_are_their_ct(save_head, tmp_path):
    (drawn,) = contours_alone = [save_head(tmp_path / "one" / "rs.dcm", "481.3")]
    assert slices_beside(contours_alone) is None
    save_head(tmp_path / "one" / "1.dcm", "2")
    assert slices_beside([drawn]) == tmp_path / "one"
    assert slices_beside([tmp_path / "one" / "mask.nii.gz"]) is None
