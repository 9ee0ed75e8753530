"""Files that are there whole or not at all, and folders made for them."""

import os
import stat
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from model.errors import InputError, reason


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary name beside the path, with its suffix, to write to.

    On leaving, what was written is flushed to the disk and takes the real name; after an exception it is removed, and
    what had the name before is still there. Raises OSError where the file cannot be flushed or renamed.

    The temporary name is used once: containers that share a folder all have the process number 1.
    """
    known = path.name.lower()  # writers know suffixes in lower case alone
    suffix = "".join(Path(known).suffixes[-2:]) if known.endswith(".gz") else Path(known).suffix
    temporary = path.with_name(f".writing-{os.urandom(8).hex()}{suffix}")
    try:
        yield temporary
        with temporary.open("r+b") as file:  # Windows flushes what may be written alone
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole, making its folder; a device is written to, not replaced. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and not path.is_file():
        path.write_bytes(content)
        return
    with whole_file(path) as temporary:
        temporary.write_bytes(content)


def append_bytes(path: Path, content: bytes) -> None:
    """Add to a file, making it and its folder; what has no room is taken back whole. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    before = 0
    try:
        with path.open("ab", buffering=0) as file:
            before = file.tell()
            while content:  # a full disk takes a part, and says so at the next
                content = content[file.write(content) :]
    except OSError:
        with suppress(OSError):
            if before:
                os.truncate(path, before)
            else:
                path.unlink(missing_ok=True)
        raise


@contextmanager
def refusing(path: Path, remedy: str) -> Iterator[None]:
    """Within it, an OSError is an InputError: this file cannot be written."""
    try:
        yield
    except OSError as error:
        raise InputError(path, f"cannot be written ({reason(error)})", remedy) from None


def save(path: Path, content: bytes, remedy: str) -> None:
    """Write a file whole, as write_bytes does. Raises InputError with this remedy."""
    with refusing(path, remedy):
        write_bytes(path, content)


def check_writable(path: Path, remedy: str) -> None:
    """Before hours of work: whether the file could be written, by making one without a name beside it.

    Raises InputError with this remedy.
    """
    with refusing(path, remedy):
        if path.is_dir():
            path.open("ab").close()  # which the system refuses
        if path.is_file() or not path.exists():
            place = next(folder for folder in path.absolute().parents if folder.exists())
            tempfile.TemporaryFile(dir=place).close()


@contextmanager
def output_folders(results: Sequence[Path]) -> Iterator[None]:
    """Make the folders of these files; on leaving, remove again those that were made here and stayed empty.

    Raises InputError, before any work is done, where a folder cannot be made or written to.
    """
    made: list[Path] = []
    try:
        for folder in sorted({path.parent for path in results}):
            try:
                for ancestor in (*reversed(folder.parents), folder):
                    if not ancestor.is_dir():
                        with suppress(FileExistsError):  # another process of the run was faster
                            ancestor.mkdir()
                            made.append(ancestor)
                with tempfile.TemporaryFile(dir=folder):
                    pass
            except (OSError, ValueError) as error:
                fact = f"cannot write there ({reason(error)})"
                raise InputError(folder, fact, "make it writable or choose another --output") from None
        for path in results:
            try:
                taken = stat.S_ISDIR(path.lstat().st_mode)
            except FileNotFoundError:
                continue
            except (OSError, ValueError) as error:
                fact = f"cannot be written there ({reason(error)})"
                raise InputError(path, fact, "rename the case or choose another --output") from None
            if taken:
                raise InputError(path, "a folder has the result's name", "move it away")
        yield
    finally:
        for folder in reversed(made):
            with suppress(OSError):  # not empty, or removed by another process of the run
                folder.rmdir()
