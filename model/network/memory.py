"""The CPU's memory while a network works: what one layer frees serves the next one.

Activations are tens of megabytes each. The C library fetches blocks of that size from the kernel one by one and returns
them when they are freed, so every layer of every pass would pay for fresh pages, which is a quarter of a pass.
"""

import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

# Names of glibc's mallopt, from malloc.h.
TRIM_THRESHOLD, MMAP_THRESHOLD, MMAP_MAX = -1, -3, -4
# mallopt takes a C int.
LARGEST = 2**31 - 1
UNUSED = "torch._meta_registrations"
# Set again at the end; the last is as far up as glibc goes itself.
USUAL = ((MMAP_MAX, 65536), (TRIM_THRESHOLD, 2**17), (MMAP_THRESHOLD, 2**25))


@contextmanager
def kept_memory() -> Iterator[None]:
    """Inside, freed memory stays with the process; at the end it goes back. Needs glibc, else does nothing."""
    library = _c_library()
    if not hasattr(library, "mallopt") or not hasattr(library, "malloc_trim"):
        yield
        return
    library.malloc_trim(0)  # what reading left over would not be used again
    for name, value in ((MMAP_MAX, 0), (TRIM_THRESHOLD, LARGEST)):
        library.mallopt(name, value)
    try:
        yield
    finally:
        for name, value in USUAL:
            library.mallopt(name, value)
        library.malloc_trim(0)


def _c_library() -> Any:
    """The process's own; None where it cannot be had so, as on Windows."""
    try:
        import ctypes

        return ctypes.CDLL(None)
    except (ImportError, OSError, TypeError):
        return None


def ask_for_huge_pages() -> None:
    """Have torch ask the kernel for huge pages: fewer page faults. To be called before torch is imported."""
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")


def import_torch() -> None:
    """The first import of torch in a process of ours, a third faster than usual.

    Only torch's compiler asks the module that is left out, which tells every operator's result without running it.
    Whatever imports it later gets it.
    """
    if "torch" in sys.modules:
        return
    sys.modules[UNUSED] = ModuleType(UNUSED)
    try:
        importlib.import_module("torch")
    finally:
        del sys.modules[UNUSED]


def peak_bytes() -> int:
    """The most memory that this process has had so far; 0 where the system does not tell, as on Windows."""
    try:
        import resource
    except ImportError:
        return 0
    # Linux counts in units of 1024 bytes, macOS in bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
