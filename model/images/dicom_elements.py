"""The data elements of one DICOM file: its tags, and where its voxels lie.

They are read here and not by GDCM, which reads cut and contradictory files without complaint, some of them twice, and
ends the process on others. Only bytes that were looked at here may reach it.
"""

import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from model.errors import InputError, reason

WANTED = {
    0x00020002: "MediaStorageSOPClassUID",
    0x00020010: "TransferSyntaxUID",
    0x00080005: "SpecificCharacterSet",
    0x00080008: "ImageType",
    0x00080016: "SOPClassUID",
    0x00080018: "SOPInstanceUID",
    0x00080020: "StudyDate",
    0x00080021: "SeriesDate",
    0x00080022: "AcquisitionDate",
    0x0008002A: "AcquisitionDateTime",
    0x00080030: "StudyTime",
    0x00080031: "SeriesTime",
    0x00080032: "AcquisitionTime",
    0x00080060: "Modality",
    0x0008103E: "SeriesDescription",
    0x00100020: "PatientID",
    0x00180010: "ContrastBolusAgent",
    0x00181120: "GantryDetectorTilt",
    0x00181210: "ConvolutionKernel",
    0x0020000D: "StudyInstanceUID",
    0x0020000E: "SeriesInstanceUID",
    0x00200013: "InstanceNumber",
    0x00200032: "ImagePositionPatient",
    0x00200037: "ImageOrientationPatient",
    0x00200052: "FrameOfReferenceUID",
    0x00280002: "SamplesPerPixel",
    0x00280004: "PhotometricInterpretation",
    0x00280008: "NumberOfFrames",
    0x00280010: "Rows",
    0x00280011: "Columns",
    0x00280030: "PixelSpacing",
    0x00280100: "BitsAllocated",
    0x00280101: "BitsStored",
    0x00280102: "HighBit",
    0x00280103: "PixelRepresentation",
    0x00281052: "RescaleIntercept",
    0x00281053: "RescaleSlope",
    0x00281054: "RescaleType",
    0x00283000: "ModalityLUTSequence",
}
PIXEL_DATA = 0x7FE00010
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
UNDEFINED_LENGTH = 0xFFFFFFFF
BIG_ENDIAN = "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
# DICOM's character sets as Python calls them; ISO 2022's as those without switching. The last of several counts.
CHARACTER_SETS = {
    **{
        "ISO_IR 100": "latin-1",
        "ISO_IR 101": "iso8859-2",
        "ISO_IR 109": "iso8859-3",
        "ISO_IR 110": "iso8859-4",
    },
    **{
        "ISO_IR 144": "iso8859-5",
        "ISO_IR 127": "iso8859-6",
        "ISO_IR 126": "iso8859-7",
        "ISO_IR 138": "iso8859-8",
    },
    **{
        "ISO_IR 148": "iso8859-9",
        "ISO_IR 203": "iso8859-15",
        "ISO_IR 166": "tis-620",
        "ISO_IR 13": "shift_jis",
    },
    **{"ISO_IR 192": "utf-8", "GB18030": "gb18030", "GBK": "gbk", "ISO_IR 58": "gb2312"},
    **{"ISO_IR 87": "iso2022_jp_2", "ISO_IR 159": "iso2022_jp_2", "ISO_IR 149": "euc_kr"},
}
# Value representations with a length of 2 bytes, and with one of 4 after 2 that are reserved.
SHORT_LENGTHS = {
    *("AE", "AS", "AT", "CS", "DA", "DS", "DT", "FD", "FL", "IS", "LO"),
    *("LT", "PN", "SH", "SL", "SS", "ST", "TM", "UI", "UL", "US"),
}
LONG_LENGTHS = {"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"}
PREAMBLE_BYTES = 128
# Far more than any CT slice has; they bound what a hostile file can cost.
MOST_ELEMENTS, DEEPEST, LONGEST_VALUE = 100_000, 32, 4096


