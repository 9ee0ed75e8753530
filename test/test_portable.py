"""Windows and macOS: what these systems lack keeps no program from being loaded."""

import subprocess
import sys

PROGRAM = """
import sys
for name in ("resource", "fcntl", "termios", "pwd", "grp"):
    sys.modules[name] = None  # importing it raises ImportError
import ctypes, os, signal
library = ctypes.CDLL
def no_process_of_its_own(name, *rest, **more):
    if name is None:
        raise TypeError("on Windows a library has a name")
    return library(name, *rest, **more)
ctypes.CDLL = no_process_of_its_own
import torch, SimpleITK  # they have code of their own for each system
for name in "sched_getaffinity fork sysconf getuid geteuid getgid killpg setsid mkfifo statvfs getloadavg nice".split():
    delattr(os, name)
for name in "pthread_sigmask SIGHUP SIGKILL SIGALRM SIGUSR1 SIGUSR2 SIGCHLD SIGPIPE alarm setitimer".split():
    delattr(signal, name)

import process, evaluate, train, api
import importlib
for name in ("phantom", "model.importing", "dicom", "training.openkbp", "training.grafts"):
    importlib.import_module(name + ".__main__")
from dicom.__main__ import COMMANDS
for module, what in COMMANDS.values():
    importlib.import_module(module)
import model.serve, model.images.decompress, training.join, training.least, training.record_scores
from model.cohort.segmenting import peak_memory
from model.network.memory import kept_memory, peak_bytes
with kept_memory():
    assert peak_bytes() == 0 and peak_memory() == ""
from training.data.workers import on_workers
assert on_workers(divmod, [(7, 2), (9, 4)], 2, "") == [(3, 1), (2, 1)]
process.parse_arguments([])
print("fine")
"""


def test_all_programs_load_without_what_other_systems_lack(root):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=root, capture_output=True, text=True, timeout=120
    )
    assert done.stdout == "fine\n", done.stderr
