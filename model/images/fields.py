"""What the two text headers, MetaImage's and NRRD's, have in common: lines, words, numbers and data files."""

import math
import re
from pathlib import Path
from typing import BinaryIO

import numpy as np

from model.images.stored import Damage, enough

# A header has no more; what is longer is no header.
LONGEST_LINE, MOST_LINES = 1 << 12, 1 << 10
# Of a name or a value in messages; a damaged header may hold thousands of characters.
LONGEST_SHOWN = 80
_NUMBER = re.compile(
    r"[-+]?(\d+\.?\d*([eE][-+]?\d+)?|\.\d+([eE][-+]?\d+)?|nan|inf)", re.IGNORECASE | re.ASCII
)


def text_line(file: BinaryIO) -> str | None:
    """The next line without its end; None at the end of the file. Raises Damage where it is too long for a header.

    Names of data files are UTF-8 as today's programs write them, or Latin-1 as older ones did.
    """
    line = file.readline(LONGEST_LINE)
    if len(line) == LONGEST_LINE:
        raise Damage("its header has a line without an end")
    try:
        text = line.decode()
    except UnicodeDecodeError:
        text = line.decode("latin-1")
    return text.rstrip("\r\n") if line else None


def field(fields: dict[str, str], key: str) -> str:
    """A header's value. Raises Damage where there is none."""
    if key not in fields:
        raise Damage(f"its header has no {key}")
    return fields[key]


def numbers(text: str, count: int, name: str) -> tuple[float, ...]:
    """So many numbers, apart from each other by spaces. Raises Damage, which names the field."""
    words = text.split()
    if len(words) != count or not all(_NUMBER.fullmatch(word) for word in words):
        raise Damage(f"its {name} is {text[:LONGEST_SHOWN]!r}, not {count} numbers")
    return tuple(float(word) for word in words)


def whole_numbers(text: str, count: int, name: str) -> tuple[int, ...]:
    """As numbers, without fractions."""
    values = numbers(text, count, name)
    if not all(math.isfinite(value) and value == int(value) for value in values):
        raise Damage(f"its {name} is {text[:LONGEST_SHOWN]!r}, not {count} whole numbers")
    return tuple(int(value) for value in values)


def data_file(header: Path, name: str) -> Path:
    """The regular file beside a header that it names for its voxels."""
    shown = repr(name[:LONGEST_SHOWN])
    if name.split()[:1] == ["LIST"] or "%" in name:
        raise Damage("its voxels lie in several files, which are not read: save it as one file")
    if not name or "\0" in name:
        raise Damage(f"its data file {shown} is not there")
    path = header.parent / name
    if not path.exists():
        raise Damage(f"its data file {shown} is not there")
    if not path.is_file() or path.samefile(header):
        raise Damage(f"its data file {shown} is no file of voxels")
    return path


def from_end(path: Path, size_xyz: tuple[int, ...], dtype: np.dtype, begin: int, follow: int = 0) -> int:
    """Where voxels begin that end with the file, or so many bytes before; not before `begin`."""
    needed = math.prod(size_xyz) * dtype.itemsize
    end = path.stat().st_size - follow
    enough(end - begin, needed)
    return end - needed