@dataclass(frozen=True)
class Elements:
    """What a DICOM file says of itself.

    values: the content of the wanted elements by keyword, bytes, without padding. order: "<" or ">", of numbers.
    pixels: the offset and the length of the voxels in bytes; the length is None where they are compressed.
    """

    values: dict[str, bytes]
    order: str
    pixels: tuple[int, int | None] | None

    def text(self, keyword: str) -> str:
        """Empty where it is not there."""
        return self.values.get(keyword, b"").decode("latin-1").strip(" \0\r\n\t")

    def words(self, keyword: str) -> str:
        """Text that people wrote, in the file's character set; empty where it is not there."""
        value = re.sub(rb"\x1b\$\)[AC]", b"", self.values.get(keyword, b""))  # what follows tells by itself
        names = self.text("SpecificCharacterSet").replace("ISO 2022 IR", "ISO_IR").split("\\")
        for encoding in (CHARACTER_SETS.get(names[-1].strip(), "utf-8"), "utf-8"):
            try:
                return value.decode(encoding).strip(" \0\r\n\t")
            except UnicodeDecodeError:
                continue
        return self.text(keyword)


@dataclass(frozen=True)
class _Header:
    """Of one element: its length, and where its content begins."""

    tag: int
    representation: str
    length: int
    content: int


def read_elements(path: Path, most: int = MOST_ELEMENTS) -> Elements | None:
    """Those of one file; None where it is no DICOM file.

    Raises InputError: unreadable, damaged, cut short, or of more than so many elements.
    """
    try:
        with path.open("rb") as file:
            start = _start(file)
            return None if start is None else _Walk(file, path, most).elements(start)
    except OSError as error:
        raise InputError(path, f"cannot be read ({reason(error)})", "make it readable or remove it") from None


def is_dicom(path: Path) -> bool:
    """Whether a file begins as DICOM does; not where it cannot be read."""
    try:
        with path.open("rb") as file:
            return _start(file) is not None
    except OSError:
        return False


def _start(file: BinaryIO) -> int | None:
    """Where the elements begin: behind the preamble, or, in old files without one, at once."""
    head = file.read(PREAMBLE_BYTES + 4)
    if head[PREAMBLE_BYTES:] == b"DICM":
        return PREAMBLE_BYTES + 4
    group, _, length = struct.unpack("<HHI", head[:8]) if len(head) > 8 else (0, 0, 0)
    known = head[4:6].decode("latin-1") in SHORT_LENGTHS | LONG_LENGTHS
    return 0 if group in (0x0002, 0x0008) and (known or length < len(head)) else None


