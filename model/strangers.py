"""What lies beside the cases of a layout and may well be a case of another: it is named, not passed over."""

import os
from collections.abc import Collection, Iterator
from pathlib import Path

from model.images.read import image_stem, image_suffix

# Images that are not read here, and slices of DICOM, which may have no suffix at all.
OTHER_SUFFIXES = (
    *(".hdr", ".img", ".img.gz", ".nhdr", ".nia", ".nii.bz2", ".nii.xz", ".nii.zip", ".gipl", ".mnc"),
    *(".dcm", ".dicom", ".ima"),
)
# How deep, and at how many entries of a folder, is looked.
DEPTH, MOST_ENTRIES = 4, 1000
DICOM_MARK, MARK_AT = b"DICM", 128


def strangers(
    root: Path, used: Collection[Path], names: Collection[str]
) -> Iterator[tuple[Path, Path | None]]:
    """Entries of a folder that are not used but hold, or are, what may be a CT; and the first such file.

    None as the file: a link that leads nowhere, which may well lead to a patient where it does. Files called after
    cases are results. What cannot be looked into is passed over.
    """
    for path in sorted(root.iterdir()):
        if path in used or path.name.startswith("."):
            continue
        if leads_nowhere(path):
            yield path, None
            continue
        if path.is_dir():
            scan = next(_below(path, names, DEPTH), None)
        else:
            scan = path if _may_be_scan(path) and image_stem(path) not in names else None
        if scan:
            yield path, scan


def leads_nowhere(path: Path) -> bool:
    """Whether it is a link to what is not there, or to itself."""
    return os.path.islink(path) and not os.path.exists(path)


def _below(folder: Path, names: Collection[str], depth: int) -> Iterator[Path]:
    try:
        entries = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError:
        return
    for path in entries[:MOST_ENTRIES]:
        if path.is_dir():
            yield from _below(path, names, depth - 1) if depth > 1 else ()
        elif _may_be_scan(path) and image_stem(path) not in names:
            yield path


def _may_be_scan(path: Path) -> bool:
    """Whether a file is an image, by its name or as DICOM says."""
    if path.name.lower().endswith(OTHER_SUFFIXES) or image_suffix(path):
        return True
    try:
        if path.suffix or not path.is_file():
            return False
        with path.open("rb") as file:
            file.seek(MARK_AT)
            return file.read(len(DICOM_MARK)) == DICOM_MARK
    except OSError:
        return False
