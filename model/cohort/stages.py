"""One case after the other in three stages, of which neighbouring cases are in different ones at the same time."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

Item = TypeVar("Item")
Read = TypeVar("Read")
Made = TypeVar("Made")
Written = TypeVar("Written")


def in_stages(
    items: Sequence[Item],
    read: Callable[[Item], Read],
    make: Callable[[Item, Read], Made],
    write: Callable[[Item, Made], Written],
    expected: tuple[type[Exception], ...],
    begin_reader: Callable[[], None] = lambda: None,
) -> Iterator[tuple[Item, Written | Exception]]:
    """Each item, in order, with what came of it: write(item, make(item, read(item))), or an expected exception.

    make runs here, and so does the first read; the next item is read and the last one written beside it, in a thread
    each; the reader's thread calls begin_reader first. There is never more than one item in a stage, so memory does not
    grow with their number. Other exceptions are raised here.
    """
    with ThreadPoolExecutor(1, initializer=begin_reader) as reader, ThreadPoolExecutor(1) as writer:
        ahead = [_outcome_of(read, item) for item in items[:1]]
        last: list[tuple[Item, Future[Written]]] = []
        for number, item in enumerate(items):
            reading = ahead.pop()
            _wait(reading)
            ahead += [reader.submit(read, following) for following in items[number + 1 : number + 2]]
            made: Future[Made] = Future()
            try:
                made.set_result(make(item, reading.result()))
            except expected as error:
                made.set_exception(error)
            del reading
            for written in last:
                yield _outcome(*written, expected)
            last = [(item, writer.submit(_then, write, item, made))]
            del made
        for written in last:
            yield _outcome(*written, expected)


def _outcome_of(read: Callable[[Item], Read], item: Item) -> Future[Read]:
    """As a thread would have it, but read here: threads that compute beside the network's would slow that down."""
    future: Future[Read] = Future()
    try:
        future.set_result(read(item))
    except Exception as error:
        future.set_exception(error)
    return future


def _wait(future: Future[Read]) -> None:
    future.exception()


def _then(write: Callable[[Item, Made], Written], item: Item, made: Future[Made]) -> Written:
    return write(item, made.result())


def _outcome(item: Item, future: "Future[Any]", expected: tuple[type[Exception], ...]) -> tuple[Item, Any]:
    outcome: Any
    try:
        outcome = future.result()
    except expected as error:
        outcome = error
    return item, outcome
