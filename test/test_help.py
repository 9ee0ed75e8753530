"""Every program's --help: complete, at once, and nothing is run."""

import importlib
import json
import re
import subprocess
import sys

import pytest

BENCHES = [
    "ablation",
    "cohort",
    "evaluator",
    "iteration",
    "loader",
    "losses",
    "phantom_organs",
    "precision",
    "quality",
    "real_patients",
]
BENCHES += ["robustness", "search", "train_vs_nnunet", "training_memory", "nnunet.inference", "nnunet.v1"]
PROGRAMS = ["process.py", "evaluate.py", "train.py", "phantom", "model.importing", "dicom"]
PROGRAMS += [f"dicom {name}" for name in ("segment", "to-rtstruct", "to-seg", "from-rtstruct")]
PROGRAMS += [f"training.{name}" for name in ("join", "least", "record_scores", "openkbp", "grafts")]
PROGRAMS += [f"bench.{name}" for name in BENCHES]

# In one process, so that what all load is loaded once. What takes seconds to load must not be needed.
ALL = """
import io, json, runpy, sys
for name in ("torch", "matplotlib"):
    sys.modules[name] = None  # importing it raises ImportError
texts, real = {}, sys.stdout
for program in json.loads(sys.argv[1]):
    name, *command = program.split()
    sys.argv = [name, *command, "--help"]
    sys.stdout = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    try:
        (runpy.run_path if name.endswith(".py") else runpy.run_module)(name, run_name="__main__")
        code = None
    except SystemExit as end:
        code = end.code
    except ImportError as error:
        code = str(error)
    sys.stdout.seek(0)
    texts[program] = [code, sys.stdout.read()]
sys.stdout = real
print(json.dumps(texts))
"""


@pytest.fixture(scope="module")
def helps(root) -> dict[str, tuple[object, str]]:
    """Exit code and text by program."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ALL, json.dumps(PROGRAMS)],
        cwd=root,
        env={"COLUMNS": "100"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


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
