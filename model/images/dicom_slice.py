"""One CT slice of a DICOM file: where it lies, and its voxels as HU."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from model.errors import InputError, reason
from model.images.decompress import Decompressor
from model.images.dicom_elements import BIG_ENDIAN, Elements

NATIVE = ("", "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", BIG_ENDIAN)
# What GDCM decodes: JPEG, JPEG-LS, JPEG 2000, run lengths.
COMPRESSED = (
    *("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70"),
    *("1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91"),
    "1.2.840.10008.1.2.5",
)
UNCOMPRESS = "write the series as Explicit VR Little Endian"
# More than any CT has; bounds what a decoder is asked for.
LARGEST_SIDE = 4096
# Of direction cosines: half a millimetre at the rim of a field of 500 mm.
COSINE_TOLERANCE = 2e-3
# Kinds of rescaled values that are HU, or may be.
HU_TYPES = ("", "HU", "US", "HU_MOD")


@dataclass(frozen=True)
class Slice:
    """One file. shape: rows, columns; spacing_yx, position (x, y, z): mm; axes: of a row, of a column (2, 3), unit.

    scale: slope and intercept; None where the file says nothing of either.
    """

    path: Path
    elements: Elements
    number: str
    localizer: bool
    shape: tuple[int, int]
    spacing_yx: tuple[float, float]
    position: np.ndarray
    axes: np.ndarray
    scale: tuple[float, float] | None

    @property
    def name(self) -> str:
        """For messages."""
        kind = "a localizer, " if self.localizer else ""
        return f"{self.path.name} ({kind}InstanceNumber {self.number})" if self.number else self.path.name


def slice_of(path: Path, elements: Elements) -> Slice:
    """Raises InputError where it is no single slice of which place and voxels are known."""
    if (elements.text("NumberOfFrames") or "1") != "1":
        remedy = "write one file per slice, or convert it to NIfTI"
        raise InputError(path, f"{elements.text('NumberOfFrames')} frames in one file", remedy)
    if "ModalityLUTSequence" in elements.values or elements.text("RescaleType").upper() not in HU_TYPES:
        raise InputError(path, "its values are no HU", "give a CT series in HU")
    rows, columns = (_whole(path, elements, keyword) for keyword in ("Rows", "Columns"))
    if not (2 <= rows <= LARGEST_SIDE and 2 <= columns <= LARGEST_SIDE):
        raise InputError(path, f"{columns} x {rows} voxels are no CT slice", "replace the file")
    down, across = _numbers(path, elements, "PixelSpacing", 2)
    if not min(down, across) > 0:
        raise InputError(path, f"PixelSpacing is {down:g}, {across:g}", "correct the header")
    position = np.array(_numbers(path, elements, "ImagePositionPatient", 3))
    axes = np.reshape(_numbers(path, elements, "ImageOrientationPatient", 6), (2, 3))
    lengths = np.linalg.norm(axes, axis=1)
    if abs(lengths - 1).max() > COSINE_TOLERANCE or abs(axes[0] @ axes[1]) > COSINE_TOLERANCE:
        fact = f"ImageOrientationPatient {elements.text('ImageOrientationPatient')} is no pair of axes"
        raise InputError(path, fact, "correct the header")
    row = axes[0] / lengths[0]
    column = axes[1] - (axes[1] @ row) * row
    localizer = "LOCALIZER" in elements.text("ImageType").upper()
    axes = np.array([row, column / np.linalg.norm(column)])
    number, scale = elements.text("InstanceNumber"), _scale(path, elements)
    result = Slice(path, elements, number, localizer, (rows, columns), (down, across), position, axes, scale)
    _check_voxels(result)
    return result


def read_planes(slices: Iterable[Slice]) -> Iterator[np.ndarray]:
    """The voxels of one slice after the other, int16 HU (rows, columns).

    Raises InputError where they are damaged; what is not compressed has no checksum, and damage there may go unseen.
    """
    limits = np.iinfo(np.int16)
    with Decompressor() as decompressor:
        for one in slices:
            native = one.elements.text("TransferSyntaxUID") in NATIVE
            values = _stored(one) if native else decompressor.values(one.path, one.shape)
            yield np.rint(values).clip(limits.min, limits.max).astype(np.int16)


def _stored(one: Slice) -> np.ndarray:
    """Values of the stored numbers (rows, columns)."""
    assert one.elements.pixels is not None
    offset, _ = one.elements.pixels
    allocated, used = (_whole(one.path, one.elements, f"Bits{kind}") for kind in ("Allocated", "Stored"))
    kind = "i" if _whole(one.path, one.elements, "PixelRepresentation") else "u"
    dtype = np.dtype(f"{one.elements.order}{kind}{allocated // 8}")
    rows, columns = one.shape
    try:
        array = np.fromfile(one.path, dtype, rows * columns, offset=offset)
    except OSError as error:
        raise InputError(one.path, f"cannot be read ({reason(error)})", "make it readable") from None
    if array.size < rows * columns:
        raise InputError(one.path, "cut short while it was read", "replace the file")
    lowest = -(1 << used - 1) if kind == "i" else 0
    if int(array.min()) < lowest or int(array.max()) >= lowest + (1 << used):
        fact = f"values from {array.min()} to {array.max()} in {used} bits"
        raise InputError(one.path, fact, "correct BitsStored")
    slope, intercept = one.scale or (1.0, 0.0)
    return array.reshape(one.shape) * slope + intercept


def _check_voxels(one: Slice) -> None:
    """Raises InputError unless the file holds the voxels that its header promises, in a form that is read here."""
    elements = one.elements
    allocated, used, high = (
        _whole(one.path, elements, name) for name in ("BitsAllocated", "BitsStored", "HighBit")
    )
    if allocated not in (8, 16, 32) or not 1 <= used <= allocated or high != used - 1:
        fact = f"voxels of {used} bits, the highest {high}, in {allocated}"
        raise InputError(one.path, fact, "write them in 16 bits, the lowest first")
    if _whole(one.path, elements, "PixelRepresentation") not in (0, 1):
        raise InputError(one.path, "PixelRepresentation is neither 0 nor 1", "correct the header")
    samples = _whole(one.path, elements, "SamplesPerPixel") if "SamplesPerPixel" in elements.values else 1
    if samples != 1 or elements.text("PhotometricInterpretation") not in ("", "MONOCHROME1", "MONOCHROME2"):
        fact = f"an image of {samples} samples per pixel, {elements.text('PhotometricInterpretation')}"
        raise InputError(one.path, fact, "give a CT series in HU")
    syntax = elements.text("TransferSyntaxUID")
    if syntax not in (*NATIVE, *COMPRESSED):
        raise InputError(one.path, f"compressed in a way not read here ({syntax})", UNCOMPRESS)
    if syntax in COMPRESSED and elements.text("PhotometricInterpretation") == "MONOCHROME1":
        # The decoder would invert the values, which this says of how they are shown alone.
        raise InputError(one.path, "compressed, to be shown inverted (MONOCHROME1)", UNCOMPRESS)
    if elements.pixels is None:
        raise InputError(one.path, "no voxels in it", "replace the file")
    _, length = elements.pixels
    if (length is None) != (syntax in COMPRESSED):
        raise InputError(one.path, "compressed and uncompressed voxels are mixed up", UNCOMPRESS)
    needed = math.prod(one.shape) * allocated // 8
    if length is not None and not needed <= length <= needed + needed % 2:
        fact = f"{length} bytes of voxels, not the {needed} of {one.shape[1]} x {one.shape[0]} voxels"
        raise InputError(one.path, fact, "replace the file")


def _scale(path: Path, elements: Elements) -> tuple[float, float] | None:
    if not (elements.text("RescaleSlope") or elements.text("RescaleIntercept")):
        return None
    (slope,), (intercept,) = (
        _numbers(path, elements, f"Rescale{kind}", 1) for kind in ("Slope", "Intercept")
    )
    if not slope > 0:
        raise InputError(path, f"RescaleSlope is {slope}", "correct the header")
    return slope, intercept


def _whole(path: Path, elements: Elements, keyword: str) -> int:
    """A whole number of 16 bits."""
    value = elements.values.get(keyword, b"")
    if len(value) != 2:
        raise InputError(path, f"no {keyword}", "correct the header or convert the series to NIfTI")
    return int.from_bytes(value, "little" if elements.order == "<" else "big")


def _numbers(path: Path, elements: Elements, keyword: str, count: int) -> list[float]:
    """Decimal numbers."""
    text = elements.text(keyword)
    if not text:
        raise InputError(path, f"no {keyword}", "correct the header or convert the series to NIfTI")
    try:
        values = [float(word) for word in text.split("\\")]
    except ValueError:
        values = []
    if len(values) != count or not all(math.isfinite(value) for value in values):
        raise InputError(path, f"{keyword} is {text!r:.80}", "correct the header")
    return values
