"""What this machine, or the container it runs in, has to give: memory and cores."""

import os
import sys
from pathlib import Path

# Where a control group's limits stand, in its newer and its older form; inside a container they are the container's.
MEMORY_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
CORES_LIMIT = Path("/sys/fs/cgroup/cpu.max")
MEMINFO = Path("/proc/meminfo")


def available_bytes() -> int:
    """What the machine has available, or the container's limit where that is less."""
    try:
        available = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except AttributeError:  # not on every system
        available = sys.maxsize
    for path, key in ((MEMINFO, "MemAvailable:"), *((limit, "") for limit in MEMORY_LIMITS)):
        try:
            words = path.read_text(encoding="ascii").split()
            # meminfo counts in kB; a limit may be "max".
            found = 1024 * int(words[words.index(key) + 1]) if key else int(words[0])
        except (OSError, ValueError, IndexError):
            continue
        available = min(available, found)
    return available


def usable_cores() -> int:
    """Those that this process may run on, or the container's share of them where that is less; at least one."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        cores = os.cpu_count() or 1
    try:
        quota, period = map(int, CORES_LIMIT.read_text(encoding="ascii").split())  # the quota may be "max"
        cores = min(cores, quota // period)
    except (OSError, ValueError, ZeroDivisionError):
        pass
    return max(1, cores)
