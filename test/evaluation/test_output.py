"""Scores as CSV and JSON."""

import csv
import io
import json
from dataclasses import replace

import numpy as np
import pytest

from evaluation.findings import findings
from evaluation.metrics import score
from evaluation.output import csv_text, json_text
from evaluation.rows import row
from evaluation.run import CaseResult, Settings

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
