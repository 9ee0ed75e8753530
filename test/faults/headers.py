"""Image headers that contradict themselves, claim too much or hold nonsense, beside a good case."""

import gzip
import struct
from collections.abc import Callable
from pathlib import Path

from faults.fault import Fault, fine, refused, warned
from faults.materials import process, save_pair

GOOD = ("b.nii.gz",)
REFUSED = refused(r"^error: .*/a/image\S*: .*; ", results=GOOD)


def _text(suffix: str, change: Callable[[str], str]) -> Callable[[Path], list[str]]:
    """The non-contrast CT's header, up to its voxels, changed as text."""

    def make(folder: Path) -> list[str]:
        path, _ = save_pair(folder / "in" / "a", suffix, compress=False)
        save_pair(folder / "in" / "b")
        content = path.read_bytes()
        end = {".mha": b"ElementDataFile = LOCAL\n", ".nrrd": b"\n\n", ".mhd": b".raw\n"}[suffix]
        at = content.index(end) + len(end)
        path.write_bytes(change(content[:at].decode()).encode("latin-1") + content[at:])
        return process(folder)

    return make


def _line(key: str, value: str | None, separator: str = " = ") -> Callable[[str], str]:
    """One line's value changed, the line added before the last where there was none, or left out."""

    def change(text: str) -> str:
        new = "" if value is None else f"{key}{separator}{value}\n"
        lines = text.splitlines(keepends=True)
        kept = [line for line in lines if not line.startswith(f"{key}{separator.rstrip()}")]
        at = next((k for k, line in enumerate(lines) if line not in kept), len(kept) - 1)
        return "".join([*kept[:at], new, *kept[at:]])

    return change


def _nifti(packed: bool, kind: str, at: int, *values) -> Callable[[Path], list[str]]:
    def make(folder: Path) -> list[str]:
        path, _ = save_pair(folder / "in" / "a", ".nii")
        save_pair(folder / "in" / "b")
        content = bytearray(path.read_bytes())
        struct.pack_into(f"<{kind}", content, at, *values)
        path.write_bytes(content)
        if packed:
            path.unlink()
            path.with_suffix(".nii.gz").write_bytes(gzip.compress(content))
        return process(folder)

    return make


