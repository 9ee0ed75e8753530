"""Finds files that were cut short or damaged: ITK reads many of them without complaint, as garbage."""

import gzip
import struct
import zlib
from pathlib import Path
from typing import BinaryIO

_CHUNK = 1 << 20
_ZLIB, _GZIP = 15, 31  # zlib's window-bits codes for its two wrappers, both of which end in a checksum
_META_BYTES = {
    **{"MET_CHAR": 1, "MET_UCHAR": 1, "MET_SHORT": 2, "MET_USHORT": 2, "MET_INT": 4, "MET_UINT": 4},
    **{"MET_LONG": 4, "MET_ULONG": 4, "MET_LONG_LONG": 8, "MET_ULONG_LONG": 8},
    **{"MET_FLOAT": 4, "MET_DOUBLE": 8},
}


def damage(path: Path, voxels: int) -> str | None:
    """What is wrong with a MetaImage or NIfTI file that should hold so many voxels; None if nothing is.

    The readers of the other formats notice by themselves.
    """
    try:
        if path.name.endswith((".nii", ".nii.gz")):
            length, needed = _nifti_length(path), _nifti_needs(path, voxels)
        elif path.suffix in (".mha", ".mhd"):
            length, needed = _meta_image_length(path, voxels)
        else:
            return None
    except (zlib.error, EOFError, OSError, struct.error) as error:
        return f"damaged or truncated: {error}"
    return f"truncated: {length} of {needed} bytes" if length < needed else None


def inflated_length(file: BinaryIO, window_bits: int) -> int:
    """Length in bytes of the compressed stream(s) from here to the end of the file, checksums verified.

    Raises zlib.error where the stream is damaged, EOFError where it ends early.
    """
    length = 0
    inflate = zlib.decompressobj(window_bits)
    data = file.read(_CHUNK)
    while data:
        length += len(inflate.decompress(data))
        data = inflate.unused_data.lstrip(b"\0") if inflate.eof else b""
        if data:  # another member follows, as bgzip and concatenation make them
            inflate = zlib.decompressobj(window_bits)
        data = data or file.read(_CHUNK)
    if not inflate.eof:
        raise EOFError("the compressed data end early")
    return length


def _nifti_length(path: Path) -> int:
    if path.suffix != ".gz":
        return path.stat().st_size
    with path.open("rb") as file:
        return inflated_length(file, _GZIP)


def _nifti_needs(path: Path, voxels: int) -> int:
    """Bytes up to the last voxel: NIfTI-1 has bitpix at byte 72 and vox_offset at 108, NIfTI-2 at 14 and 168.

    ITK's voxel type will not do: where the file has a slope it is float, whatever is stored.
    """
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        header = file.read(176)
    for order in "<>":
        (size,) = struct.unpack_from(f"{order}i", header)
        if size == 348:
            bits, offset = struct.unpack_from(f"{order}h34xf", header, 72)
        elif size == 540:
            bits, offset = struct.unpack_from(f"{order}h152xq", header, 14)
        else:
            continue
        return int(offset) + voxels * bits // 8
    return 0


def _meta_image_length(path: Path, voxels: int) -> tuple[int, int]:
    """Bytes of voxels that a MetaImage holds and should hold; (0, 0) where several files hold them."""
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
            return 0, 0
    if fields.get("CompressedData", "").lower() != "true":
        return path.stat().st_size - offset, needed
    with path.open("rb") as file:
        file.seek(offset)
        return inflated_length(file, _ZLIB), needed
