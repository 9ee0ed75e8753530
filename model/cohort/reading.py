"""Reading a case's CTs: when it is its turn, or ahead of it, while torch is imported."""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from model.cases import Case
from model.cohort.manifest import Inputs, inputs_of
from model.images.choice import SINGLE
from model.images.pair import Log, Pair, read_pair, read_study


@dataclass(frozen=True)
class Read:
    """A case's CTs. inputs: what their files were before they were read. seconds: how long that took."""

    pair: Pair
    inputs: Inputs
    seconds: float


Reader = Callable[[Case, Log], Read]


def read(case: Case, log: Log) -> Read:
    """Now. Raises InputError for whatever cannot be used."""
    start = time.perf_counter()
    if case.fault:
        raise case.fault
    if case.ct == case.ce and not case.study:
        log(f"warning: {SINGLE}")
    inputs = inputs_of(case)
    study = case.study
    pair = read_study(case.ct, log, case.single) if study else read_pair(case.ct, case.ce, log)
    return Read(pair, inputs, time.perf_counter() - start)


class ReadAhead:
    """Reads one case in a thread from now on, and is a reader like `read`: any other case it reads when asked for it.

    What is said of that case, or raised, comes when it is asked for, so that all is told in the same order.
    """

    def __init__(self, case: Case) -> None:
        self.lines: list[str] = []
        pool = ThreadPoolExecutor(1)
        self.ahead: dict[str, Future[Read]] = {case.name: pool.submit(read, case, self.lines.append)}
        pool.shutdown(wait=False)  # the thread ends with its only task

    def __call__(self, case: Case, log: Log) -> Read:
        # Taken out, since the CTs are to be given back as soon as they are used.
        future = self.ahead.pop(case.name, None)
        if future is None:
            return read(case, log)
        try:
            return future.result()
        finally:
            for line in self.lines:
                log(line)