META = {
    "NDims": ["-3", "99", "0", "2", "5", "1e9", "nan", "x", None],
    "DimSize": [
        "-40 40 24",
        "0 40 24",
        "40 40",
        "40 40 24 1",
        "1e9 1e9 1e9",
        "100000 100000 1000",
        "x y z",
        None,
    ],
    "ElementSpacing": [
        "0 4 6",
        "-4 4 6",
        "nan 4 6",
        "4 4 inf",
        "1e5 1e5 1e5",
        "1e30 4 6",
        "0.004 0.004 0.006",
    ],
    "Offset": ["nan 0 0", "1e400 0 0", "0 0"],
    "TransformMatrix": [
        "0 0 0 0 0 0 0 0 0",
        "1 0 0 0 1 0 0 -0.32 0.95",
        "nan 0 0 0 1 0 0 0 1",
        "2 0 0 0 2 0 0 0 2",
    ],
    "ElementType": ["MET_LONG", "MET_STRING", "MET_SHORT_ARRAY", "", None],
    "ElementNumberOfChannels": ["3"],
    "BinaryData": ["False"],
    "CompressedData": ["True"],
    "HeaderSize": ["12", "1e30"],
    "ElementDataFile": [
        "/dev/zero",
        "image.mha",
        "LIST",
        "%s%s%s%n.raw 1 25 1",
        "gone.raw",
        ".",
        "",
        "../b",
        None,
    ],
    "DistanceUnits": ["cm"],
    "ObjectType": ["Tube"],
}
NRRD = {
    "dimension": ["-3", "99", "0", "2", "17", "x", None],
    "sizes": ["-40 40 24", "40 40", "0 40 24", "1e9 1e9 1e9", "100000 100000 1000", None],
    "type": ["block", "x", None],
    "encoding": ["hex", "bzip2", "gzip", "x", None],
    "endian": ["middle", None],
    "space": ["scanner-xyz", "x"],
    "space directions": [
        *(
            "(0,0,0) (0,4,0) (0,0,6)",
            "(nan,0,0) (0,4,0) (0,0,6)",
            "(4,0,0) (0,4,0) (0,-2,6)",
            "none none none",
        ),
        *("(1e30,0,0) (0,4,0) (0,0,6)", "(4,0,0) (0,4,0)", "4 0 0", "(.004,0,0) (0,.004,0) (0,0,.006)"),
    ],
    "space origin": ["(nan,0,0)", "(1,2)"],
    "data file": ["/dev/zero", "image.nrrd", "LIST", "%s%s%n 1 25 1", "gone.raw"],
    "byte skip": ["1e30", "-90000"],
    "line skip": ["1e9"],
}
NIFTI = [
    *(("dim[0]", "h", 40, n) for n in (-3, 0, 2, 8, 99)),
    *(("size", "h", 42, n) for n in (-40, 0, 32767)),
    *(("pixdim", "f", 80, s) for s in (0.0, -4.0, float("nan"), float("inf"), 1e5, 1e30, 0.004)),
    *(("datatype", "h", 70, n) for n in (0, 1, 32, 128, -4)),
    *(("vox_offset", "f", 108, at) for at in (float("nan"), 1e30, 352.5, 100000.0)),
    ("unit of length", "B", 123, 5),
    ("unit metre", "B", 123, 1),
    ("magic", "4s", 344, b"ni1\0"),
    ("length", "i", 0, 540),
    ("sheared", "f", 300, 3.0),
    ("origin", "f", 268, float("nan")),
    ("quaternion", "f", 256, float("inf")),
]
FAULTS = [
    *(
        Fault("headers", f".mha {key}: {value}", _text(".mha", _line(key, value)), REFUSED)
        for key, values in META.items()
        for value in values
    ),
    *(
        Fault("headers", f".nrrd {key}: {value}", _text(".nrrd", _line(key, value, ": ")), REFUSED)
        for key, values in NRRD.items()
        for value in values
    ),
    *(
        Fault(
            "headers",
            f".nii{'.gz' if packed else ''} {name}: {value}",
            _nifti(packed, kind, at, value),
            REFUSED,
        )
        for name, kind, at, value in NIFTI
        for packed in (False, True)
        if name != "sheared"
    ),
    *(
        Fault(
            "headers",
            f"{suffix} with a line of {length} characters",
            _text(suffix, _line("Comment", "x" * length)),
            REFUSED,
        )
        for suffix in (".mha", ".nrrd")
        for length in (5000, 200_000)
    ),
    Fault(
        "headers",
        ".nii of one CT without qform and sform, so that it lies elsewhere",
        _nifti(False, "hh", 252, 0, 0),
        refused("overlap", results=GOOD),
    ),
    Fault(
        "headers",
        ".nii whose sform lies elsewhere than its qform",
        _nifti(False, "f", 292, 50.0),
        warned("qform and sform lie up to .* mm apart; the sform is used", results=(*GOOD, "a.nii")),
    ),
    Fault(
        "headers",
        ".nrrd without a space",
        _text(".nrrd", _line("space", None, ": ")),
        warned("how the patient lies", results=(*GOOD, "a.nrrd")),
    ),
    Fault(
        "headers",
        ".nrrd with a space without a name",
        _text(".nrrd", lambda text: text.replace("space: left-posterior-superior", "space dimension: 3")),
        warned("how the patient lies", results=(*GOOD, "a.nrrd")),
    ),
    Fault(
        "headers",
        ".mha with colons",
        _text(".mha", lambda text: text.replace(" = ", ": ")),
        fine(results=(*GOOD, "a.mha")),
    ),
]
