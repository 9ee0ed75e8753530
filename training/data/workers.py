"""Work on many cases, shared out over processes that leave nothing behind, however the run ends."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import active_children, get_context
from types import FrameType
from typing import Any, TypeVar

from model.errors import InputError
from model.terminal import ASKED_TO_END, STOPPED, log, progress

Result = TypeVar("Result")
# How often a worker looks whether the run is still there.
LOOK_SECONDS = 0.5
# Whether this process is in the middle of a case.
_working = False


def on_workers(
    function: Callable[..., Result], rows: Sequence[tuple[Any, ...]], jobs: int, words: str
) -> list[Result]:
    """function(*row) for each row, in order, on so many processes; words stand before the progress bar.

    Where one fails, or the run is asked to end, all end before the exception goes on. Raises InputError where one is
    killed.
    """
    if not rows:
        return []
    if words:
        log(f"{words}: {len(rows)} cases")  # in a log there is no bar, and it may take long
    if not hasattr(os, "fork"):  # Windows
        return [function(*row) for row in progress(rows, "case", words=words)]
    others = set(active_children())
    # Forked, whatever is usual: torch may be loaded, and who is gone when the parent's number changes is this process.
    pool = ProcessPoolExecutor(min(jobs, len(rows)), get_context("fork"), _begin, (os.getpid(),))
    try:
        # A process that begins is not to be asked to end before it can be.
        signal.pthread_sigmask(signal.SIG_BLOCK, ASKED_TO_END)
        try:
            results = pool.map(_run, [function] * len(rows), rows)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, ASKED_TO_END)
        return list(progress(results, "case", total=len(rows), words=words))
    except BrokenProcessPool:
        fact = "a process that prepares cases was killed, as where memory is short"
        raise InputError("--jobs", fact, "give fewer, then --resume") from None
    except BaseException:
        for process in set(active_children()) - others:
            process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(parent: int) -> None:
    """In each process: one thread, Ctrl-C is the parent's, and an end with the parent, even a killed one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _stop)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ASKED_TO_END)
    if "torch" in sys.modules:  # else nothing here needs it, and it takes seconds to load
        sys.modules["torch"].set_num_threads(1)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(LOOK_SECONDS)
    os._exit(STOPPED)


def _stop(signum: int, frame: FrameType | None) -> None:
    """In the middle of a case an exception, so that a half-written file is removed; once.

    Else at once: others would take what is left of a half-read row for a whole one.
    """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if _working:
        raise SystemExit(STOPPED)
    os._exit(STOPPED)


def _run(function: Callable[..., Result], row: tuple[Any, ...]) -> Result:
    global _working
    try:
        _working = True
        return function(*row)
    except SystemExit:
        os._exit(STOPPED)  # the pool would go on with the next case
    finally:
        _working = False
