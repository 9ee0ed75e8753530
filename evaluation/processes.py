"""Cases scored by several processes, which end with the one that started them, however it ends."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait

from evaluation.cases import MatchedCase
from evaluation.run import CaseResult, Settings, evaluate_case
from model.errors import InputError, reason


def evaluate_cases(cases: list[MatchedCase], settings: Settings, jobs: int) -> Iterator[CaseResult]:
    """Results in the order of the cases, from as many processes as jobs; a case's masks are gone when it is scored.

    Raises InputError where a process was killed or cannot be started, after all results that are there.
    """
    jobs = min(jobs, len(cases))
    if jobs <= 1:
        yield from (evaluate_case(case, settings) for case in cases)
        return
    try:
        pool = ProcessPoolExecutor(jobs, initializer=_end_with_parent)
    except OSError as error:
        raise _no_process(error) from None
    futures: list[Future[CaseResult]] = []
    given = 0
    try:
        futures += (pool.submit(evaluate_case, case, settings) for case in cases)
        for future in futures:
            result = future.result()
            given += 1
            yield result
    except BrokenProcessPool:
        fact, remedy = "a process was killed, perhaps for want of memory", "run it again with fewer"
        yield from (future.result() for future in futures[given:] if _has_result(future))
        raise InputError("--jobs", fact, remedy) from None
    except OSError as error:
        raise _no_process(error) from None
    finally:
        if given < len(cases):  # after Ctrl-C too; nobody waits for what they are at
            for process in multiprocessing.active_children():
                process.kill()
        pool.shutdown(cancel_futures=True)


def _no_process(error: OSError) -> InputError:
    return InputError("--jobs", f"no process can be started ({reason(error)})", "give fewer")


def _has_result(future: Future[CaseResult]) -> bool:
    return future.done() and not future.cancelled() and future.exception() is None


def _end_with_parent() -> None:
    """In a process of the pool: it ends with the parent, also a killed one, and not by Ctrl-C or SIGTERM.

    Otherwise a signal to all of them would look like the loss of one.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_after, args=(parent.sentinel,), daemon=True).start()


def _end_after(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
