"""The voxels as a file stores them: where they lie, how they are packed, and reading them with every byte verified.

ITK reads many damaged files without complaint, as garbage: files cut short, flipped bytes in compressed voxels, NaN in
NIfTI as 0. So ITK reads headers, and the voxels are read here, once, to the end of the file and against its checksum.
"""

import gzip
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

PIXEL_TYPES = {
    **{sitk.sitkInt8: "i1", sitk.sitkInt16: "i2", sitk.sitkInt32: "i4", sitk.sitkInt64: "i8"},
    **{sitk.sitkUInt8: "u1", sitk.sitkUInt16: "u2", sitk.sitkUInt32: "u4", sitk.sitkUInt64: "u8"},
    **{sitk.sitkFloat32: "f4", sitk.sitkFloat64: "f8"},
}
# Of two, ITK goes by the first.
META_BYTE_ORDERS = ("BinaryDataByteOrderMSB", "ElementByteOrderMSB")
NIFTI_TYPES = {
    **{"2": "u1", "4": "i2", "8": "i4", "16": "f4", "64": "f8"},
    **{"256": "i1", "512": "u2", "768": "u4", "1024": "i8", "1280": "u8"},
}
NIFTI_HEADER_BYTES = 348
# What such a header begins with: its length, in the file's byte order.
NIFTI_BYTE_ORDERS = {
    NIFTI_HEADER_BYTES.to_bytes(4, "little"): "<",
    NIFTI_HEADER_BYTES.to_bytes(4, "big"): ">",
}
# Where NIfTI's header has slope and intercept; as text ITK gives but six digits of them.
NIFTI_SLOPE_AT = 112


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
        # ITK also reads a TIFF image that has another format's name.
        if header.HasMetaDataKey("nifti_type"):
            return _locate_nifti(path, header)
        name = "ITK_InputFilterName"
        format_name = header.GetMetaData(name) if header.HasMetaDataKey(name) else ""
        if format_name == "MetaImageIO":
            return _locate_meta_image(path, header)
        if format_name == "NrrdImageIO":
            return _locate_nrrd(path, header)
        raise Damage("not in the format that its name says")
    except (Damage, OSError, EOFError, ValueError, TypeError, zlib.error) as error:
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
    with gzip.open(path) if packed else path.open("rb") as file:
        start = file.read(NIFTI_HEADER_BYTES)
    if len(start) < NIFTI_HEADER_BYTES or start[:4] not in NIFTI_BYTE_ORDERS:
        raise Damage("no whole NIfTI header")
    order = NIFTI_BYTE_ORDERS[start[:4]]
    begin = int(float(header.GetMetaData("vox_offset")))
    if begin < NIFTI_HEADER_BYTES:
        # ITK would take the header for voxels.
        raise Damage("a NIfTI header without voxels, which are in another file")
    if header.GetMetaData("datatype") not in NIFTI_TYPES:
        raise Damage("voxels of a type that is not read")
    dtype = np.dtype(order + NIFTI_TYPES[header.GetMetaData("datatype")])
    slope, intercept = np.frombuffer(start, order + "f4", 2, NIFTI_SLOPE_AT)
    slope = slope if np.isfinite(slope) and slope != 0 else 1
    intercept = intercept if np.isfinite(intercept) else 0
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
        several = _several(path, name, file, header)
    header_size = int(fields.get("HeaderSize", "0"))
    packed = _is_true(fields.get("CompressedData", ""))
    if packed and ("CompressedDataSize" not in fields or header_size != 0):
        # ITK would read garbage.
        raise Damage("compressed without CompressedDataSize, or behind another header")
    if several:
        return None
    if name.upper() != "LOCAL":
        path, offset = _data_file(path, name), max(0, header_size)
    elif header_size > 0:
        # ITK would count from the file's beginning.
        raise Damage("HeaderSize, but the voxels are in the same file")
    if not _is_true(fields.get("BinaryData", "True")) or header.GetPixelIDValue() not in PIXEL_TYPES:
        return None
    big = _is_true(next((fields[key] for key in META_BYTE_ORDERS if key in fields), ""))
    dtype = np.dtype((">" if big else "<") + PIXEL_TYPES[header.GetPixelIDValue()])
    if header_size == -1:  # the voxels are the file's end
        offset = _from_end(path, header, dtype, offset)
    return Stored(path, offset, "zlib" if packed else "raw", dtype)


