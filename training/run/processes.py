"""Training processes: one, or several started by torchrun (gloo between CPUs, nccl between GPUs)."""

import gc
import importlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import distributed

from model.errors import InputError, reason

Result = TypeVar("Result")
# What it sets besides WORLD_SIZE.
TORCHRUN = ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
PATIENCE = timedelta(hours=12)  # the others wait while the first prepares the cases


class FailedElsewhere(Exception):
    """Another process failed; that one says why. With a text where it left without a word."""


@dataclass(frozen=True)
class Processes:
    """This process's number, how many there are, and its device."""

    rank: int
    count: int
    device: torch.device

    @property
    def first(self) -> bool:
        """The one that prepares, reports and writes."""
        return self.rank == 0

    def once(self, action: Callable[[], Result]) -> Result:
        """What the first process's doing it gives, for all; the others wait.

        Where it fails, or is asked to end, all end: the others with FailedElsewhere.
        """
        failure: BaseException | None = None
        given: list[Any] = [None]
        if self.first:
            try:
                given = [action()]
            except BaseException as error:  # raised again below, once the others know
                failure = error
        try:
            if self.count > 1:
                with _exchange():
                    distributed.broadcast_object_list(given, device=self.device)
            (failed,) = self.largest(failure is not None)
        except FailedElsewhere:
            if failure is None:
                raise
            failed = 1.0
        if failed:
            raise failure or FailedElsewhere
        result: Result = given[0]
        return result

    def largest(self, *values: float) -> list[float]:
        """Each value's maximum over all processes."""
        if self.count == 1:
            return list(values)
        tensor = torch.tensor(values, dtype=torch.float64, device=self.device)
        with _exchange():
            distributed.all_reduce(tensor, distributed.ReduceOp.MAX)
        return [float(value) for value in tensor]


@contextmanager
def _exchange() -> Iterator[None]:
    """Raises FailedElsewhere, with the reason, where another process has left."""
    try:
        yield
    except RuntimeError as error:
        raise FailedElsewhere(reason(error)) from None


def check_environment() -> None:
    """Raises InputError where it says that there are other processes, but not all that torchrun says of them."""
    count = os.environ.get("WORLD_SIZE", "1")
    if not (count.isascii() and count.isdecimal() and int(count[:9]) > 0 and len(count) < 9):
        raise InputError("WORLD_SIZE", f"is {count[:40]!r}", "set it to a number, or leave it out")
    missing = [name for name in TORCHRUN if not os.environ.get(name, "").strip()]
    if int(count) > 1 and missing:
        raise InputError(
            "WORLD_SIZE", f"is {count}, but there is no {missing[0]}", "start it with torchrun, or unset it"
        )


@contextmanager
def processes(device: torch.device) -> Iterator[Processes]:
    """Join the others if torchrun says that there are some; on leaving, part from them."""
    count = int(os.environ.get("WORLD_SIZE", 1))
    if count == 1:
        yield Processes(0, 1, device)
        return
    # Loaded before the group is made: its functions have the group of the moment they are defined as a default, and
    # DistributedDataParallel would load them later. They would keep the group, and gloo's threads, beyond
    # destroy_process_group; a thread that still has a tensor of the last exchange to drop then asks for the GIL while
    # Python exits, which aborts the process.
    importlib.import_module("torch.distributed.nn.functional")
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
    try:
        yield Processes(distributed.get_rank(), count, device)
    finally:
        gc.collect()  # after a failure, frames that refer to each other keep the network, which keeps the group
        distributed.destroy_process_group()
