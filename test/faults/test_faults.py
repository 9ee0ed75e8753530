"""Every fault of the catalogue, run as a user would run it; a table of groups and outcomes at the end."""

from collections import Counter
from pathlib import Path

import pytest
from faults.catalogue import FAULTS
from faults.fault import problems
from faults.running import run
from faults.table import table


@pytest.mark.parametrize(
    "fault",
    [pytest.param(f, id=f.label, marks=[pytest.mark.long] if f.slow else []) for f in FAULTS],
)
def test_fault(fault, tmp_path):
    folder = tmp_path / "case"
    folder.mkdir()
    command = list(fault.make(folder))
    exit_code, stdout, stderr = run(command, folder, fault.environment)
    found = problems(fault, folder, exit_code, stdout, stderr)
    assert not found, "\n".join([*found, "", *stdout.splitlines()[-20:], *stderr.splitlines()[-20:]])


def test_labels_are_unique():
    assert not [label for label, count in Counter(f.label for f in FAULTS).items() if count > 1]


def test_the_readmes_table_is_that_of_the_catalogue():
    text = (Path(__file__).parent / "README.md").read_text(encoding="utf-8")
    assert text.endswith(f"checks it -->\n\n{table(FAULTS)}\n"), f"end README.md with:\n\n{table(FAULTS)}\n"
