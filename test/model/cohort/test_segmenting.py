"""One case's lines and warnings; the steps themselves are tested through process.py."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from model.cases import Case
from model.cohort import segmenting
from model.cohort.segmenting import CaseLog, as_input_error
from model.errors import InputError

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
