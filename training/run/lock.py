"""One run at a time in a folder: a file in it names the process that works there."""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from model.errors import InputError
from model.terminal import log
from training.run.processes import Processes

LOCK = "lock"


@contextmanager
def locked(folder: Path, team: Processes) -> Iterator[None]:
    """With a folder for these processes alone. Raises InputError where others have it."""
    lock = team.once(lambda: take(folder))
    try:
        yield
    finally:
        if team.first:
            give_back(lock)


def take(work: Path) -> Path:
    """Write the lock, making the folder. Raises InputError where another process has it.

    One whose process is gone from this computer is taken over. Of processes on other computers nothing is known, nor of
    any where there is no /proc.
    """
    work.mkdir(parents=True, exist_ok=True)
    path, mine = work / LOCK, work / f".{LOCK}-{os.getpid()}"
    mine.write_text(json.dumps(_this_process()), encoding="utf-8")
    try:
        for _ in range(2):
            try:
                os.link(mine, path)  # fails where it is there, and is never there half-written
                return path
            except FileExistsError:
                _remove(path, _refuse_if_held(path))
        raise InputError(path, "another run takes it at this moment", "choose another --work")
    finally:
        mine.unlink()


def _remove(path: Path, stale: bytes) -> None:
    """Remove the lock if it is still that one: another run may take it over at the same moment."""
    aside = path.with_name(f".{LOCK}-aside-{os.getpid()}")
    try:
        path.rename(aside)  # of two runs only one can
    except FileNotFoundError:
        return
    try:
        if aside.read_bytes() != stale:
            os.link(aside, path)  # the other's new one goes back
    except FileExistsError:
        raise InputError(path, "several runs take it at this moment", "choose another --work") from None
    finally:
        aside.unlink()


def give_back(path: Path) -> None:
    """Remove the lock, if it is still this process's."""
    if path.exists() and path.read_text(encoding="utf-8") == json.dumps(_this_process()):
        path.unlink()


def _this_process() -> dict[str, object]:
    return {"process": os.getpid(), "host": socket.gethostname(), "began": _began(os.getpid())}


def _refuse_if_held(path: Path) -> bytes:
    """Raises InputError unless the lock's process is surely gone; returns what it says."""
    try:
        content = path.read_bytes()
        holder = json.loads(content)
        process, host, began = int(holder["process"]), str(holder["host"]), holder["began"]
    except FileNotFoundError:
        return b""  # given back meanwhile
    except (OSError, ValueError, TypeError, KeyError, OverflowError, RecursionError):
        raise InputError(path, "not a readable lock", "delete it if no run works there") from None
    by = f"process {process} on {host}"
    nothing_known = _began(os.getpid()) is None and process != os.getpid()  # no /proc, as on macOS
    if host != socket.gethostname() or nothing_known:
        raise InputError(
            path.parent, f"in use by {by}", f"if that has ended, delete {path}; or choose another --work"
        )
    now = _began(process)
    if now is not None and now == began and process != os.getpid():
        raise InputError(path.parent, f"in use by {by}", "wait for its end or choose another --work")
    log(f"{path}: of {by}, which has ended; taken over")
    return content


def _began(process: int) -> str | None:
    """When a process began, in the kernel's ticks: numbers of processes are used again. None where there is none."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    state, *others = fields.rpartition(")")[2].split()
    return None if state == "Z" else others[18]
