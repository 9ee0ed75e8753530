"""Scores as CSV and JSON."""

import csv
import io
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from evaluation.findings import findings
from evaluation.metrics import score
from evaluation.output import GrowingCsv, csv_text, json_text
from evaluation.rows import row
from evaluation.run import CaseResult, Settings
from model.errors import InputError

SETTINGS = Settings(("GTVp",), (1.0, 2.0))


def result(empty: bool) -> CaseResult:
    mask = np.zeros((4, 6, 6), bool)
    mask[1:3, 2:4, 2:4] = not empty
    return CaseResult(
        "a, b", {"GTVp": score(mask, mask, (3.0, 1.0, 1.0), SETTINGS.tolerances_mm)}, ("a: odd",)
    )


def test_what_is_not_defined_is_none_in_a_row_empty_in_csv_and_null_in_json():
    cases = [result(empty=True)]
    assert row(cases[0].scores["GTVp"], SETTINGS)["hd95_mm"] is None
    (line,) = csv.DictReader(io.StringIO(csv_text(cases, SETTINGS)))
    assert (line["case"], line["structure"], line["hd95_mm"], line["dsc"]) == ("a, b", "GTVp", "", "1.0")
    content = json.loads(json_text(findings(cases, list(cases[0].problems), SETTINGS)))
    assert content["cases"]["a, b"]["GTVp"]["hd95_mm"] is None and content["problems"] == ["a: odd"]
    assert content["settings"] == {"structures": ["GTVp"], "tolerances_mm": [1.0, 2.0]}


def test_volumes_are_in_cm3():
    columns = row(result(empty=False).scores["GTVp"], SETTINGS)
    assert columns["reference_cm3"] == columns["tp_cm3"] == 2 * 2 * 2 * 3 / 1000
    assert {"dsc", "nsd", "nsd_2mm"} < set(columns)


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "  =1", "＝1", "－1"])
def test_no_name_is_a_formula_in_a_spreadsheet(name):
    (line,) = csv.DictReader(
        io.StringIO(csv_text([replace(result(empty=False), name=name)], SETTINGS), newline="")
    )
    assert line["case"] == f"'{name}"


@pytest.mark.parametrize("name", ["a=1", "case-1", "'a", "a@b", "$x^{$", "1+1"])
def test_other_names_stay_as_they_are(name):
    (line,) = csv.DictReader(
        io.StringIO(csv_text([replace(result(empty=False), name=name)], SETTINGS), newline="")
    )
    assert line["case"] == name


@pytest.mark.parametrize(
    "name, shown", [("\t=1", "\\t=1"), ("\r=1", "\\r=1"), ("a\n=1", "a\\n=1"), ("\udcff", "\\udcff")]
)
def test_a_name_is_one_line(name, shown):
    text = csv_text([replace(result(empty=False), name=name)], SETTINGS)
    assert text.encode().splitlines()[1].startswith(f"{shown},".encode())


def test_rows_are_there_as_they_come_and_an_old_file_until_then(tmp_path):
    path = tmp_path / "new" / "s.csv"
    growing = GrowingCsv(path, SETTINGS)
    first, second = (replace(result(empty=False), name=name) for name in "ba")
    growing.add(CaseResult("without", {}, ("no reference",)))
    assert not path.exists()
    growing.add(first)
    assert path.read_text() == csv_text([first], SETTINGS)
    growing.add(second)
    assert path.read_text() == csv_text([first, second], SETTINGS)
    GrowingCsv(path, SETTINGS).add(second)
    assert path.read_text() == csv_text([second], SETTINGS)


def test_a_device_gets_no_rows_before_the_end_and_a_full_disk_is_one_line(tmp_path):
    GrowingCsv(Path(os.devnull), SETTINGS).add(result(empty=False))
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="s.csv: cannot be written"):
        GrowingCsv(tmp_path / "file" / "s.csv", SETTINGS).add(result(empty=False))
