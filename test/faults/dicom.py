"""DICOM series whose slices are missing, double, damaged, askew or of somebody else, beside a good case."""

import functools
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import SimpleITK as sitk
from faults.fault import Expected, Fault, fine, refused, warned
from faults.materials import SHAPE, patient, process, save_pair
from faults.slices import write_slice
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian, RLELossless

GOOD = ("b.nii.gz",)
BOTH = ("a.nii.gz", "b.nii.gz")
SERIES = ("image", "image_contrast")
TILTED = [1, 0, 0, 0, 0.9483237, -0.3173047]
Spoil = Callable[[Path], object]


@functools.cache
def _series(contrast: bool, syntax: str) -> Path:
    """A good series, written once per process: files 00.dcm (the lowest slice) to 23.dcm."""
    folder = Path(tempfile.mkdtemp(prefix="faults-"))
    for k, plane in enumerate(patient(contrast)):
        place = {
            "ImagePositionPatient": [-80, -80, 6 * k - 72],
            "PixelSpacing": [4, 4],
            "InstanceNumber": k + 1,
        }
        uids = {
            "SeriesInstanceUID": f"1.2.3.{1 + contrast}",
            "SOPInstanceUID": f"1.2.3.{1 + contrast}.{k + 1}",
        }
        stored = (plane + 1024).astype(np.uint16)
        write_slice(folder / f"{k:02}.dcm", stored, syntax=syntax, **place, **uids)
    return folder


def _made(spoil: Spoil, which: int, syntax: str) -> Callable[[Path], list[str]]:
    def make(folder: Path) -> list[str]:
        for contrast, name in enumerate(SERIES):
            shutil.copytree(_series(bool(contrast), syntax), folder / "in" / "a" / name)
        save_pair(folder / "in" / "b")
        spoil(folder / "in" / "a" / SERIES[which])
        return process(folder)

    return make


def _fault(
    name: str, spoil: Spoil, expected: Expected, which: int = 0, syntax: str = "1.2.840.10008.1.2.1"
) -> Fault:
    return Fault("dicom", name, _made(spoil, which, syntax), expected)


def _edit(series: Path, slices, **tags) -> None:
    """Other values for tags of some slices; of a function, what it makes of a slice's number; None: no such tag."""
    for k in slices:
        path = series / f"{k:02}.dcm"
        dataset = pydicom.dcmread(path)
        for keyword, value in tags.items():
            if value is None:
                delattr(dataset, keyword)
            else:
                setattr(dataset, keyword, value(k) if callable(value) else value)
        dataset.save_as(path)


def _edited(slices, **tags) -> Spoil:
    return lambda series: _edit(series, slices, **tags)


def _at(k: float, x: float = 0, y: float = 0) -> list[float]:
    return [-80 + x, -80 + y, 6 * k - 72]


def _without(*slices: int) -> Spoil:
    return lambda series: [(series / f"{k:02}.dcm").unlink() for k in slices]


def _with(name: str, content: bytes) -> Spoil:
    return lambda series: (series / name).write_bytes(content)


def _bytes(k: int, change: Callable[[bytes], bytes]) -> Spoil:
    def spoil(series: Path) -> None:
        path = series / f"{k:02}.dcm"
        path.write_bytes(change(path.read_bytes()))

    return spoil


def _smeared(content: bytes) -> bytes:
    """The same file with other bytes in the one fragment of its voxels."""
    begin = content.index(b"\xe0\x7f\x10\x00") + 36
    return content[:begin] + b"\xff" * (len(content) - begin - 8) + content[-8:]


def _copy(source: int, name: str, **tags) -> Spoil:
    def spoil(series: Path) -> None:
        shutil.copy(series / f"{source:02}.dcm", series / name)
        dataset = pydicom.dcmread(series / name)
        for keyword, value in tags.items():
            setattr(dataset, keyword, value)
        dataset.save_as(series / name)

    return spoil


def _size(*size_xyz: int) -> Callable[[Path], str]:
    """Whether the mask has this size, which is that of the grid."""

    def check(folder: Path) -> str:
        found = sitk.ReadImage(str(folder / "out" / "a.nii.gz")).GetSize()
        return "" if found == size_xyz else f"the mask has {found} voxels, expected {size_xyz}"

    return check


