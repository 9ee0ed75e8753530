"""What the programs print, whatever the locale."""

import os
import subprocess
import sys

from model.errors import InputError
from model.terminal import log, report


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
