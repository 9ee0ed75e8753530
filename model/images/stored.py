"""The voxels as a file stores them: where they lie, how they are packed, and reading them with every byte verified.

ITK reads many damaged files without complaint, as garbage: files cut short, flipped bytes in compressed voxels, NaN in
NIfTI as 0. So ITK reads headers, and the voxels are read here, once, to the end of the file and against its checksum.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
import SimpleITK as sitk

from model.errors import InputError, reason

# Bytes read at a time, and what they may become: a megabyte of packed air is a gigabyte.
CHUNK, LARGEST_PIECE = 1 << 18, 1 << 22
# zlib's window-bits codes for its two wrappers, both of which end in a checksum.
WINDOW_BITS = {"zlib": 15, "gzip": 31}

# Of a data file in messages; a damaged header may name thousands of characters.
LONGEST_NAME = 80

META_TYPES = {
    **{"MET_CHAR": "i1", "MET_UCHAR": "u1", "MET_SHORT": "i2", "MET_USHORT": "u2"},
    **{"MET_INT": "i4", "MET_UINT": "u4", "MET_LONG": "i4", "MET_ULONG": "u4"},
    **{"MET_LONG_LONG": "i8", "MET_ULONG_LONG": "u8", "MET_FLOAT": "f4", "MET_DOUBLE": "f8"},
}
META_BYTE_ORDERS = ("BinaryDataByteOrderMSB", "ElementByteOrderMSB")
NIFTI_TYPES = {
    **{"2": "u1", "4": "i2", "8": "i4", "16": "f4", "64": "f8"},
    **{"256": "i1", "512": "u2", "768": "u4", "1024": "i8", "1280": "u8"},
}
# Where NIfTI's header has slope and intercept; as text ITK gives but six digits of them.
NIFTI_SLOPE_AT = 112
NRRD_TYPES = {
    **dict.fromkeys(("signed char", "int8", "int8_t"), "i1"),
    **dict.fromkeys(("uchar", "unsigned char", "uint8", "uint8_t"), "u1"),
    **dict.fromkeys(("short", "short int", "signed short", "signed short int", "int16", "int16_t"), "i2"),
    **dict.fromkeys(("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"), "u2"),
    **dict.fromkeys(("int", "signed int", "int32", "int32_t"), "i4"),
    **dict.fromkeys(("uint", "unsigned int", "uint32", "uint32_t"), "u4"),
    **dict.fromkeys(("longlong", "long long", "long long int", "int64", "int64_t"), "i8"),
    **dict.fromkeys(("signed long long", "signed long long int"), "i8"),
    **dict.fromkeys(
        ("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"), "u8"
    ),
    **{"float": "f4", "double": "f8"},
}


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


def locate(path: Path, header: sitk.ImageFileReader) -> Stored | None:
    """Where the voxels of an image lie, whose header ITK has read. None: in a form that ITK itself has to read.

    These are rare: voxels as text or in several files. Raises InputError where ITK would read garbage.
    """
    try:
        if path.name.endswith((".nii", ".nii.gz")):
            return _locate_nifti(path, header)
        return (_locate_nrrd if path.suffix == ".nrrd" else _locate_meta_image)(path, header)
    except (Damage, OSError, EOFError, ValueError, zlib.error) as error:
        raise _refusal(path, error) from None


def read(path: Path, stored: Stored, count: int) -> np.ndarray:
    """The first `count` stored numbers, flat. The rest of the file is verified as well.

    Raises InputError, which names the image `path`, where the file is damaged or holds fewer.
    """
    try:
        if stored.packing == "raw":
            _enough(stored.path.stat().st_size - stored.offset, count * stored.dtype.itemsize)
            return np.fromfile(stored.path, stored.dtype, count, offset=stored.offset)
        # Memory is taken as it is filled, not on the header's word.
        content, filled = np.empty(count * stored.dtype.itemsize, np.uint8), 0
        for piece in pieces(stored):
            part = np.frombuffer(piece, np.uint8)[: len(content) - filled]
            content[filled : filled + len(part)] = part
            filled += len(part)
        _enough(filled, len(content))
        return content.view(stored.dtype)
    except (Damage, OSError, EOFError, ValueError, zlib.error) as error:
        raise _refusal(path, error) from None


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


def _locate_nifti(path: Path, header: sitk.ImageFileReader) -> Stored:
    packed = path.suffix == ".gz"
    with path.open("rb") as file:
        start = file.read(CHUNK)
    if packed:
        start = zlib.decompressobj(WINDOW_BITS["gzip"]).decompress(start, 352)
    order = "<" if start[:4] == (348).to_bytes(4, "little") else ">"
    if header.GetMetaData("datatype") not in NIFTI_TYPES:
        raise Damage("voxels of a type that is not read")
    dtype = np.dtype(order + NIFTI_TYPES[header.GetMetaData("datatype")])
    slope, intercept = np.frombuffer(start, order + "f4", 2, NIFTI_SLOPE_AT)
    slope = slope if np.isfinite(slope) and slope != 0 else 1
    intercept = intercept if np.isfinite(intercept) else 0
    begin = max(348, int(float(header.GetMetaData("vox_offset"))))
    offset, skip = (0, begin) if packed else (begin, 0)
    return Stored(path, offset, "gzip" if packed else "raw", dtype, skip, float(slope), float(intercept))


def _locate_meta_image(path: Path, header: sitk.ImageFileReader) -> Stored | None:
    fields: dict[str, str] = {}
    with path.open("rb") as file:
        while "ElementDataFile" not in fields:
            key, separator, value = file.readline(CHUNK).decode("latin-1").partition("=")
            if not separator:
                raise EOFError("its header ends early")
            fields[key.strip()] = value.strip()
        name, offset = fields["ElementDataFile"], file.tell()
    header_size = int(fields.get("HeaderSize", "0"))
    packed = _is_true(fields.get("CompressedData", ""))
    if packed and ("CompressedDataSize" not in fields or header_size != 0):
        # ITK would read garbage.
        raise Damage("compressed without CompressedDataSize, or behind another header")
    if name.upper() != "LOCAL":
        if name.split()[:1] == ["LIST"] or "%" in name:
            return None
        path, offset = _data_file(path, name), max(0, header_size)
    elif header_size > 0:
        # ITK would count from the file's beginning.
        raise Damage("HeaderSize, but the voxels are in the same file")
    if not _is_true(fields.get("BinaryData", "True")) or fields.get("ElementType") not in META_TYPES:
        return None
    big = any(_is_true(fields.get(key, "")) for key in META_BYTE_ORDERS)
    dtype = np.dtype((">" if big else "<") + META_TYPES[fields["ElementType"]])
    if header_size == -1:  # the voxels are the file's end
        offset = _from_end(path, header, dtype)
    return Stored(path, offset, "zlib" if packed else "raw", dtype)


def _locate_nrrd(path: Path, header: sitk.ImageFileReader) -> Stored | None:
    fields: dict[str, str] = {}
    with path.open("rb") as file:
        file.readline(CHUNK)  # the magic word
        while line := file.readline(CHUNK).decode("latin-1").strip():
            key, separator, value = line.partition(":")
            if separator and not line.startswith("#") and not value.startswith("="):
                fields[key.strip().lower().replace(" ", "")] = value.strip()
        offset = file.tell()
    encoding = {"gz": "gzip"}.get(fields["encoding"].lower(), fields["encoding"].lower())
    name = fields.get("datafile", "")
    several = name.split()[:1] == ["LIST"] or "%" in name
    if several or encoding not in ("raw", "gzip") or fields["type"].lower() not in NRRD_TYPES:
        return None
    if name:
        path, offset = _data_file(path, name), 0
    with path.open("rb") as file:
        file.seek(offset)
        for _ in range(int(fields.get("lineskip", "0"))):
            file.readline(CHUNK)
        offset = file.tell()
    order = ">" if fields.get("endian", "little").lower() == "big" else "<"
    dtype = np.dtype(order + NRRD_TYPES[fields["type"].lower()])
    byte_skip = int(fields.get("byteskip", "0"))
    if encoding == "gzip":
        if byte_skip < 0:
            raise Damage("byte skip -1 in compressed data")
        return Stored(path, offset, "gzip", dtype, byte_skip)
    offset = _from_end(path, header, dtype) if byte_skip == -1 else offset + byte_skip
    return Stored(path, offset, "raw", dtype)


def _data_file(header: Path, name: str) -> Path:
    """The file beside a header that it names for its voxels."""
    path = header.parent / name
    if not name or not path.exists():
        raise Damage(f"its data file {name[:LONGEST_NAME]!r} is not there")
    if not path.is_file() or path.samefile(header):
        raise Damage(f"its data file {name[:LONGEST_NAME]!r} is no file of voxels")
    return path


def _from_end(path: Path, header: sitk.ImageFileReader, dtype: np.dtype) -> int:
    """Where voxels begin that end with the file."""
    needed = int(np.prod(header.GetSize(), dtype=object)) * dtype.itemsize
    _enough(path.stat().st_size, needed)
    return path.stat().st_size - needed


def _is_true(word: str) -> bool:
    """As ITK reads MetaImage's words."""
    return word[:1] in ("T", "t", "1")


def _enough(length: int, needed: int) -> None:
    if length < needed:
        raise Damage(f"truncated: {max(0, length)} of {needed} bytes")


def _refusal(path: Path, error: Exception) -> InputError:
    fact = str(error) if isinstance(error, Damage) else f"damaged or truncated: {reason(error)}"
    return InputError(path, fact, "replace the file")
