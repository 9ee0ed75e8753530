"""NRRD (.nrrd): a header of lines "field: value" to an empty line, the voxels behind it or in a file beside it."""

import re
from dataclasses import replace
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
from model.images.stored import MOST_BEHIND, Damage, Stored

# All names that the format has for them.
TYPES = {
    name: code
    for code, names in {
        "i1": "signed char, int8, int8_t",
        "u1": "uchar, unsigned char, uint8, uint8_t",
        "i2": "short, short int, signed short, signed short int, int16, int16_t",
        "u2": "ushort, unsigned short, unsigned short int, uint16, uint16_t",
        "i4": "int, signed int, int32, int32_t",
        "u4": "uint, unsigned int, uint32, uint32_t",
        "i8": "longlong, long long, long long int, signed long long, signed long long int, int64, int64_t",
        "u8": "ulonglong, unsigned long long, unsigned long long int, uint64, uint64_t",
        "f4": "float",
        "f8": "double",
    }.items()
    for name in names.split(", ")
}
# The sense of space's axes against left, back, head; of other spaces no program knows how the patient lies in them.
SPACES = {
    **dict.fromkeys(("left-posterior-superior", "lps"), (1, 1, 1)),
    **dict.fromkeys(("right-anterior-superior", "ras"), (-1, -1, 1)),
    **dict.fromkeys(("left-anterior-superior", "las"), (1, -1, 1)),
}
# Words for the unit of an axis: a millimetre, or nothing.
MILLIMETRES = {"", "mm", "???", "millimeter", "millimeters", "millimetre", "millimetres"}
ENCODINGS = {"raw": "raw", "gzip": "gzip", "gz": "gzip"}
# What would put voxels elsewhere, in ways that are not read.
UNREAD = ("axismins", "axismaxs")
VECTOR = re.compile(r"none|\(([^()]*)\)", re.IGNORECASE)


def read_header(path: Path) -> Header:
    """Raises Damage for whatever is no image that this reader understands wholly, OSError for the rest."""
    with path.open("rb") as file:
        fields = _fields(file)
        offset = file.tell()
    for key in UNREAD:
        if key in fields:
            raise Damage(f"its header has {key}, which are not read")
    (dimensions,) = whole_numbers(field(fields, "dimension"), 1, "dimension")
    if dimensions not in (3, 4):
        raise Damage(f"an image of {dimensions} dimensions")
    size = whole_numbers(field(fields, "sizes"), dimensions, "sizes")
    kinds = fields.get("kinds", "domain " * dimensions).lower().split()
    if len(kinds) != dimensions or not set(kinds[:3]) <= {"domain", "space", "none", "???"}:
        raise Damage(f"axes of the kinds {' '.join(kinds)[:LONGEST_SHOWN]!r}, not of space")
    stored = _voxels(path, fields, offset, size)
    return replace(_header(fields, size, stored), size_xyz=longer_axes(size))


def _fields(file: BinaryIO) -> dict[str, str]:
    """Up to the empty line; names in lower case without spaces."""
    if not re.fullmatch(r"NRRD000[1-5]", text_line(file) or ""):
        raise Damage("no NRRD header")
    fields: dict[str, str] = {}
    for _ in range(MOST_LINES):
        line = text_line(file)
        if not line:  # the end of the header, or of the file where the voxels are in another
            return fields
        key, separator, value = line.partition(":")
        if line.startswith("#") or value.startswith("="):
            continue
        if not separator:
            raise Damage(f"its header has the line {line[:LONGEST_SHOWN]!r}")
        key, value = key.strip().lower().replace(" ", ""), value.strip()
        if fields.setdefault(key, value) != value:
            raise Damage(f"its header has two values for {key[:LONGEST_SHOWN]}")
        if key == "datafile" and value.split()[:1] == ["LIST"]:
            return fields
    raise Damage("its header has no end")


