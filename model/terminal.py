"""What the programs print: progress on stdout, one line per error on stderr. And how they are asked to end."""

import os
import signal
import sys
import time
from _thread import interrupt_main, start_new_thread
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum
from threading import main_thread
from types import FrameType
from typing import TypeVar

from model.errors import one_line

ASKED_TO_END = (signal.SIGTERM, signal.SIGINT)
# Exit code of a program that was asked to end.
STOPPED = 130
# Seconds until a stop that was lost is tried again.
AGAIN_S = 0.05
# Characters of a progress bar.
BAR = 30
Item = TypeVar("Item")


def take_any_text() -> None:
    """Print "cm³" and file names as they are, whatever the locale."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace")  # type: ignore[union-attr]


def own_stderr() -> None:
    """Keep stderr for this program's own lines: what native libraries print by themselves goes to stdout, the log.

    For entry scripts alone: it changes the process's file descriptors. Streams that were closed lead nowhere: otherwise
    the next file that is opened, perhaps a result, would take their number and what is printed.
    """
    _open_closed_streams()
    with suppress(OSError):
        ours = os.dup(2)
        sys.stderr = open(ours, "w", encoding="utf-8", errors="backslashreplace", buffering=1)  # noqa: SIM115
        os.dup2(1, 2)


def _open_closed_streams() -> None:
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # takes the lowest number that is free
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "w" if number else "r", closefd=False))  # noqa: SIM115


class Loudness(Enum):
    """How much of the log is printed: warnings alone; what is done; also what helps to find a fault."""

    QUIET = "quiet"
    USUAL = "usual"
    VERBOSE = "verbose"


@dataclass
class _Screen:
    """loudness: of the log. shown: characters of the progress that stands on the terminal's last line."""

    loudness: Loudness = Loudness.USUAL
    shown: int = 0


_screen = _Screen()


def choose_loudness(loudness: Loudness) -> None:
    """From now on, for all threads. Errors are printed at any."""
    _screen.loudness = loudness


def log(line: str) -> None:
    """Print one line, control characters escaped."""
    if _screen.loudness is not Loudness.QUIET or line.startswith("warning: "):
        show(one_line(line))


def detail(line: str) -> None:
    """A line that is printed with --verbose alone."""
    if _screen.loudness is Loudness.VERBOSE:
        log(line)


def show(text: str) -> None:
    """Print now, not when a buffer is full. Where it cannot be printed, the work goes on without."""
    clear_progress()
    try:
        print(f"{text}\n", end="", flush=True)  # at once: stages of neighbouring cases print side by side
    except OSError:  # a full disk, or nobody reads on, as with "| head"
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def show_progress(name: str, done: int, total: int, seconds_left: float) -> bool:
    """A bar on the terminal's last line, until something else is printed. False where stdout is no terminal."""
    if _screen.loudness is Loudness.QUIET or not sys.stdout.isatty():
        return False
    filled = BAR * done // total
    text = f"{name} [{'#' * filled}{' ' * (BAR - filled)}] {done} of {total}, {seconds_left:.0f} s left"
    clear_progress()
    _screen.shown = len(text)
    with suppress(OSError):
        print(text, end="", flush=True)
    return True


def progress(
    items: Iterable[Item],
    unit: str,
    *,
    total: int | None = None,
    words: str | None = None,
    leave: bool = True,
) -> Iterable[Item]:
    """The same items, one after the other, with a bar on a terminal where tqdm is installed; words stand before it."""
    try:
        from tqdm import tqdm
    except ImportError:  # with the packages of requirements.txt alone
        return items
    return tqdm(items, desc=words, total=total, unit=unit, disable=None, leave=leave)


def clear_progress() -> None:
    """Take the bar away."""
    if _screen.shown:
        blank, _screen.shown = " " * _screen.shown, 0
        with suppress(OSError):
            print(f"\r{blank}\r", end="", flush=True)


def report(error: Exception) -> None:
    """Print an error's text in the one form that all programs have. Where nobody can read it, the work goes on."""
    clear_progress()
    try:
        print(f"error: {error}", file=sys.stderr, flush=True)
    except OSError:
        # What could not be printed is tried again as Python ends, and would change the exit code.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


@contextmanager
def stoppable(numbers: tuple[signal.Signals, ...] = ASKED_TO_END) -> Iterator[None]:
    """SIGTERM and Ctrl-C raise KeyboardInterrupt within, so that what was begun is taken back; once alone.

    What is taken back is not stopped by further ones. A signal that arrives while Python runs a destructor or the like
    would be lost, since nothing that is raised there gets out: then it is raised again a moment later.
    """

    def stop(signum: int, frame: FrameType | None) -> None:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    def hear(lost: "sys.UnraisableHookArgs") -> None:
        if lost.exc_type is KeyboardInterrupt and within:
            signal.signal(numbers[0], stop)
            start_new_thread(try_again, ())  # threading's own would wait here, and might hold a lock
        else:
            hook_before(lost)

    def try_again() -> None:
        time.sleep(AGAIN_S)
        if within:
            _interrupt(numbers[0])

    within = [True]
    hook_before = sys.unraisablehook
    before = {number: signal.signal(number, stop) for number in numbers}
    sys.unraisablehook = hear
    try:
        yield
    finally:
        within.clear()
        sys.unraisablehook = hook_before
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(number: signal.Signals) -> None:
    """Have the main thread handle a signal. What it waits for is interrupted, where the system can do that."""
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(main_thread().ident or 0, number)
    else:
        interrupt_main(number)