class _Walk:
    """Through a file from element to element, over sequences without looking into them."""

    def __init__(self, file: BinaryIO, path: Path, most: int) -> None:
        self.file, self.path, self.most = file, path, most
        self.end = path.stat().st_size
        self.order = "<"
        self.explicit = True
        self.values: dict[str, bytes] = {}

    def elements(self, start: int) -> Elements:
        position = self._meta_group(start)
        if self._text("TransferSyntaxUID") == DEFLATED:
            raise self._damage("compressed as a whole (deflated)", "write it as Explicit VR Little Endian")
        self.order = ">" if self._text("TransferSyntaxUID") == BIG_ENDIAN else "<"
        # Some files are written otherwise than they say.
        self.explicit = self._is_explicit(position)
        pixels = self._data_set(position)
        return Elements(self.values, self.order, pixels)

    def _meta_group(self, position: int) -> int:
        """Keep what is wanted of group 0002, always explicit and little endian; returns where it ends."""
        while self._peek(position)[:2] == b"\x02\x00":
            header = self._header(position)
            position = self._keep(header)
        return position

    def _is_explicit(self, position: int) -> bool:
        return self._peek(position)[4:6].decode("latin-1") in SHORT_LENGTHS | LONG_LENGTHS

    def _data_set(self, position: int) -> tuple[int, int | None] | None:
        """Keep what is wanted; returns where the voxels lie, at which it ends."""
        opened: list[
            bool
        ] = []  # for each sequence or item without a length: how the elements around it are written
        for _ in range(self.most):
            if position >= self.end and not opened:
                return None
            header = self._header(position)
            if header.tag in (ITEM_END, SEQUENCE_END):
                if not opened:
                    raise self._damage("a sequence ends that never began")
                self.explicit, position = opened.pop(), header.content
            elif header.tag == PIXEL_DATA and not opened:
                return self._pixels(header)
            elif header.length == UNDEFINED_LENGTH:
                self._may_be_open(header, len(opened))
                if not opened and (keyword := WANTED.get(header.tag)):
                    self.values.setdefault(keyword, b"")  # that it is there says enough
                opened.append(self.explicit)
                self.explicit = self.explicit and header.representation != "UN"
                position = header.content
            elif opened:
                position = self._behind(header)
            else:
                position = self._keep(header)
        raise self._damage(f"more than {self.most} elements")

    def _pixels(self, header: _Header) -> tuple[int, int | None]:
        if header.length != UNDEFINED_LENGTH:
            self._behind(header)
            return header.content, header.length
        position = header.content
        for _ in range(self.most):
            fragment = self._header(position)
            if fragment.tag == SEQUENCE_END:
                return header.content, None
            if fragment.tag != ITEM or fragment.length == UNDEFINED_LENGTH:
                break
            position = self._behind(fragment)
        raise self._damage("damaged: its compressed voxels are no list of fragments")

    def _may_be_open(self, header: _Header, depth: int) -> None:
        """Raises InputError where an element may not go without a length, or lies too deep."""
        if header.tag not in (ITEM, PIXEL_DATA) and header.representation not in ("SQ", "UN", ""):
            raise self._damage(f"damaged: element {_name(header.tag)} has no length")
        if depth >= DEEPEST:
            raise self._damage(f"sequences more than {DEEPEST} deep")

    def _header(self, position: int) -> _Header:
        head = self._peek(position)
        if len(head) < 8:
            raise self._cut()
        group, element, length = struct.unpack(f"{self.order}HHI", head[:8])
        tag, representation, content = group << 16 | element, "", position + 8
        if self.explicit and group != 0xFFFE:
            representation = head[4:6].decode("latin-1")
            if representation in SHORT_LENGTHS:
                (length,) = struct.unpack(f"{self.order}H", head[6:8])
            elif representation in LONG_LENGTHS:
                if len(head) < 12:
                    raise self._cut()
                (length,) = struct.unpack(f"{self.order}I", head[8:12])
                content = position + 12
            else:
                raise self._damage(f"damaged at its element {_name(tag)}")
        return _Header(tag, representation, length, content)

    def _keep(self, header: _Header) -> int:
        """Note the content if it is wanted; returns where the element ends."""
        end, keyword = self._behind(header), WANTED.get(header.tag)
        if keyword:
            if keyword in self.values or header.length > LONGEST_VALUE:
                raise self._damage(f"damaged: {keyword} is there twice or too long")
            self.file.seek(header.content)
            self.values[keyword] = self.file.read(header.length)
        return end

    def _behind(self, header: _Header) -> int:
        if header.content + header.length > self.end:
            raise self._cut(
                f": {max(0, self.end - header.content)} of {header.length} bytes of {_name(header.tag)}"
            )
        return header.content + header.length

    def _text(self, keyword: str) -> str:
        return Elements(self.values, self.order, None).text(keyword)

    def _peek(self, position: int) -> bytes:
        self.file.seek(position)
        return self.file.read(12)

    def _cut(self, what: str = "") -> InputError:
        return self._damage(f"cut short{what}")

    def _damage(self, fact: str, remedy: str = "replace the file") -> InputError:
        return InputError(self.path, fact, remedy)


def _name(tag: int) -> str:
    if tag == PIXEL_DATA:
        return "its voxels"
    return WANTED.get(tag, f"({tag >> 16:04X},{tag & 0xFFFF:04X})")
