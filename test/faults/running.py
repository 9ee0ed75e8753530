"""Runs a program in a forked child with limits of memory and time; what it is forked from has torch loaded already."""

import functools
import multiprocessing
import multiprocessing.forkserver
import os
import resource
import runpy
import sys
import threading
from multiprocessing.connection import Connection
from pathlib import Path

ROOT = Path(__file__).parents[2]
SECONDS = 60
ADDRESS_SPACE = 8 << 30
FORKSERVER = multiprocessing.get_context("forkserver")


@functools.cache
def start() -> None:
    """The process that all children are forked from. Of some Python versions it finds modules by PYTHONPATH alone."""
    FORKSERVER.set_forkserver_preload(["faults.preloaded"])
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(str(ROOT / folder) for folder in ("", "test"))
    try:
        multiprocessing.forkserver.ensure_running()
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


def run(
    command: list[str], folder: Path, environment: dict[str, str], limits: dict[int, int] | None = None
) -> tuple[int | None, str, str]:
    """Exit code (None: it did not end in time; negative: a signal), stdout, stderr of `python -m command...`.

    limits: further ones, by resource's numbers, such as RLIMIT_FSIZE: a write beyond it fails, as on a full disk.
    """
    (folder / "out").mkdir(exist_ok=True)
    start()
    pipes = [FORKSERVER.Pipe(duplex=False) for _ in range(2)]
    texts = [bytearray(), bytearray()]
    child = FORKSERVER.Process(
        target=_child, args=(command, [writer for _, writer in pipes], environment, limits or {})
    )
    child.start()
    readers = []
    for (reader, writer), text in zip(pipes, texts, strict=True):
        writer.close()
        readers.append(threading.Thread(target=_read, args=(reader, text)))
        readers[-1].start()
    child.join(SECONDS)
    code = child.exitcode
    if child.is_alive():
        child.kill()
        child.join()
        code = None
    for thread in readers:
        thread.join(5)
    return code, *(text.decode("utf-8", "replace") for text in texts)  # type: ignore[return-value]


def _read(reader: Connection, text: bytearray) -> None:
    while piece := os.read(reader.fileno(), 1 << 16):
        text += piece
    reader.close()


def _child(
    command: list[str], writers: list[Connection], environment: dict[str, str], limits: dict[int, int]
) -> None:
    for stream, writer in enumerate(writers, 1):
        os.dup2(writer.fileno(), stream)
        writer.close()
    # Those of the process that this one is forked from may be files.
    sys.stdout, sys.stderr = (open(stream, "w", closefd=False) for stream in (1, 2))  # noqa: SIM115
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for number, most in limits.items():
        resource.setrlimit(number, (most, most))
    os.environ.update(environment)
    sys.argv = list(command)
    code: object = 0
    try:
        runpy.run_module(command[0], run_name="__main__", alter_sys=True)
    except SystemExit as end:
        code = end.code
    except BaseException:
        import traceback

        traceback.print_exc()
        code = 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 0 if code is None else 1)
