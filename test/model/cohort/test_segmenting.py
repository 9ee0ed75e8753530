"""One case's lines and warnings; the steps themselves are tested through process.py."""

from pathlib import Path

import pytest

from model.cases import Case
from model.cohort.segmenting import CaseLog, as_input_error
from model.errors import InputError

CASE = Case("a", Path("ct"), Path("ce"), Path("out"), "label_map")


def test_lines_are_kept_back_until_it_is_the_cases_turn(capsys):
    log = CaseLog()
    log("read")
    log("warning: odd")
    assert capsys.readouterr().out == ""
    log.release()
    log("warning: later")
    assert capsys.readouterr().out == "read\nwarning: odd\nwarning: later\n"
    log.release()
    assert capsys.readouterr().out == ""
    assert log.warnings == ["odd", "later"]


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (InputError("x", "is bad", "mend it"), "x: is bad; mend it"),
        (MemoryError("5 GiB"), "a: not enough memory (5 GiB); give the container more memory"),
        (RuntimeError("odd\nmore"), "a: RuntimeError: odd; run it alone"),
    ],
)
def test_whatever_fails_is_told_in_one_line(error, text):
    assert str(as_input_error(CASE, error)) == text
