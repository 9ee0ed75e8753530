"""MetaImage (.mha, .mhd): a header of lines "Key = value", the voxels behind it or in a file beside it."""

from pathlib import Path
from typing import BinaryIO

import numpy as np

from model.images.fields import (
    LONGEST_SHOWN,
    MOST_LINES,
    data_file,
    field,
    from_end,
    numbers,
    text_line,
    whole_numbers,
)
from model.images.header import Header, longer_axes
from model.images.stored import Damage, Stored

# MET_LONG has four bytes for some programs and eight for others, so it is not read.
TYPES = {
    **{"MET_CHAR": "i1", "MET_UCHAR": "u1", "MET_SHORT": "i2", "MET_USHORT": "u2"},
    **{"MET_INT": "i4", "MET_UINT": "u4", "MET_LONG_LONG": "i8", "MET_ULONG_LONG": "u8"},
    **{"MET_FLOAT": "f4", "MET_DOUBLE": "f8"},
}
# The names that a field had over the years; ITK goes by the last of those there are.
SPACING = ("ElementSize", "ElementSpacing")
ORIGIN = ("Offset", "Position", "Origin")
DIRECTION = ("Orientation", "Rotation", "TransformMatrix")
BYTE_ORDER = ("ElementByteOrderMSB", "BinaryDataByteOrderMSB")
# With any other value they would change what voxels mean or where they lie.
ONLY = {
    "ObjectType": ("Image",),
    "ElementNumberOfChannels": ("1",),
    "BinaryData": ("True", "T", "true", "1"),
    "DistanceUnits": ("mm", "?"),
    "ElementToIntensityFunctionSlope": ("1", "1.0"),
    "ElementToIntensityFunctionOffset": ("0", "0.0"),
}


def read_header(path: Path) -> Header:
    """Raises Damage for whatever is no image that this reader understands wholly, OSError for the rest."""
    with path.open("rb") as file:
        fields = _fields(file)
        offset = file.tell()
    for key, allowed in ONLY.items():
        if key in fields and fields[key] not in allowed:
            raise Damage(f"its {key} is {fields[key][:LONGEST_SHOWN]!r}, which is not read")
    (dimensions,) = whole_numbers(field(fields, "NDims"), 1, "NDims")
    if dimensions not in (3, 4):
        raise Damage(f"an image of {dimensions} dimensions")
    size = whole_numbers(field(fields, "DimSize"), dimensions, "DimSize")
    spacing = _numbers(fields, SPACING, dimensions, (1.0,) * dimensions)
    origin = _numbers(fields, ORIGIN, dimensions, (0.0,) * dimensions)
    axes = _numbers(fields, DIRECTION, dimensions**2, tuple(np.eye(dimensions).ravel()))
    # A row is an axis; SimpleITK has the axes in columns.
    direction = np.reshape(axes, (dimensions, dimensions)).T[:3, :3].ravel()
    stored = _voxels(path, fields, offset, size)
    return Header(longer_axes(size), spacing[:3], origin[:3], tuple(map(float, direction)), stored)


def _fields(file: BinaryIO) -> dict[str, str]:
    """Up to ElementDataFile, which is the last."""
    fields: dict[str, str] = {}
    for _ in range(MOST_LINES):
        line = text_line(file)
        if line is None:
            raise Damage("its header ends early")
        key, separator, value = (part.strip() for part in line.partition("="))
        if not separator:
            key, separator, value = (part.strip() for part in line.partition(":"))
        if not separator:
            raise Damage(f"no MetaImage header: the line {line[:LONGEST_SHOWN]!r}")
        if fields.setdefault(key, value) != value:
            raise Damage(f"its header has two values for {key[:LONGEST_SHOWN]}")
        if key == "ElementDataFile":
            return fields
    raise Damage("its header has no end")


def _numbers(
    fields: dict[str, str], names: tuple[str, ...], count: int, default: tuple[float, ...]
) -> tuple[float, ...]:
    """Of the last name that is there. Raises Damage where two names have different values."""
    found = [numbers(fields[name], count, name) for name in names if name in fields]
    if (
        len(set(found)) > 1 and names != SPACING
    ):  # a voxel may be larger or smaller than its distance to the next
        raise Damage(f"its header has two values for {names[-1]}")
    return found[-1] if found else default


def _voxels(path: Path, fields: dict[str, str], offset: int, size_xyz: tuple[int, ...]) -> Stored:
    (header_size,) = whole_numbers(fields.get("HeaderSize", "0"), 1, "HeaderSize")
    packed = _is_true(fields.get("CompressedData", ""))
    if packed and ("CompressedDataSize" not in fields or header_size != 0):
        # ITK would read garbage.
        raise Damage("compressed without CompressedDataSize, or behind another header")
    name = fields["ElementDataFile"]
    if name.upper() != "LOCAL":
        path, offset = data_file(path, name), max(0, header_size)
    elif header_size > 0:
        # ITK would count from the file's beginning.
        raise Damage("HeaderSize, but the voxels are in the same file")
    if field(fields, "ElementType") not in TYPES:
        raise Damage(f"voxels of type {fields['ElementType'][:LONGEST_SHOWN]!r}, which is not read")
    orders = [fields[key] for key in BYTE_ORDER if key in fields]
    dtype = np.dtype((">" if orders and _is_true(orders[-1]) else "<") + TYPES[fields["ElementType"]])
    if header_size == -1:  # the voxels are the file's end
        offset = from_end(path, size_xyz, dtype, offset)
    return Stored(path, offset, "zlib" if packed else "raw", dtype)


def _is_true(word: str) -> bool:
    """As ITK reads MetaImage's words."""
    return word[:1] in ("T", "t", "1")
