"""The guard tells what became worse, and only that."""

import json

import pytest

from bench import guard


@pytest.fixture
def table(tmp_path, monkeypatch):
    """A table of its own, and three ratios that take no time."""
    ratios = {name: (lambda value=value: value, 0.1) for name, value in (("a", 2.0), ("b", 1.0), ("c", 3.0))}
    monkeypatch.setattr(guard, "RATIOS", ratios)
    monkeypatch.setattr(guard, "TABLE", tmp_path / "guard.json")
    return tmp_path / "guard.json"


def test_what_is_beyond_its_margin_is_named(table, capsys):
    table.write_text(json.dumps({"a": 2.2, "b": 1.2}))
    assert guard.main([]) == 1
    lines = capsys.readouterr().out.splitlines()[1:]
    assert [(line.split()[0], line.endswith("worse")) for line in lines] == [
        ("a", False), ("b", True), ("c", False)
    ]  # fmt: skip
    assert guard.main(["a", "c"]) == 0


def test_written_ratios_hold_the_next_time(table):
    assert guard.main(["--write", "b"]) == 0 and json.loads(table.read_text()) == {"b": 1.0}
    assert guard.main(["--write"]) == guard.main([]) == 0
    assert json.loads(table.read_text()) == {"a": 2.0, "b": 1.0, "c": 3.0}


def test_every_committed_ratio_is_measured():
    assert set(json.loads(guard.TABLE.read_text())) <= set(guard.RATIOS)
