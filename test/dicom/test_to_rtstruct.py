"""Masks to contours, as a command."""

import pydicom
import pytest

from dicom.__main__ import main
from model.images.write import write_image


def test_a_label_map_becomes_contours_and_is_told(a_series, tmp_path, capsys):
    out = tmp_path / "rtss.dcm"
    assert main(["to-rtstruct", str(a_series.mask), str(a_series.folder), str(out)]) == 0
    cm3 = (a_series.labels == 1).sum() * 2 / 1000
    told, err = capsys.readouterr()
    assert f"{out}: GTVp on 11 slices, {cm3:.2f} cm³" in told and "GTVnd on 14 slices" in told and not err
    assert [roi.ROIName for roi in pydicom.dcmread(out).StructureSetROISequence] == ["GTVp", "GTVnd"]


def test_one_mask_alone_and_what_is_empty(a_series, tmp_path, capsys):
    write_image(tmp_path / "GTVnd.mha", (a_series.labels == 2).astype("u1"), a_series.grid)
    write_image(tmp_path / "GTVp.mha", (a_series.labels == 3).astype("u1"), a_series.grid)
    masks = [str(tmp_path / f"{name}.mha") for name in ("GTVnd", "GTVp")]
    assert main(["to-rtstruct", *masks, str(a_series.folder), str(tmp_path / "o.dcm")]) == 0
    assert "GTVp left out, nothing is outlined" in capsys.readouterr().out
    assert main(["to-rtstruct", masks[1], str(a_series.folder), str(tmp_path / "p.dcm")]) == 2
    assert capsys.readouterr().err.endswith("nothing to write; check the masks\n")


@pytest.mark.parametrize("wrong", ["a CT of another size", "no folder", "fractions"])
def test_mistakes_leave_no_file(a_series, write_series, tmp_path, capsys, wrong):
    folder, mask, out = a_series.folder, a_series.mask, tmp_path / "o.dcm"
    if wrong == "a CT of another size":
        folder = write_series(tmp_path / "ct", "oblique", size=20).folder
    elif wrong == "no folder":
        folder = tmp_path / "none"
    else:
        mask = tmp_path / "m.nii.gz"
        write_image(mask, a_series.labels.astype("f4") / 2, a_series.grid)
    assert main(["to-rtstruct", str(mask), str(folder), str(out)]) == 2
    said, err = capsys.readouterr()
    assert not said and err.startswith("error: ") and err.count("\n") == 1 and not out.exists()


@pytest.mark.parametrize("command", ["to-rtstruct", "to-seg"])
def test_files_in_each_others_places_are_told(a_series, tmp_path, capsys, command):
    """An image's name for the result, as from-rtstruct has it last; contours for the mask; a mask that is not there."""
    contours, other = tmp_path / "RTSS.dcm", tmp_path / "other.nii.gz"
    other.write_bytes(b"somebody's mask")
    assert main(["to-rtstruct", str(a_series.mask), str(a_series.folder), str(contours)]) == 0
    for mask, out, said in (
        (a_series.mask, other, f"{other}: the name of an image, but DICOM is written; give a name such as"),
        (contours, tmp_path / "o.dcm", f"{contours}: DICOM, but a mask in an image is needed; convert it"),
        (tmp_path / "none.dcm", tmp_path / "o.dcm", "none.dcm: no such file; give a mask"),
    ):
        capsys.readouterr()
        assert main([command, str(mask), str(a_series.folder), str(out)]) == 2
        assert said in capsys.readouterr().err
    assert other.read_bytes() == b"somebody's mask" and not (tmp_path / "o.dcm").exists()


@pytest.mark.parametrize("command", ["to-rtstruct", "to-seg"])
def test_neither_a_slice_nor_the_mask_is_replaced(write_series, tmp_path, capsys, command):
    series = write_series(tmp_path / "ct", "head first supine", size=20)
    for out in (series.folder / "001.dcm", series.mask):
        before = out.read_bytes()
        assert main([command, str(series.mask), str(series.folder), str(out)]) == 2
        assert "would replace another file" in capsys.readouterr().err and out.read_bytes() == before
