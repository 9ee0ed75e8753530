"""Every bench says what it does without doing it."""

import importlib
import os
from unittest import mock

import pytest

BENCHES = [
    "ablation",
    "cohort",
    "confidence",
    "evaluator",
    "iteration",
    "loader",
    "losses",
    "phantom_organs",
    "precision",
    "quality",
    "real_patients",
]
BENCHES += ["robustness", "search", "train_vs_nnunet", "training_memory"]
BENCHES += [f"nnunet.{name}" for name in ("inference", "v1")]


@pytest.mark.parametrize("name", BENCHES)
def test_help_is_shown_and_nothing_is_run(name, capsys):
    with mock.patch.dict(os.environ):  # one of them sets the number of threads
        bench = importlib.import_module(f"bench.{name}")
    with pytest.raises(SystemExit) as end:
        bench.main(["--help"])
    assert end.value.code == 0
    assert capsys.readouterr().out.startswith("usage: ")
