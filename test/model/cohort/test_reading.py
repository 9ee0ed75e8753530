"""Reading ahead: the same as reading, begun earlier."""

import threading
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from model.cases import Case
from model.cohort import reading
from model.cohort.reading import ReadAhead, read
from model.errors import InputError


def a_case(folder: Path, name: str) -> Case:
    paths = []
    for number, stem in enumerate(("ct", "ce")):
        values = np.random.default_rng(number).integers(-1000, 1000, (4, 5, 6)).astype(np.int16)
        paths.append(folder / f"{name}_{stem}.mha")
        sitk.WriteImage(sitk.GetImageFromArray(values), str(paths[-1]))
    return Case(name, *paths, folder / f"{name}.nii.gz", "label_map")


def test_what_is_read_ahead_is_what_is_read(tmp_path):
    first, other = a_case(tmp_path, "a"), a_case(tmp_path, "b")
    reader = ReadAhead(first)
    for case in (first, other, first):
        expected, lines = read(case, lambda line: None), []
        got = reader(case, lines.append)
        assert np.array_equal(got.pair.ct, expected.pair.ct) and np.array_equal(got.pair.ce, expected.pair.ce)
        assert got.inputs == expected.inputs and got.pair.grid == expected.pair.grid
        assert lines[0].startswith("read 6 x 5 x 4 voxels twice: ")
    assert not reader.ahead, "the CTs are not kept"


def test_it_begins_at_once_and_tells_when_it_is_asked(tmp_path, monkeypatch):
    begun, lines = threading.Event(), []

    def refuse(ct, ce, log):
        log("warning: odd")
        begun.set()
        raise InputError(ct, "is bad", "mend it")

    monkeypatch.setattr(reading, "read_pair", refuse)
    case = a_case(tmp_path, "a")
    reader = ReadAhead(case)
    assert begun.wait(10) and not lines
    with pytest.raises(InputError, match="is bad; mend it"):
        reader(case, lines.append)
    assert lines == ["warning: odd"]