STRAIGHT = _size(*SHAPE[::-1])
ALL = range(SHAPE[0])
WHERE = r"^error: .*/a/image"


def _refused(what: str) -> Expected:
    return refused(f"{WHERE}.*{what}.*; ", results=GOOD)


FAULTS = [
    _fault(f"good, {name}", lambda series: None, fine(results=BOTH, check=STRAIGHT), syntax=syntax)
    for name, syntax in {
        "explicit": "1.2.840.10008.1.2.1",
        "implicit": ImplicitVRLittleEndian,
        "big endian": ExplicitVRBigEndian,
        "run lengths": RLELossless,
    }.items()
]
# Where the slices lie.
FAULTS += [
    _fault(f"tilt of {angle:g} degrees", _edited(ALL, ImageOrientationPatient=axes), expected)
    for angle in (18.5, -25.0, 8.0)
    for cosine, sine in [
        (round(float(np.cos(np.radians(angle))), 7), round(float(np.sin(np.radians(angle))), 7))
    ]
    for axes in [[1, 0, 0, 0, cosine, -sine]]
    for rows in [int(np.ceil(23 * 6 * abs(sine) / 4))]
    for expected in [
        warned(f"gantry tilt of {abs(angle):.1f} degrees", results=BOTH, check=_size(40, 40 + rows, 24))
    ]
]
FAULTS += [
    _fault(
        f"drift by ({x:g}, {y:g}) mm per slice",
        _edited(ALL, ImagePositionPatient=lambda k, x=x, y=y: _at(k, x * k, y * k)),
        warned("gantry tilt of", results=BOTH),
        which,
    )
    for x, y, which in ((0.5, 0, 0), (0, -1.5, 0), (0.3, 0.2, 0), (2, 1, 1))
]
FAULTS += [
    _fault(
        "a tilt in the header alone", _edited(ALL, GantryDetectorTilt="12"), warned("taken as", results=BOTH)
    ),
    _fault(
        "one slice 3 mm aside",
        _edited([9], ImagePositionPatient=_at(9, 3)),
        _refused("without order: 09.dcm"),
    ),
    _fault("one slice 1 mm back", _edited([9], ImagePositionPatient=_at(9, 0, 1)), _refused("order: 09.dcm")),
    _fault(
        "slices that jitter",
        _edited(ALL, ImagePositionPatient=lambda k: _at(k, 2 * (k % 2), 3 * (k % 3))),
        _refused("drift sideways"),
    ),
    _fault(
        "one slice 2 mm up",
        _edited([9], ImagePositionPatient=_at(9 + 1 / 3)),
        _refused("09.dcm .*2.00 mm off"),
    ),
    _fault(
        "another distance from half",
        _edited(range(12, 24), ImagePositionPatient=lambda k: _at(2 * k - 12)),
        _refused("missing between 11|missing between 12"),
    ),
    _fault(
        "a little more distance from half",
        _edited(range(12, 24), ImagePositionPatient=lambda k: _at(12 + 1.4 * (k - 12))),
        _refused("6.00 to 8.40 mm apart"),
    ),
    _fault(
        "stacked along the plane",
        _edited(ALL, ImageOrientationPatient=[1, 0, 0, 0, 0.1, -0.995]),
        _refused("84 degrees off"),
    ),
    _fault(
        "all in one place", _edited(ALL, ImagePositionPatient=_at(0)), _refused("23 of 24 slices lie where")
    ),
    _fault(
        "positions backwards",
        _edited(ALL, ImagePositionPatient=lambda k: _at(23 - k)),
        fine(results=BOTH, may_warn=True),
    ),
    _fault(
        "rounded positions",
        _edited(ALL, ImagePositionPatient=lambda k: [-80, -80, round(5.97 * k, 1)]),
        fine(results=BOTH, may_warn=True),
        1,
    ),
]
FAULTS += [
    _fault(f"without slices {', '.join(map(str, gap))}", _without(*gap), _refused(said), which)
    for gap, said, which in (
        ([7], "1 slice seems to be missing between 06.dcm .* and 08.dcm", 0),
        ([7, 8, 9], "3 slices seem to be missing between 06.dcm .* and 10.dcm", 1),
        ([3, 20], "2 slices seem to be missing between 02.dcm .*, between 19.dcm", 0),
        (list(range(1, 24)), "one slice", 0),
        (list(range(24)), "no DICOM series", 0),
    )
]
FAULTS += [
    _fault("a copy of a slice", _copy(5, "copy.dcm"), _refused("05.dcm .* and copy.dcm .*the same voxels")),
    _fault(
        "a slice of another time",
        _copy(5, "copy.dcm", ImagePositionPatient=_at(9)),
        _refused("1 of 25 slices lie where .*other voxels"),
    ),
    _fault(
        "nearly a slice's place",
        _copy(5, "copy.dcm", ImagePositionPatient=_at(9.05)),
        _refused("1 of 25 slices lie where"),
    ),
    _fault(
        "a localizer",
        _copy(
            5,
            "l.dcm",
            ImageOrientationPatient=[0, 1, 0, 0, 0, -1],
            ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"],
        ),
        _refused(
            r"1 of 25 slices have another orientation than the rest: l.dcm \(a localizer, InstanceNumber 6\)"
        ),
    ),
    _fault(
        "one coronal slice", _edited([5], ImageOrientationPatient=[1, 0, 0, 0, 0, -1]), _refused("05.dcm")
    ),
    _fault(
        "one slice leans",
        _edited([0], ImageOrientationPatient=TILTED),
        _refused("1 of 24 slices have another"),
    ),
    _fault(
        "half of the slices lean",
        _edited(range(12), ImageOrientationPatient=TILTED),
        _refused("12 of 24 slices have another orientation .* and 9 more"),
        1,
    ),
]
# What the tags say.
FAULTS += [
    _fault(f"one slice: {', '.join(map(str, tags))} {said}", _edited([11], **tags), _refused(said), k % 2)
    for k, (tags, said) in enumerate(
        (
            ({"PixelSpacing": [4, 3]}, "PixelSpacing differs"),
            ({"PixelSpacing": None}, "11.dcm: no PixelSpacing"),
            ({"PixelSpacing": [4, 0]}, "11.dcm: PixelSpacing is 4, 0"),
            ({"ImagePositionPatient": None}, "11.dcm: no ImagePositionPatient"),
            ({"ImageOrientationPatient": None}, "11.dcm: no ImageOrientationPatient"),
            ({"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]}, "11.dcm: .* is no pair of axes"),
            ({"Modality": "MR"}, "11.dcm: MR, not CT"),
            ({"Modality": None}, "11.dcm: no Modality"),
            ({"SeriesInstanceUID": "1.9"}, "2 DICOM series"),
            ({"PatientID": "Somebody"}, "PatientID differs: 00.dcm [^;]*, 11.dcm"),
            ({"FrameOfReferenceUID": "1.9"}, "FrameOfReferenceUID differs"),
            ({"RescaleSlope": None}, "11.dcm: no RescaleSlope"),
            ({"RescaleSlope": None, "RescaleIntercept": None}, "the presence of RescaleSlope differs"),
            ({"RescaleSlope": 0}, "11.dcm: RescaleSlope is 0"),
            ({"NumberOfFrames": 24}, "11.dcm: 24 frames in one file"),
            ({"Rows": 80}, "11.dcm: 3200 bytes of voxels, not the 6400"),
            ({"Rows": 20}, "11.dcm: 3200 bytes of voxels, not the 1600"),
            ({"Rows": 20, "Columns": 80}, "Rows and Columns differs"),
            ({"Rows": 65535, "Columns": 65535}, "65535 x 65535 voxels are no CT slice"),
            ({"Rows": None}, "11.dcm: no Rows"),
            ({"BitsStored": 8, "HighBit": 7}, "11.dcm: values from .* in 8 bits"),
            ({"BitsAllocated": None}, "11.dcm: no BitsAllocated"),
            (
                {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"},
                "11.dcm: .*3 samples per pixel, RGB",
            ),
            ({"RescaleType": "Z_EFF"}, "11.dcm: its values are no HU"),
        )
    )
]
FAULTS += [
    _fault(
        "every slice its own scale",
        _edited([4, 5], RescaleSlope=0.5, RescaleIntercept=-512),
        fine(results=BOTH, may_warn=True),
    ),
    _fault(
        "without scale",
        _edited(ALL, RescaleSlope=None, RescaleIntercept=None),
        warned("as HU", results=BOTH),
        1,
    ),
    _fault("of MR", _edited(ALL, Modality="MR"), _refused("MR, not CT")),
]
# Both series together. PatientIDs are personal: they may not be printed.
PAIR = r"^error: .*/a/image and .*/a/image_contrast: CTs of two patients \(PatientID differs\); [^0-9]*$"
FAULTS += [
    _fault("two patients", _edited(ALL, PatientID="P2"), refused(PAIR, results=GOOD), 1),
    _fault(
        "two patients and frames of reference",
        _edited(ALL, PatientID="P2", FrameOfReferenceUID="1.9"),
        refused(PAIR, results=GOOD),
    ),
    _fault("one patient without ID", _edited(ALL, PatientID=""), fine(results=BOTH), 1),
    _fault(
        "two frames of reference",
        _edited(ALL, FrameOfReferenceUID="1.9"),
        warned("different frames of reference", results=BOTH),
        1,
    ),
]
# What the files hold.
FAULTS += [
    _fault(
        f"slice {k} cut to {share:.0%}",
        _bytes(k, lambda c, s=share: c[: int(len(c) * s)]),
        _refused(f"{k:02}.dcm"),
    )
    for k, share in ((0, 0.0), (23, 0.02), (11, 0.1), (0, 0.5), (23, 0.99))
]
FAULTS += [
    _fault(
        "run lengths cut",
        _bytes(11, lambda content: content[:-40]),
        _refused("11.dcm: cut short"),
        syntax=RLELossless,
    ),
    _fault(
        "run lengths damaged",
        _bytes(11, _smeared),
        _refused("11.dcm: its compressed voxels are damaged"),
        syntax=RLELossless,
    ),
    _fault(
        "an unknown compression",
        _bytes(11, lambda content: content.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.7\0")),
        _refused(r"11.dcm: compressed in a way not read here \(1.2.840.10008.1.2.7\)"),
    ),
    _fault(
        "text for a slice",
        _bytes(11, lambda content: b"none"),
        _refused("11.dcm: no DICOM file, though named"),
    ),
    _fault(
        "sequences without end",
        _bytes(11, lambda content: content[:132] + b"\xfe\xff\0\xe0" + b"\xff" * 4),
        _refused("11.dcm"),
    ),
    _fault(
        "text beside slices", _with("README.txt", b"hello"), warned("passed over README.txt", results=BOTH)
    ),
    _fault("hidden files beside slices", _with("._00.dcm", b"hello"), fine(results=BOTH)),
    _fault(
        "a named slice that is none",
        _with("99.dcm", b"hello"),
        _refused("99.dcm: no DICOM file, though named"),
    ),
    _fault(
        "a link to itself",
        lambda series: (series / "99.dcm").symlink_to(series / "99.dcm"),
        _refused("99.dcm: cannot be read"),
    ),
    _fault("a pipe", lambda series: os.mkfifo(series / "99.dcm"), _refused("99.dcm: no DICOM file")),
    _fault(
        "names with signs",
        lambda series: (series / "05.dcm").rename(series / "=%s%n $x^{$\nü.dcm"),
        fine(results=BOTH, check=STRAIGHT),
    ),
    _fault(
        "a name that is not UTF-8",
        lambda series: (series / "05.dcm").rename(series / "\udce4.dcm"),
        fine(results=BOTH, check=STRAIGHT),
    ),
    _fault(
        "a name that is not UTF-8, compressed",
        lambda series: (series / "05.dcm").rename(series / "\udce4.dcm"),
        _refused("a name that is not UTF-8"),
        syntax=RLELossless,
    ),
]
