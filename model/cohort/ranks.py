"""Cases shared out over processes, started by torchrun or by a scheduler that sets RANK and WORLD_SIZE."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from model.errors import InputError

Item = TypeVar("Item")
MOST_DIGITS = 9


@dataclass(frozen=True)
class Rank:
    """This process among `count`, from 0. local: its number on this machine. restarted: taken up again by torchrun."""

    number: int = 0
    count: int = 1
    local: int = 0
    restarted: bool = False

    def share(self, items: Sequence[Item]) -> list[Item]:
        """This process's part: every count-th."""
        return list(items[self.number :: self.count])


def this_rank() -> Rank:
    """As the environment says; alone where it says nothing. Raises InputError where it makes no sense."""
    number, count = _number("RANK", 0), _number("WORLD_SIZE", 1)
    if count > 1 and not os.environ.get("RANK"):
        raise InputError("WORLD_SIZE", f"is {count}, but there is no RANK", "set both, or none")
    if not 0 <= number < count:
        raise InputError("RANK", f"is {number}, of WORLD_SIZE {count}", "set RANK to 0, …, WORLD_SIZE - 1")
    return Rank(
        number, count, _number("LOCAL_RANK", 0), restarted=_number("TORCHELASTIC_RESTART_COUNT", 0) > 0
    )


def _number(name: str, default: int) -> int:
    text = os.environ.get(name, "")
    if text and not (text.isascii() and text.isdecimal() and len(text) < MOST_DIGITS):
        raise InputError(name, f"is {text[:40]!r}", "set it to a number, or leave it out")
    return int(text) if text else default


def wait_for_all(rank: Rank) -> None:
    """Under torchrun, until all processes are here: it ends the others as soon as one ends with an error.

    Their number is counted in torchrun's own store. Elsewhere nothing is waited for.
    """
    if rank.count == 1 or "TORCHELASTIC_RUN_ID" not in os.environ:
        return
    from torch.distributed import rendezvous

    store, _, _ = next(iter(rendezvous("env://", rank.number, rank.count)))
    key = f"gtvseg/finished/{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}"
    store.add(key, 1)
    while store.add(key, 0) < rank.count:
        time.sleep(0.2)
    store.add(f"{key}/seen", 1)
    while (
        rank.number == 0 and store.add(f"{key}/seen", 0) < rank.count
    ):  # it may be the one that holds the store
        time.sleep(0.2)
