"""Files below a folder of data, through links (cases are often linked from where they lie); many of them open."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from model.errors import InputError, reason

# Files that may be open at a time: two for each prepared case; systems allow 256 or 1024 until they are asked.
OPEN_FILES = (65_536, 10_240)


def files_below(root: Path) -> Iterator[Path]:
    """All files below a folder, each folder's sorted; hidden ones, and those of hidden folders, left out.

    A folder that is reached in several ways (a link leads to it, or back to one above) is looked at once, by its own
    name where that lies below root: cases are called after their folders. A patient's folder is walked elsewhere, with
    bounds (model/images/series_files.py). Raises InputError where a folder cannot be listed: cases would be left out.
    """
    to_look_at, seen = [root], set()
    for start in to_look_at:  # grows by the links that are met
        for place, folders, names in os.walk(start, onerror=_refuse):
            real = os.path.realpath(place)
            if real in seen:
                folders.clear()
                continue
            seen.add(real)
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            to_look_at += [Path(place, name) for name in folders if os.path.islink(os.path.join(place, name))]
            yield from (Path(place, name) for name in sorted(names) if not name.startswith("."))


def _refuse(error: OSError) -> None:
    fact = f"cannot be looked into ({reason(error)})"
    raise InputError(error.filename, fact, "let this user read it, or move it away") from None


def allow_many_files() -> None:
    """Ask the system for as many open files as it allows, for this process and those that it starts."""
    try:
        import resource  # not on Windows, which has no such limit
    except ImportError:
        return
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    for wanted in OPEN_FILES:  # macOS refuses more than its kernel is set to
        count = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
        with suppress(ValueError, OSError):
            if now != resource.RLIM_INFINITY and now < count:
                resource.setrlimit(resource.RLIMIT_NOFILE, (count, most))
            return
