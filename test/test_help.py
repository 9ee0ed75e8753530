"""Every program's --help: complete, at once, and nothing is run."""

import importlib
import re

import pytest
from programs import BENCHES, PROGRAMS


@pytest.mark.parametrize("program", PROGRAMS)
def test_help_is_complete(helps, program):
    code, text = helps[program]
    assert code == 0 and text.startswith(f"usage: {'' if program.endswith('.py') else 'python -m '}{program}")
    assert "\nexamples:\n  " in text and re.search(r"\nexit codes: 0 .*2 ", text, re.DOTALL)
    assert "--version" in text and "(default: None)" not in text and "(default: False)" not in text
    for entry in re.split(r"\n(?=  -)", text):
        assert entry.count("default") <= 1, entry


def test_what_is_written_has_one_name(helps):
    for program, (_, text) in helps.items():
        if "\n  --out" in text:
            assert re.search(r"--out \S+, --output \S+, -o \S+", text), program


@pytest.mark.parametrize("name", BENCHES)
def test_benches_load(name, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # one of them sets it
    assert callable(importlib.import_module(f"bench.{name}").main)
