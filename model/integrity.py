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
_NIFTI_FLOATS = {16: "f4", 64: "f8"}


def damage(path: Path, voxels: int) -> str | None:
    """What is wrong with a MetaImage or NIfTI file that should hold so many voxels; None if nothing is.

    The readers of the other formats notice by themselves.
    """
    try:
        if path.name.endswith((".nii", ".nii.gz")):
            return _nifti_damage(path, voxels)
        if path.suffix in (".mha", ".mhd"):
            return _meta_image_damage(path, voxels)
    except (zlib.error, EOFError, OSError, struct.error) as error:
        return f"damaged or truncated: {error}"
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


def _nifti_damage(path: Path, voxels: int) -> str | None:
    """ITK's voxel type will not do here: where the file has a slope it is float, whatever is stored."""
    compressed = path.suffix == ".gz"
    with gzip.open(path) if compressed else path.open("rb") as file:
        order, code, bits, offset = _nifti_header(file.read(176))
    needed = offset + voxels * bits // 8
    with path.open("rb") as file:
        if not compressed and code not in _NIFTI_FLOATS:
            return _shortage(path.stat().st_size, needed)
        chunks = inflated(file, _GZIP) if compressed else iter(lambda: file.read(_CHUNK), b"")
        return _walk(chunks, offset, needed, np.dtype(order + _NIFTI_FLOATS.get(code, "u1")))


def _walk(chunks: Iterator[bytes], offset: int, needed: int, dtype: np.dtype) -> str | None:
    """Through a NIfTI file: is it long enough, and are its floats finite? ITK would turn the others into zeros."""
    length, rest, finite = 0, b"", True
    for chunk in chunks:
        skip = max(0, offset - length)
        length += len(chunk)
        if dtype.kind == "f":
            rest += chunk[skip:]
            whole = len(rest) - len(rest) % dtype.itemsize
            finite = finite and bool(np.isfinite(np.frombuffer(rest[:whole], dtype)).all())
            rest = rest[whole:]
    return _shortage(length, needed) or (None if finite else "voxels that are NaN or infinite")


def _nifti_header(header: bytes) -> tuple[str, int, int, int]:
    """Byte order, datatype, bits per voxel and where the voxels begin, of NIfTI-1 (348 bytes) or NIfTI-2 (540)."""
    for order in "<>":
        (size,) = struct.unpack_from(f"{order}i", header)
        if size == 348:
            code, bits, offset = struct.unpack_from(f"{order}hh34xf", header, 70)
        elif size == 540:
            code, bits, offset = struct.unpack_from(f"{order}hh152xq", header, 12)
        else:
            continue
        return order, code, bits, int(offset)
    raise EOFError("no NIfTI header")


def _meta_image_damage(path: Path, voxels: int) -> str | None:
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
        return _shortage(path.stat().st_size - offset, needed)
    with path.open("rb") as file:
        file.seek(offset)
        return _shortage(sum(map(len, inflated(file, _ZLIB))), needed)


def _shortage(length: int, needed: int) -> str | None:
    return f"truncated: {length} of {needed} bytes" if length < needed else None