def _locate_nrrd(path: Path, header: sitk.ImageFileReader) -> Stored | None:
    fields: dict[str, str] = {}
    with path.open("rb") as file:
        file.readline(CHUNK)  # the magic word
        # After a list's field come the names of its files.
        while fields.get("datafile", "").split()[:1] != ["LIST"]:
            if not (line := file.readline(CHUNK).decode("latin-1").strip()):
                break
            key, separator, value = line.partition(":")
            if separator and not line.startswith("#") and not value.startswith("="):
                fields[key.strip().lower().replace(" ", "")] = value.strip()
        name, offset = fields.get("datafile", ""), file.tell()
        several = _several(path, name, file, header)
    encoding = {"gz": "gzip"}.get(fields["encoding"].lower(), fields["encoding"].lower())
    if several or encoding not in ("raw", "gzip") or header.GetPixelIDValue() not in PIXEL_TYPES:
        return None
    if name:
        path, offset = _data_file(path, name), 0
    with path.open("rb") as file:
        file.seek(offset)
        for _ in range(int(fields.get("lineskip", "0"))):
            file.readline(CHUNK)
        offset = file.tell()
    order = ">" if fields.get("endian", "little").lower() == "big" else "<"
    dtype = np.dtype(order + PIXEL_TYPES[header.GetPixelIDValue()])
    byte_skip = int(fields.get("byteskip", "0"))
    if encoding == "gzip":
        if byte_skip < 0:
            raise Damage("byte skip -1 in compressed data")
        return Stored(path, offset, "gzip", dtype, byte_skip)
    if byte_skip >= 0:
        return Stored(path, offset + byte_skip, "raw", dtype)
    # -1: the voxels are the file's end; -2: one byte follows them; and so on.
    return Stored(path, _from_end(path, header, dtype, offset, -1 - byte_skip), "raw", dtype)


def _data_file(header: Path, name: str) -> Path:
    """The file beside a header that it names for its voxels."""
    path = header.parent / name
    if not name or not path.exists():
        raise Damage(f"its data file {name[:LONGEST_NAME]!r} is not there")
    if not path.is_file() or path.samefile(header):
        raise Damage(f"its data file {name[:LONGEST_NAME]!r} is no file of voxels")
    return path


def _several(header: Path, name: str, following: BinaryIO, reader: sitk.ImageFileReader) -> bool:
    """Whether the name is a list or a pattern of data files. Raises Damage unless these are all there.

    LIST: their names are the lines that follow. "slice%03d.raw 1 40 1": numbered from 1 to 40 in steps of 1.
    """
    if name.split()[:1] == ["LIST"]:
        names = [line.strip() for line in following.read(CHUNK).decode("latin-1").splitlines()]
    elif "%" in name:
        pattern, *words = name.split()
        given = [int(word) for word in words[:3]]
        first, last, step = given + [1, reader.GetSize()[-1], 1][len(given) :]
        names = [pattern % number for number in range(first, last + (1 if step > 0 else -1), step)]
    else:
        return False
    for listed in filter(None, names):
        _data_file(header, listed)
    return True


def _from_end(path: Path, header: sitk.ImageFileReader, dtype: np.dtype, begin: int, follow: int = 0) -> int:
    """Where voxels begin that end with the file, or so many bytes before; not before `begin`."""
    needed = int(np.prod(header.GetSize(), dtype=object)) * dtype.itemsize
    end = path.stat().st_size - follow
    _enough(end - begin, needed)
    return end - needed


def _is_true(word: str) -> bool:
    """As ITK reads MetaImage's words."""
    return word[:1] in ("T", "t", "1")


def _enough(length: int, needed: int) -> None:
    if length < needed:
        raise Damage(f"truncated: {max(0, length)} of {needed} bytes")


def _refusal(path: Path, error: Exception) -> InputError:
    fact = str(error) if isinstance(error, Damage) else f"damaged or truncated: {reason(error)}"
    return InputError(path, fact, "replace the file")
