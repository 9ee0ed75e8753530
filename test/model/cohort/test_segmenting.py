"""One case's lines and warnings; the steps themselves are tested through process.py."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from faults.slices import write_slice

from model.cases import Case
from model.cohort import segmenting
from model.cohort.segmenting import CaseLog, as_input_error
from model.errors import InputError
from model.images.pair import read_pair, read_study

CASE = Case("a", Path("ct"), Path("ce"), Path("out"), "label_map")


def test_lines_are_kept_back_until_it_is_the_cases_turn(capsys):
    log = CaseLog()
    log("read")
    log("warning: odd")
    assert capsys.readouterr().out == ""
    log.release()
    log("warning: later")
    assert capsys.readouterr().out == "read\nwarning: odd\nwarning: later\n"
    log.release()
    assert capsys.readouterr().out == ""
    assert log.warnings == ["odd", "later"]


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (InputError("x", "is bad", "mend it"), "x: is bad; mend it"),
        (MemoryError("5 GiB"), "a: not enough memory (5 GiB); give the container more memory"),
        (RuntimeError("odd\nmore"), "a: RuntimeError: odd; run it alone"),
    ],
)
def test_whatever_fails_is_told_in_one_line(error, text):
    assert str(as_input_error(CASE, error)) == text


def test_an_empty_mask_that_cannot_be_written_is_not_tried_on_the_other_cts_grid(
    tmp_path, monkeypatch, capsys
):
    for name, size in (("ct", 4), ("ce", 5)):
        sitk.WriteImage(
            sitk.GetImageFromArray(np.zeros((size,) * 3, np.int16)), str(tmp_path / f"{name}.mha")
        )
    tried = []

    def full(path, labels, grid):
        tried.append(labels.shape)
        raise InputError(path, "cannot be written", "free space")

    monkeypatch.setitem(segmenting.WRITERS, "label_map", full)
    case = Case("a", tmp_path / "ct.mha", tmp_path / "ce.mha", tmp_path / "a.nii.gz", "label_map")
    assert not segmenting.write_empty(case)
    assert tried == [(4, 4, 4)] and "a.nii.gz: cannot be written" in capsys.readouterr().out


def write_series(folder: Path, number: int, description: str) -> None:
    for k in range(6):
        tags = {"SeriesInstanceUID": f"1.2.3.{number}", "SeriesDescription": description}
        place = {"ImagePositionPatient": [-10, -20, 3 * k], "SOPInstanceUID": f"1.2.3.{number}.{k}"}
        write_slice(folder / f"{number}_{k}", np.full((4, 6), 1024 + k, np.uint16), **tags, **place)


@pytest.mark.parametrize(
    "spoilt", ["unclear", "a slice missing in both", "a slice cut", "one folder for both"]
)
def test_an_empty_mask_of_dicom_that_cannot_be_read_has_the_size_of_its_ct(tmp_path, spoilt):
    ct = ce = folder = tmp_path / "p"
    if spoilt == "one folder for both":
        ct, ce = folder / "image", folder / "image_contrast"
    texts = ("A", "B") if spoilt == "unclear" else ("nativ", "KM")
    for number, text in enumerate(texts):
        write_series(ct, number, text)
        if spoilt == "a slice missing in both":
            (folder / f"{number}_3").unlink()
        if spoilt == "a slice cut":
            (folder / f"{number}_2").write_bytes((folder / f"{number}_2").read_bytes()[:300])
    case = Case("p", ct, ce, tmp_path / "p.nii.gz", "label_map", study=ct == ce)
    with pytest.raises(InputError):
        if case.study:
            read_study(folder, lambda line: None)
        else:
            read_pair(ct, ce, lambda line: None)
    assert segmenting.write_empty(case)
    mask = sitk.ReadImage(str(case.output))
    assert mask.GetSize() == (6, 4, 6) and mask.GetSpacing() == (0.5, 0.5, 3)
    assert mask.GetOrigin() == (-10, -20, 0) and not sitk.GetArrayFromImage(mask).any()
