"""Columns, and that each is in the documentation."""

import numpy as np
import pytest

from evaluation.lesions import match_lesions
from evaluation.metrics import score
from evaluation.rows import DISTANCES, row, unit
from evaluation.run import Settings

SETTINGS = Settings(("GTVp",), (1.0,))


@pytest.fixture
def columns() -> dict[str, float | int | None]:
    mask = np.zeros((4, 8, 8), bool)
    mask[1:3, 2:6, 2:6] = True
    moved = np.roll(mask, 1, 2)
    return row(score(moved, mask, (3.0, 1.0, 1.0)), SETTINGS, match_lesions(moved, mask, (3.0, 1.0, 1.0)))


def test_every_column_is_documented(columns, root):
    text = (root / "docs" / "evaluation.md").read_text(encoding="utf-8")
    assert [name for name in columns if f"`{name}`" not in text] == []


def test_columns_have_the_unit_of_their_last_word(columns):
    assert {unit(name) for name in DISTANCES} == {"mm"} and set(DISTANCES) < set(columns)
    assert (unit("difference_percent"), unit("tp_cm3"), unit("dsc"), unit("lesions_found")) == (
        "%",
        "cm³",
        "",
        "",
    )


def test_pairs_are_columns_where_lesions_were_matched(columns):
    assert columns["lesions_matched_any"] == columns["lesions_matched_iou50"] == 1
    assert columns["iou"] == pytest.approx(24 / 40) and columns["difference_percent"] == 0
    empty = np.zeros((4, 8, 8), bool)
    without = row(score(empty, empty, (3.0, 1.0, 1.0)), SETTINGS)
    assert "lesions_matched_any" not in without and without["difference_percent"] is None
