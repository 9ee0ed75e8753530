"""Finds files that were cut short or damaged: ITK reads many of them without complaint, as garbage."""

import gzip
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

_CHUNK = 1 << 20
_ZLIB, _GZIP = 15, 31  # zlib's window-bits codes for its two wrappers, both of which end in a checksum
_META_BYTES = {
    **{"MET_CHAR": 1, "MET_UCHAR": 1, "MET_SHORT": 2, "MET_USHORT": 2, "MET_INT": 4, "MET_UINT": 4},
    **{"MET_LONG": 4, "MET_ULONG": 4, "MET_LONG_LONG": 8, "MET_ULONG_LONG": 8},
    **{"MET_FLOAT": 4, "MET_DOUBLE": 8},
}
_META_BYTE_ORDER = ("BinaryDataByteOrderMSB", "ElementByteOrderMSB")
_NIFTI_INT16, _NIFTI_FLOATS = 4, {16: "f4", 64: "f8"}


class Damage(Exception):
    """What is wrong with a file, in a few words."""


def check(path: Path, voxels: int) -> np.ndarray | None:
    """Raise Damage unless a MetaImage or NIfTI file holds so many voxels. The other formats' readers notice themselves.

    Where compressed voxels are plain int16, they come back as stored, flat, so that nobody inflates them again.
    """
    try:
        if path.name.endswith((".nii", ".nii.gz")):
            return _check_nifti(path, voxels)
        if path.suffix in (".mha", ".mhd"):
            return _check_meta_image(path, voxels)
    except (zlib.error, EOFError, OSError, struct.error, ValueError, OverflowError) as error:
        raise Damage(f"damaged or truncated: {error}") from None
    return None


def inflated(file: BinaryIO, window_bits: int) -> Iterator[bytes]:
    """The compressed stream(s) from here to the end of the file, piece by piece, checksums verified.

    Raises zlib.error where the stream is damaged, EOFError where it ends early.
    """
    inflate = zlib.decompressobj(window_bits)
    data = file.read(_CHUNK)
    while data:
        yield inflate.decompress(data)
        data = inflate.unused_data.lstrip(b"\0") if inflate.eof else b""
        if data:  # another member follows, as bgzip and concatenation make them
            inflate = zlib.decompressobj(window_bits)
        data = data or file.read(_CHUNK)
    if not inflate.eof:
        raise EOFError("the compressed data end early")


def _check_nifti(path: Path, voxels: int) -> np.ndarray | None:
    """ITK's voxel type will not do here: where the file has a slope it is float, whatever is stored."""
    compressed = path.suffix == ".gz"
    with gzip.open(path) if compressed else path.open("rb") as file:
        order, code, bits, offset, scaled = _nifti_header(file.read(192))
    needed = voxels * bits // 8
    with path.open("rb") as file:
        if not compressed and code not in _NIFTI_FLOATS:
            _enough(path.stat().st_size - offset, needed)
            return None
        chunks = inflated(file, _GZIP) if compressed else iter(lambda: file.read(_CHUNK), b"")
        if code in _NIFTI_FLOATS:
            _check_floats(chunks, offset, needed, np.dtype(order + _NIFTI_FLOATS[code]))
            return None
        plain = (order, code, bits, scaled) == ("<", _NIFTI_INT16, 16, False)
        return _check_chunks(chunks, offset, needed, plain)


def _check_chunks(chunks: Iterator[bytes], offset: int, needed: int, plain: bool) -> np.ndarray | None:
    """Are there so many bytes from the offset on? Plain int16 voxels are returned, flat.

    The stream is followed to its end, for its checksum. Memory is taken as it is filled, not on the header's word.
    """
    content, at = np.empty(needed if plain else 0, np.uint8), -offset
    for chunk in chunks:
        piece = chunk[max(0, -at) : max(0, len(content) - at)]
        content[max(0, at) : max(0, at) + len(piece)] = np.frombuffer(piece, np.uint8)
        at += len(chunk)
    _enough(at, needed)
    return content.view("<i2") if plain else None


def _check_floats(chunks: Iterator[bytes], offset: int, needed: int, dtype: np.dtype) -> None:
    """Are there enough, and are they finite? ITK would turn the others into zeros."""
    length, rest = -offset, b""
    for chunk in chunks:
        rest += chunk[max(0, -length) :]
        length += len(chunk)
        whole = len(rest) - len(rest) % dtype.itemsize
        if not np.isfinite(np.frombuffer(rest[:whole], dtype)).all():
            raise Damage("voxels that are NaN or infinite")
        rest = rest[whole:]
    _enough(length, needed)


def _nifti_header(header: bytes) -> tuple[str, int, int, int, bool]:
    """Byte order, datatype, bits per voxel, where the voxels begin, whether they are scaled; NIfTI-1 or NIfTI-2."""
    for order in "<>":
        (size,) = struct.unpack_from(f"{order}i", header)
        if size == 348:
            code, bits, offset, slope, shift = struct.unpack_from(f"{order}hh34xfff", header, 70)
        elif size == 540:
            code, bits = struct.unpack_from(f"{order}hh", header, 12)
            offset, slope, shift = struct.unpack_from(f"{order}qdd", header, 168)
        else:
            continue
        return order, code, bits, max(size, int(offset)), slope not in (0, 1) or shift != 0
    raise EOFError("no NIfTI header")


def _check_meta_image(path: Path, voxels: int) -> np.ndarray | None:
    fields: dict[str, str] = {}
    with path.open("rb") as file:
        while "ElementDataFile" not in fields:
            key, separator, value = file.readline(_CHUNK).decode("latin-1").partition("=")
            if not separator:
                raise EOFError("its header ends early")
            fields[key.strip()] = value.strip()
        where, offset = fields["ElementDataFile"], file.tell()
    needed = voxels * _META_BYTES.get(fields.get("ElementType", ""), 0)
    if where.upper() != "LOCAL":
        path, offset = path.parent / where, 0
        if not path.is_file():
            return None  # several files, or none: the reader knows
    if fields.get("CompressedData", "").lower() != "true":
        _enough(path.stat().st_size - offset, needed)
        return None
    if "CompressedDataSize" not in fields or fields.get("HeaderSize", "0") != "0":
        # ITK would read garbage
        raise Damage("compressed without CompressedDataSize, or behind another header")
    little = all(fields.get(key, "False").lower() == "false" for key in _META_BYTE_ORDER)
    with path.open("rb") as file:
        file.seek(offset)
        plain = little and fields.get("ElementType") == "MET_SHORT"
        return _check_chunks(inflated(file, _ZLIB), 0, needed, plain)


def _enough(length: int, needed: int) -> None:
    if length < needed:
        raise Damage(f"truncated: {length} of {needed} bytes")
