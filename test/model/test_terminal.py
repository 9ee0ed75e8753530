"""What the programs print, whatever the locale; and how they end."""

import os
import signal
import subprocess
import sys
import time

import pytest

from model.errors import InputError
from model.terminal import Loudness, choose_loudness, detail, log, report, show_progress, stoppable


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


class EndsSlowly:
    """What arrives while a destructor runs is raised there, where Python swallows it."""

    def __del__(self) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.01)


@pytest.mark.parametrize("times", [1, 3])
def test_being_asked_to_end_within_a_destructor_is_not_lost(times, capsys):
    before = signal.getsignal(signal.SIGTERM), sys.unraisablehook
    with pytest.raises(KeyboardInterrupt), stoppable():
        for _ in range(times):
            EndsSlowly()
        time.sleep(5)
        pytest.fail("not stopped")
    assert capsys.readouterr().err == ""
    assert before == (signal.getsignal(signal.SIGTERM), sys.unraisablehook)


def test_work_that_ends_before_the_second_try_is_not_stopped():
    with stoppable():
        EndsSlowly()
    time.sleep(0.2)


def run(root, code: str, **options) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", code], cwd=root, text=True, timeout=60, **options)


def test_what_native_libraries_print_on_stderr_goes_to_the_log(root):
    code = """
import os, sys
from model.errors import InputError
from model.terminal import log, own_stderr, report
own_stderr()
log("first")
os.write(2, b"native chatter\\n")
report(InputError("a", "is bad", "mend it"))
"""
    done = run(root, code, capture_output=True)
    assert done.stderr == "error: a: is bad; mend it\n"
    assert done.stdout == "first\nnative chatter\n"


def test_a_closed_stderr_is_no_reason_to_end(root):
    code = "import os; os.close(2); from model.terminal import log, own_stderr; own_stderr(); log('on')"
    assert run(root, code, stdout=subprocess.PIPE).stdout == "on\n"


@pytest.mark.parametrize("closed", [(1,), (2,), (1, 2), (0, 1, 2)])
def test_a_program_whose_streams_are_closed_runs_and_its_files_get_no_text(root, tmp_path, closed):
    code = """
import os, sys
from model.terminal import log, own_stderr, report, take_any_text
own_stderr()
take_any_text()
with open(sys.argv[1], "w") as file:
    log("a")
    report(ValueError("b"))
    os.write(2, b"c")
    file.write("content")
"""
    close = " ".join(f"{stream}>&-" for stream in closed)
    command = f'"$0" -c "$1" "$2" {close}'
    place = tmp_path / "file"
    done = subprocess.run(
        ["sh", "-c", command, sys.executable, code, place], cwd=root, timeout=60, check=False
    )
    assert done.returncode == 0 and place.read_text() == "content"


def test_work_goes_on_where_errors_cannot_be_printed(root):
    code = "from model.terminal import own_stderr, report; own_stderr(); report(OSError('a')); report(OSError('b'))"
    with open("/dev/full", "w") as full:
        assert run(root, code, stderr=full).returncode == 0


def test_work_goes_on_without_a_log(root, tmp_path):
    code = (
        f"from model.terminal import log; log('a'); log('b'); open({str(tmp_path / 'done')!r}, 'w').close()"
    )
    with open("/dev/full", "w") as full:
        done = run(root, code, stdout=full, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "done").exists()


def test_a_line_of_the_log_is_one_line(capsys):
    log("a\nb\x1b[31m")
    assert capsys.readouterr().out == "a\\nb\\x1b[31m\n"


@pytest.fixture
def loudness():
    yield choose_loudness
    choose_loudness(Loudness.USUAL)


def test_quiet_leaves_warnings_and_errors_and_verbose_adds_details(capsys, loudness):
    for level, shown in (
        (Loudness.QUIET, "warning: odd\n"),
        (Loudness.USUAL, "read\nwarning: odd\n"),
        (Loudness.VERBOSE, "read\nwarning: odd\n8 threads\n"),
    ):
        loudness(level)
        log("read")
        log("warning: odd")
        detail("8 threads")
        report(InputError("a", "is bad", "mend it"))
        assert capsys.readouterr() == (shown, "error: a: is bad; mend it\n")


def test_a_bar_stands_on_a_terminal_until_something_else_is_printed(capsys, monkeypatch, loudness):
    assert not show_progress("predict", 1, 4, 3.0) and capsys.readouterr().out == ""  # no terminal
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert show_progress("predict", 2, 4, 3.2)
    bar = capsys.readouterr().out
    assert bar == f"predict [{'#' * 15}{' ' * 15}] 2 of 4, 3 s left"
    log("predict: 4 passes")
    assert capsys.readouterr().out == f"\r{' ' * len(bar)}\rpredict: 4 passes\n"
    log("restore")
    assert capsys.readouterr().out == "restore\n"
    loudness(Loudness.QUIET)
    assert not show_progress("predict", 1, 4, 3.0)
