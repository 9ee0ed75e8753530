"""Cases scored by several processes, which end with the one that started them, however it ends."""

import math
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing.connection import wait

from evaluation.cases import MatchedCase
from evaluation.run import CaseResult, Settings, evaluate_case
from model.errors import InputError, reason
from model.images.read import open_header
from model.machine import available_bytes, usable_cores
from model.terminal import ASKED_TO_END

# What ends with the terminal it was started from; not on every system.
HANG_UP = (signal.SIGHUP,) if hasattr(signal, "SIGHUP") else ()
# A process that scores, and more for each voxel of the case's grid (measured: docs/evaluation.md).
BASE_BYTES, BYTES_PER_VOXEL = 200_000_000, 6


def evaluate_cases(cases: list[MatchedCase], settings: Settings, jobs: int | None) -> Iterator[CaseResult]:
    """Results as cases finish, from as many processes as jobs; a case's masks are gone when it is scored.

    jobs: None, as many as cores and memory allow. Raises InputError where a process was killed or cannot be started,
    after all results that are there.
    """
    jobs = min(jobs or fitting_jobs(cases), len(cases))
    if jobs <= 1:
        yield from (evaluate_case(case, settings) for case in cases)
        return
    try:
        pool = ProcessPoolExecutor(jobs, initializer=_end_with_parent)
    except OSError as error:
        raise _no_process(error) from None
    given, futures = 0, list[Future[CaseResult]]()
    try:
        with suppress(BrokenProcessPool):
            futures.extend(pool.submit(evaluate_case, case, settings) for case in cases)
        for future in as_completed(futures):
            if not isinstance(future.exception(), BrokenProcessPool):
                given += 1
                yield future.result()
        if given < len(cases):
            fact, remedy = "a process was killed, perhaps for want of memory", "run it again with fewer"
            raise InputError("--jobs", fact, remedy)
    except OSError as error:
        raise _no_process(error) from None
    finally:
        if given < len(cases):  # after Ctrl-C too; nobody waits for what they are at
            for process in multiprocessing.active_children():
                process.kill()
        pool.shutdown(cancel_futures=True)


def fitting_jobs(cases: list[MatchedCase]) -> int:
    """As many as there are cores, but no more than memory holds cases of the first reference's size."""
    jobs = usable_cores()
    with suppress(InputError, OSError, IndexError):
        first = cases[0].reference
        header = open_header(first.whole or next(iter(first.by_structure.values())))
        case_bytes = BASE_BYTES + BYTES_PER_VOXEL * math.prod(header.size_xyz[:3])
        jobs = min(jobs, available_bytes() // case_bytes)
    return max(1, jobs)


def _no_process(error: OSError) -> InputError:
    return InputError("--jobs", f"no process can be started ({reason(error)})", "give fewer")


def _end_with_parent() -> None:
    """In a process of the pool: it ends with the parent, also a killed one, and not by Ctrl-C, SIGTERM or SIGHUP.

    Otherwise a signal to all of them would look like the loss of one.
    """
    for number in (*ASKED_TO_END, *HANG_UP):
        signal.signal(number, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_after, args=(parent.sentinel,), daemon=True).start()


def _end_after(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
