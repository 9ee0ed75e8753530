"""What the programs print: progress on stdout, one line per error on stderr."""

import sys


def take_any_text() -> None:
    """Print "cm³" and file names as they are, whatever the locale."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace")  # type: ignore[union-attr]


def log(line: str) -> None:
    """Print a line now, not when a buffer is full."""
    print(line, flush=True)


def report(error: Exception) -> None:
    """Print an error's text in the one form that all programs have."""
    print(f"error: {error}", file=sys.stderr, flush=True)
