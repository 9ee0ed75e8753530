"""Being asked to end: SIGTERM and Ctrl-C."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from model.terminal import ASKED_TO_END


@contextmanager
def asked_to_end() -> Iterator[list[int]]:
    """A list that is no longer empty once the process is asked to end."""
    asked: list[int] = []

    def ask(signum: int, frame: FrameType | None) -> None:
        asked.append(signum)

    before = {number: signal.signal(number, ask) for number in ASKED_TO_END}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
