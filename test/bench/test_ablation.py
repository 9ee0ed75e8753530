"""Rows are read, trained once each, and compared with the first."""

import json
import os
import threading
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest

from bench import ablation
from bench.ablation import parse_arguments, read_rows, table, train_all
from evaluation.metrics import score
from evaluation.run import CaseResult
from model.errors import InputError


@pytest.mark.parametrize(
    "content", [{}, [], {"../a": []}, {".": []}, {"": []}, {"a": "text"}, {"a": [1]}, {"a": {}}]
)
def test_rows_that_are_none_are_refused(tmp_path, content):
    path = tmp_path / "rows.json"
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"rows\.json"):
        read_rows(path)


def test_rows_keep_their_order(tmp_path):
    path = tmp_path / "rows.json"
    path.write_text('{"b": [], "a-1": ["--loss", "dice-ce"]}')
    assert list(read_rows(path).items()) == [("b", []), ("a-1", ["--loss", "dice-ce"])]


@pytest.mark.parametrize("side_by_side", [True, False])
def test_each_row_is_trained_on_a_core_of_its_own(tmp_path, monkeypatch, side_by_side):
    """Two at a time meet; the core is the thread's, and this one's are as before."""
    seen, before = {}, os.sched_getaffinity(0)
    together = threading.Barrier(min(2, len(before)) if side_by_side else 1)

    def run_once(command: list[str], result: Path, environment: dict[str, str] | None) -> bool:
        seen[result.parent.name] = (command[-2:], os.sched_getaffinity(0), environment)
        together.wait(10)
        return True

    monkeypatch.setattr(ablation, "run_once", run_once)
    args = Namespace(side_by_side=side_by_side, work=tmp_path, data="d", splits="s", epochs=1, device="cpu")
    train_all(args, {"a": ["--loss", "one"], "b": ["--loss", "two"]})
    assert seen["a"][0] == ["--loss", "one"] and seen["b"][0] == ["--loss", "two"]
    assert os.sched_getaffinity(0) == before
    for _, cores, environment in seen.values():
        assert cores == before if not side_by_side else len(cores) == 1
        assert (environment or {}).get("OMP_NUM_THREADS") == "1" or not side_by_side


def case(name: str, shift: int) -> CaseResult:
    reference = np.zeros((12, 12, 12), bool)
    reference[3:7, 3:7, 3:7] = True
    drawn = np.roll(reference, shift, axis=2)
    of = score(drawn, reference, (1.0, 1.0, 1.0), (1.0, 2.0, 3.0))
    return CaseResult(name, {"GTVp": of, "GTVnd": of}, ())


def test_the_table_has_changes_from_the_first_row():
    """A cube of 4 voxels a side moved by 1 has a DSC of 3/4, by 2 of 1/2."""
    names = "abcdef"
    text = table({"usual": [case(n, 1) for n in names], "worse": [case(n, 2) for n in names]})
    assert "| usual | 75.0 |" in text and "| worse | 50.0 (-25.0, p = 0.031) |" in text
    assert text.endswith("6 held-out cases")


def test_unknown_options_are_for_train_py():
    args, further = parse_arguments(["data", "rows.json", "--splits", "s.json", "--features", "16"])
    assert further == ["--features", "16"] and args.limit is None
