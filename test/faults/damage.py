"""Image files that are cut, flipped or filled with something else, beside a good case."""

from pathlib import Path

from faults.fault import Fault, fine, refused
from faults.materials import process, save_pair

GOOD = ("b.nii.gz",)


def _spoilt(suffix: str, compress: bool, which: int, spoil) -> object:
    def make(folder: Path) -> list[str]:
        files = save_pair(folder / "in" / "a", suffix, compress=compress)
        save_pair(folder / "in" / "b")
        path = files[which]
        raw = path.with_suffix(".raw" if not compress else ".zraw")
        path = raw if suffix == ".mhd" else path
        path.write_bytes(spoil(path.read_bytes()))
        return process(folder)

    return make


CUTS = {"0 bytes": 0.0, "a tenth": 0.1, "half": 0.5, "all but a little": 0.99}
FILES = [
    (".mha", True),
    (".mha", False),
    (".mhd", False),
    (".nii", False),
    (".nii.gz", True),
    (".nrrd", True),
]
FAULTS = [
    Fault(
        "damage",
        f"{('plain', 'contrast')[which]} CT {suffix}{' packed' if compress else ''} cut to {name}",
        _spoilt(suffix, compress, which, lambda content, share=share: content[: int(len(content) * share)]),
        refused(r"^error: .*/a/image.*: .*; replace the file$", results=GOOD),
    )
    for suffix, compress in FILES
    for name, share in CUTS.items()
    for which in (0, 1)
]
FAULTS += [
    Fault(
        "damage",
        f"CT {suffix} filled with {name}",
        _spoilt(suffix, True, 0, lambda content, fill=fill: fill),
        refused(r"^error: .*/a/image.*; replace the file$", results=GOOD),
    )
    for suffix in (".mha", ".nii.gz", ".nii", ".nrrd")
    for name, fill in {
        "text": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
        "zeros": bytes(5000),
        "ones": b"\xff" * 5000,
        "a zip": b"PK\x03\x04" + bytes(5000),
    }.items()
]
FAULTS += [
    Fault(
        "damage",
        f"nothing, {suffix}{' packed' if compress else ''}",
        _spoilt(suffix, compress, 0, lambda content: content),
        fine(results=(*GOOD, f"a{'.mha' if suffix == '.mhd' else suffix}")),
    )
    for suffix, compress in FILES
]
