"""A fault: an input that somebody could give, and what has to come of it. Faults are data; test_faults.py runs them."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

# What a fault's inputs are made in: an empty folder. Results go to its folder "out".
Make = Callable[[Path], Sequence[str]]


@dataclass(frozen=True)
class Expected:
    """What has to come of it.

    errors: one pattern for each line on stderr, in order. logged: patterns that must be found on stdout. results: the
    files under out/, exactly. check: a further look at the folder, which returns what is wrong or nothing. Where the
    outcome is "read", a warning is wrong, unless it may_warn of something else.
    """

    outcome: str
    exit_code: int
    errors: tuple[str, ...] = ()
    logged: tuple[str, ...] = ()
    results: tuple[str, ...] = ()
    check: Callable[[Path], str] | None = None
    may_warn: bool = False


@dataclass(frozen=True)
class Fault:
    """make fills an empty folder and returns the command: a program's module name and its arguments."""

    group: str
    name: str
    make: Make
    expected: Expected
    slow: bool = False
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        return f"{self.group}: {self.name}"


def refused(*errors: str, code: int = 2, results: tuple[str, ...] = ()) -> Expected:
    """One line per pattern on stderr, exit code 2 unless said otherwise, no result but those of other cases."""
    return Expected("refused", code, errors, (), results)


def warned(*logged: str, results: tuple[str, ...], check: Callable[[Path], str] | None = None) -> Expected:
    """The right result, exit code 0, and a warning for each pattern."""
    return Expected("warned", 0, (), tuple(f"warning: .*{pattern}" for pattern in logged), results, check)


def fine(
    *, results: tuple[str, ...] = (), check: Callable[[Path], str] | None = None, may_warn: bool = False
) -> Expected:
    """The right result, exit code 0, nothing on stderr, no warning."""
    return Expected("read", 0, (), (), results, check, may_warn)


def problems(fault: Fault, folder: Path, exit_code: int | None, stdout: str, stderr: str) -> list[str]:
    """What is wrong with what came of a fault; empty where all is as expected."""
    expected, found = fault.expected, []
    if exit_code is None:
        return ["it did not end in time"]
    if exit_code < 0:
        return [f"it died of signal {-exit_code}"]
    if exit_code != expected.exit_code:
        found.append(f"exit code {exit_code}, expected {expected.exit_code}")
    if "Traceback" in stdout + stderr:
        found.append("a traceback")
    lines = stderr.splitlines()
    if len(lines) != len(expected.errors):
        found.append(f"{len(lines)} lines on stderr, expected {len(expected.errors)}")
    for line, pattern in zip(lines, expected.errors, strict=False):
        if not re.search(pattern, line):
            found.append(f"stderr has {line!r}, expected {pattern!r}")
        if len(line) > 1000:
            found.append(f"a line of {len(line)} characters")
    found += [f"stdout lacks {pattern!r}" for pattern in expected.logged if not re.search(pattern, stdout)]
    out = folder / "out"
    results = sorted(str(path.relative_to(out)) for path in out.rglob("*") if not path.is_dir())
    results = [name for name in results if not name.endswith("manifest.jsonl")]
    if results != sorted(expected.results):
        found.append(f"results {results}, expected {sorted(expected.results)}")
    if expected.outcome == "read" and not expected.may_warn and "warning: " in stdout:
        found.append("a warning")
    found += [f"left behind: {path}" for path in folder.rglob(".writing-*")]
    if expected.check and not found and (wrong := expected.check(folder)):
        found.append(wrong)
    return found
