"""What came of each case, a line each in manifest.jsonl beside the results: written as cases end, read by --resume."""

import contextlib
import errno
import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from model.cases import Case
from model.errors import InputError, reason
from model.images.choice import SINGLE
from model.images.read import open_header
from model.images.series_files import files_below
from model.installed import sha256_of

NAME = "manifest.jsonl"
# Name, size, time of change (ns) and fingerprint of each file.
Inputs = list[list[Any]]
# What of a file is looked at for its fingerprint: so many pieces from its first to its last byte, of so many bytes.
# Two patients' files may well have one name, size and time, as when they come out of an archive.
PIECES, PIECE_BYTES = 5, 1 << 16


@dataclass(frozen=True)
class Origin:
    """What a result depends on besides the CTs: software version, sha256 of the weights file, options."""

    version: str
    weights: str
    options: dict[str, Any]


@dataclass(frozen=True)
class Entry:
    """One case. status: done, empty (cannot be segmented, an empty mask was asked for) or failed.

    result: the file, relative to the manifest; sha256 its content's. inputs: what the CTs' files were. seconds: reading
    to writing. Volumes in cm³ are None unless done. expected_dsc, confidence: by structure, as `Trust` has them; None
    where nothing asked for them. extras: files beside the result, relative to the manifest or absolute.
    """

    case: str
    status: str
    result: str
    sha256: str
    inputs: Inputs
    seconds: float
    network_seconds: float
    gtvp_cm3: float | None
    gtvnd_cm3: float | None
    warnings: list[str]
    error: str | None
    origin: Origin = field(compare=False)
    expected_dsc: dict[str, float] | None = None
    confidence: dict[str, float] | None = None
    extras: list[str] = field(default_factory=list)

    def line(self) -> bytes:
        """As it stands in the manifest."""
        values = asdict(self)
        values |= values.pop("origin")
        return (json.dumps(values, ensure_ascii=False) + "\n").encode(errors="backslashreplace")


class Manifest:
    """The manifest in a folder of results. Of several lines about one case the last counts.

    Several processes may share one: each line is written at once. All methods raise InputError where they cannot.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME

    def read(self) -> dict[str, dict[str, Any]]:
        """The last line of each case; lines cut short by a crash are passed over."""
        entries: dict[str, dict[str, Any]] = {}
        with self._errors(), contextlib.suppress(FileNotFoundError):
            self._of_a_kind(stat.S_ISREG)
            with self.path.open("rb") as file:
                for line in file:
                    with contextlib.suppress(ValueError, RecursionError):
                        entry = json.loads(line)
                        if isinstance(entry, dict) and isinstance(entry.get("case"), str):
                            entries[entry["case"]] = entry
        return entries

    def append(self, entry: Entry) -> None:
        """Add a line, on the disk when this returns."""
        self._append(entry.line())

    def check(self) -> None:
        """That lines can be added, before there are any."""
        self._append(b"")

    def _append(self, line: bytes) -> None:
        with self._errors():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):
                self._of_a_kind(lambda mode: not stat.S_ISFIFO(mode))  # which would be waited for
            with self.path.open("ab", buffering=0) as file:  # a line is one write
                file.write(b"\n" * self._torn() + line)
                os.fsync(file.fileno())

    def start_anew(self) -> None:
        """Without lines of earlier runs."""
        with self._errors():
            self.path.unlink(missing_ok=True)

    def _torn(self) -> bool:
        """Whether the last line has no end."""
        with self.path.open("rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode) or file.seek(0, os.SEEK_END) == 0:
                return False
            file.seek(-1, os.SEEK_END)
            return file.read() != b"\n"

    def _of_a_kind(self, right: Callable[[int], bool]) -> None:
        """Raises OSError where it is a pipe or a device; FileNotFoundError where there is none."""
        if not right(self.path.stat().st_mode):
            raise OSError(errno.EINVAL, "no ordinary file")

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            remedy = "free space or choose another --output"
            raise InputError(self.path, f"cannot be read or written ({reason(error)})", remedy) from None


def is_finished(case: Case, entry: dict[str, Any] | None, origin: Origin) -> bool:
    """Whether a case's result is there as it was written, from the same CTs, weights, options and software."""
    if entry is None or entry.get("status") != "done":
        return False
    same = all(entry.get(name) == value for name, value in asdict(origin).items())
    if not same or entry.get("inputs") != inputs_of(case):
        return False
    # Of a study the CTs' files do not tell whether it was allowed to have one CT alone.
    if case.study and not case.single and any(SINGLE in str(one) for one in entry.get("warnings") or []):
        return False
    try:
        return sha256_of(case.output) == entry.get("sha256")
    except OSError:
        return False


def is_of_others(case: Case, entry: dict[str, Any] | None) -> bool:
    """Whether the entry is of another non-contrast CT, by content. Not where it does not tell.

    The first file is that CT's, or its first slice; of a study, where others may lie before it, any file tells.
    """
    try:
        theirs = [row[3] for row in entry["inputs"]] if entry else []
    except (KeyError, IndexError, TypeError):
        return False  # of an older version
    ours = [row[3] for row in inputs_of(case)]
    if case.study:
        return bool(theirs and ours) and set(theirs).isdisjoint(ours)
    return bool(theirs and ours) and theirs[0] != ours[0]


def inputs_of(case: Case) -> Inputs:
    """Name, size, time of change (ns) and fingerprint of each file of both CTs; empty where one cannot be read."""
    try:
        files = [file for path in dict.fromkeys((case.ct, case.ce)) for file in _files(path)]
        return [[file.name, *_state(file)] for file in files]
    except (OSError, InputError):
        return []


def _state(file: Path) -> tuple[int, int, str]:
    """Size, time of change (ns), and a fingerprint of pieces of it; of pipes and devices none, which have no end."""
    found, digest = file.stat(), hashlib.sha256()
    if not stat.S_ISREG(found.st_mode):
        return found.st_size, found.st_mtime_ns, ""
    with file.open("rb") as content:
        for k in range(PIECES):
            content.seek(max(0, found.st_size - PIECE_BYTES) * k // (PIECES - 1))
            digest.update(content.read(PIECE_BYTES))
    return found.st_size, found.st_mtime_ns, digest.hexdigest()[:16]


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return list(files_below(path))
    return sorted({path, open_header(path).voxels.path})
