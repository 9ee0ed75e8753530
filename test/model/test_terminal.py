"""What the programs print, whatever the locale; and how they end."""

import os
import signal
import subprocess
import sys
import time

import pytest

from model.errors import InputError
from model.terminal import log, report, stoppable


def test_progress_goes_to_stdout_and_errors_to_stderr(capsys):
    log("load: 1.0 s")
    report(InputError("a.mha", "truncated", "replace it"))
    assert capsys.readouterr() == ("load: 1.0 s\n", "error: a.mha: truncated; replace it\n")


def test_any_text_is_printed_in_any_locale(root):
    code = "from model.terminal import log, take_any_text; take_any_text(); log('1 cm\\xb3 \\udcff')"
    environment = os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, env=environment, capture_output=True, check=True
    )
    assert done.stdout.decode() == "1 cm³ \\udcff\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_being_asked_to_end_is_an_exception_that_comes_once(number):
    before, cleaned = signal.getsignal(number), []
    with pytest.raises(KeyboardInterrupt), stoppable():
        try:
            os.kill(os.getpid(), number)
            time.sleep(5)
        finally:
            os.kill(os.getpid(), number)  # a second one, while what was begun is taken back
            time.sleep(0.01)
            cleaned.append(True)
    assert cleaned and signal.getsignal(number) is before
