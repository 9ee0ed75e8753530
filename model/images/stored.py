"""The voxels as a file stores them: where they lie, how they are packed, and reading them with every byte verified.

ITK reads many damaged files without complaint, as garbage: files cut short, flipped bytes in compressed voxels, NaN in
NIfTI as 0. So the voxels are read here, once, to the end of the file and against its checksum.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np

from model.errors import InputError, reason

# Bytes read at a time, and what they may become: a megabyte of packed air is a gigabyte.
CHUNK, LARGEST_PIECE = 1 << 18, 1 << 22
# Unpacked bytes after the voxels, or before: more are no image but an attempt to fill memory or time.
MOST_BEHIND = 1 << 28
# zlib's window-bits codes for its two wrappers, both of which end in a checksum.
WINDOW_BITS = {"zlib": 15, "gzip": 31}


class Damage(Exception):
    """What is wrong with a file, in a few words."""


@dataclass(frozen=True)
class Stored:
    """Voxels of one number type in one file, x fastest.

    path, offset: the file, and the byte in it where voxels or packed voxels begin. skip: bytes to leave out after
    unpacking. slope, intercept: what makes values of stored numbers; ITK gives them as float32.
    """

    path: Path
    offset: int
    packing: Literal["raw", "zlib", "gzip"]
    dtype: np.dtype
    skip: int = 0
    slope: float = 1.0
    intercept: float = 0.0

    @property
    def scaled(self) -> bool:
        """Whether stored numbers and values differ."""
        return (self.slope, self.intercept) != (1.0, 0.0)


def read(path: Path, stored: Stored, count: int) -> np.ndarray:
    """The first `count` stored numbers, flat. The rest of the file is verified as well.

    Raises InputError, which names the image `path`, where the file is damaged or holds fewer.
    """
    try:
        if stored.packing == "raw":
            needed = count * stored.dtype.itemsize
            enough(stored.path.stat().st_size - stored.offset, needed)
            array = np.fromfile(stored.path, stored.dtype, count, offset=stored.offset)
            enough(array.nbytes, needed)  # it may have shrunk meanwhile
            return array
        # Memory is taken as it is filled, not on the header's word.
        content, filled, behind = np.empty(count * stored.dtype.itemsize, np.uint8), 0, 0
        for piece in pieces(stored):
            part = np.frombuffer(piece, np.uint8)[: len(content) - filled]
            behind += len(piece) - len(part)
            if behind > MOST_BEHIND:
                raise Damage("far more packed bytes than its header tells of")
            content[filled : filled + len(part)] = part
            filled += len(part)
        enough(filled, len(content))
        return content.view(stored.dtype)
    except (Damage, OSError, EOFError, ValueError, zlib.error) as error:
        raise refusal(path, error) from None


def holds(stored: Stored, array: np.ndarray) -> bool:
    """Whether a file that was just written holds exactly this array, to its checksum. Needs no memory of its size."""
    expected, at = np.ascontiguousarray(array, stored.dtype).reshape(-1).view(np.uint8), 0
    try:
        for piece in pieces(stored):
            if not np.array_equal(np.frombuffer(piece, np.uint8), expected[at : at + len(piece)]):
                return False
            at += len(piece)
    except (OSError, EOFError, zlib.error):
        return False
    return at == len(expected)


def pieces(stored: Stored) -> Iterator[bytes]:
    """The voxels' bytes, unpacked, from the first one to the end of the file.

    Raises zlib.error where a packed stream is damaged, EOFError where it ends early.
    """
    skip = stored.skip
    with stored.path.open("rb") as file:
        file.seek(stored.offset)
        raw = iter(lambda: file.read(CHUNK), b"")
        for piece in raw if stored.packing == "raw" else _unpacked(file, WINDOW_BITS[stored.packing]):
            yield piece[skip:] if skip else piece
            skip = max(0, skip - len(piece))


def _unpacked(file: BinaryIO, window_bits: int) -> Iterator[bytes]:
    """The packed stream or streams from here to the end of the file, checksums verified, in pieces of bounded size."""
    unpack = zlib.decompressobj(window_bits)
    data = file.read(CHUNK)
    while data:
        yield unpack.decompress(data, LARGEST_PIECE)
        data = unpack.unused_data.lstrip(b"\0") if unpack.eof else unpack.unconsumed_tail
        if data and unpack.eof:  # another stream follows, as bgzip and concatenation make them
            unpack = zlib.decompressobj(window_bits)
        data = data or file.read(CHUNK)
    yield unpack.flush()
    if not unpack.eof:
        raise EOFError("the compressed data end early")


def enough(length: int, needed: int) -> None:
    """Raises Damage where a file holds fewer bytes than its voxels need."""
    if length < needed:
        raise Damage(f"truncated: {max(0, length)} of {needed} bytes")


def refusal(path: Path, error: Exception) -> InputError:
    """What is said of a file whose header or voxels cannot be used."""
    fact = str(error) if isinstance(error, Damage) else f"damaged or truncated: {reason(error)}"
    return InputError(path, fact, "replace the file")
