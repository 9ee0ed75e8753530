"""Runs a program in a forked child with limits of memory and time; what it is forked from has torch loaded already."""

import functools
import multiprocessing
import multiprocessing.forkserver
import os
import resource
import runpy
import sys
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


def run(command: list[str], folder: Path, environment: dict[str, str]) -> tuple[int | None, str, str]:
    """Exit code (None: it did not end in time; negative: a signal), stdout, stderr of `python -m command...`."""
    (folder / "out").mkdir(exist_ok=True)
    start()
    child = FORKSERVER.Process(target=_child, args=(command, str(folder), environment))
    child.start()
    child.join(SECONDS)
    if child.is_alive():
        child.kill()
        child.join()
        code = None
    else:
        code = child.exitcode
    texts = [
        (folder.parent / name).read_text(encoding="utf-8", errors="replace") for name in ("stdout", "stderr")
    ]
    return code, texts[0], texts[1]


def _child(command: list[str], folder: str, environment: dict[str, str]) -> None:
    for stream, name in ((1, "stdout"), (2, "stderr")):
        file = os.open(os.path.join(os.path.dirname(folder), name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, stream)
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
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
