"""The memory that a process took."""

import resource


def peak_bytes() -> int:
    """Largest resident memory of this process so far; Linux counts it in units of 1024 bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