def _header(fields: dict[str, str], size: tuple[int, ...], stored: Stored) -> Header:
    dimensions = len(size)
    for key in ("spaceunits", "units"):
        # Each in quotes; Slicer writes "" "" "" "s".
        words = re.findall(r'"[^"]*"|[^"\s]+', fields.get(key, ""))
        if not {word.strip('" ').lower() for word in words[:3]} <= MILLIMETRES:
            name = key.replace("space", "space ")
            raise Damage(f"its {name} are {fields[key][:LONGEST_SHOWN]!r}, not mm")
    unknown = ("its header does not say how the patient lies; taken as LPS",)
    if "spacedirections" not in fields:
        if "space" in fields or "spacedimension" in fields:
            raise Damage("its header has a space, but no space directions")
        spacing = numbers(fields.get("spacings", "1 " * dimensions), dimensions, "spacings")
        return Header(size, spacing[:3], (0.0,) * 3, tuple(np.eye(3).ravel()), stored, unknown)
    if "spacings" in fields:
        raise Damage("its header has space directions and spacings")
    name = fields.get("space", "").lower()
    if name and name not in SPACES:
        raise Damage(f"its space is {name[:LONGEST_SHOWN]!r}, in which it is not known how the patient lies")
    axes = _vectors(fields["spacedirections"], "space directions")
    origin = _vectors(fields.get("spaceorigin", f"({','.join('0' * len(axes[0]))})"), "space origin")
    if len(axes) != dimensions or len(origin) != 1 or min(map(len, (*axes[:3], *origin))) < 3:
        raise Damage("its space directions or its space origin are not those of three axes")
    sense = SPACES.get(name, (1, 1, 1))
    matrix = np.array([axis[:3] for axis in axes[:3]]).T
    spacing_xyz = np.linalg.norm(matrix, axis=0)
    with np.errstate(all="ignore"):  # what is not finite is refused by the checks of every grid
        direction = np.diag(sense) @ matrix / spacing_xyz
    return Header(
        size,
        tuple(map(float, spacing_xyz)),
        tuple(float(s * o) for s, o in zip(sense, origin[0], strict=False)),
        tuple(map(float, direction.ravel())),
        stored,
        () if name else unknown,
    )


def _vectors(text: str, name: str) -> list[tuple[float, ...]]:
    """Such as "(1,0,0) (0,2,0) none"; a none is an empty one."""
    if VECTOR.sub("", text).strip():
        raise Damage(f"its {name} are {text[:LONGEST_SHOWN]!r}")
    vectors: list[tuple[float, ...]] = []
    for match in VECTOR.finditer(text):
        words = (match[1] or "").split(",") if match[1] is not None else []
        vectors.append(numbers(" ".join(words), len(words), name))
    if not vectors:
        raise Damage(f"its {name} are {text[:LONGEST_SHOWN]!r}")
    return vectors


def _voxels(path: Path, fields: dict[str, str], offset: int, size_xyz: tuple[int, ...]) -> Stored:
    kind, encoding = field(fields, "type").lower(), field(fields, "encoding").lower()
    if kind not in TYPES:
        raise Damage(f"voxels of type {kind[:LONGEST_SHOWN]!r}, which is not read")
    if encoding not in ENCODINGS:
        raise Damage(f"voxels with the encoding {encoding[:LONGEST_SHOWN]!r}, which is not read")
    if fields.get("datafile"):
        path, offset = data_file(path, fields["datafile"]), 0
    elif "datafile" in fields:
        raise Damage("its data file is not there")
    (lines,) = whole_numbers(fields.get("lineskip", "0"), 1, "line skip")
    (byte_skip,) = whole_numbers(fields.get("byteskip", "0"), 1, "byte skip")
    if not (0 <= lines <= MOST_LINES and byte_skip <= MOST_BEHIND):
        raise Damage(f"its line skip is {lines}, its byte skip {byte_skip}")
    with path.open("rb") as file:
        file.seek(offset)
        for _ in range(lines):
            text_line(file)
        offset = file.tell()
    order = fields.get("endian", "little" if TYPES[kind][1] == "1" else "").lower()
    if order not in ("little", "big"):
        raise Damage("its header does not say which endian its voxels have")
    dtype = np.dtype((">" if order == "big" else "<") + TYPES[kind])
    if ENCODINGS[encoding] == "gzip":
        if byte_skip < 0:
            raise Damage("byte skip -1 in compressed data")
        return Stored(path, offset, "gzip", dtype, byte_skip)
    if byte_skip >= 0:
        return Stored(path, offset + byte_skip, "raw", dtype)
    # -1: the voxels are the file's end; -2: one byte follows them; and so on.
    return Stored(path, from_end(path, size_xyz, dtype, offset, -1 - byte_skip), "raw", dtype)
