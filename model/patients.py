"""A patient's folder: which of its entries may be the two CTs, and whether it holds DICOM."""

from collections.abc import Collection, Iterator
from pathlib import Path

from model.errors import InputError
from model.images.dicom_elements import is_dicom, read_elements
from model.images.read import image_stem, image_suffix
from model.images.series_files import files_below

SCAN_FOLDERS = ("image", "image_contrast")
# How many files are opened in search of DICOM; and in how many folders of a patient a CT is looked for.
MOST_OPENED, MOST_FOLDERS = 1000, 50


def is_patient(folder: Path, names: set[str]) -> bool:
    """Whether it has images, not all called after the other folders; one that cannot be read may well be a patient."""
    others = names - {folder.name}
    try:
        return not {image_stem(scan) for scan in scans(folder)} <= others or holds_dicom(folder, others)
    except OSError:
        return True


def holds_dicom(folder: Path, results: Collection[str] = ()) -> bool:
    """Whether a file in or below a folder is DICOM, not counting a list of files, nor files called like results."""
    return next((True for path in _dicom_below(folder) if path.stem not in results), False)


def is_one_patient(root: Path, inside: Collection[Path]) -> bool:
    """Whether a folder is a patient's itself, with DICOM: its own CT slices and those in all its folders are of one
    study, or two folders are called as the CTs.

    inside: its folders that count. Raises OSError where it cannot be listed.
    """
    names = {folder.name.lower(): folder for folder in inside}
    if all(name in names and _is_series(names[name]) for name in SCAN_FOLDERS):
        return True
    study = _study_of(
        [path for path in visible(root) if not path.is_dir() and _is_slice(path)][:MOST_FOLDERS]
    )
    places = int(study is not None)
    loose = places > 0
    for folder in inside:
        if not _has_only_other_names(folder):
            return False
        other = _study_of(_first_of_each_folder(folder))
        if other is None:
            continue
        if study is not None and (other != study or not other):
            return False
        study, places = other, places + 1
    return loose or places > 1


def _is_series(folder: Path) -> bool:
    """Whether DICOM lies in a folder itself."""
    try:
        return any(_is_slice(path) for path in visible(folder)[:MOST_FOLDERS])
    except OSError:
        return False


def _has_only_other_names(folder: Path) -> bool:
    """Whether no name in it is one of a CT's, as far as can be seen."""
    try:
        return not scans(folder)
    except OSError:
        return False


def scans(folder: Path) -> list[Path]:
    """What may be a CT: image files, and folders image and image_contrast (DICOM)."""
    return [
        path
        for path in visible(folder)
        if (path.name.lower() in SCAN_FOLDERS if path.is_dir() else image_suffix(path))
    ]


def visible(folder: Path) -> list[Path]:
    """Its entries that are not hidden, sorted. Raises OSError."""
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def folders(root: Path) -> list[Path]:
    """Its folders that are not hidden, sorted. Raises OSError."""
    return [path for path in visible(root) if path.is_dir()]


def _dicom_below(folder: Path) -> Iterator[Path]:
    """DICOM files, of a bounded number that is opened; what cannot be looked into is passed over."""
    opened = 0
    try:
        for path in files_below(folder):
            if image_suffix(path) or opened >= MOST_OPENED:
                continue
            opened += 1
            if _is_slice(path):
                yield path
    except InputError:
        return


def _is_slice(path: Path) -> bool:
    return path.name.upper() != "DICOMDIR" and path.is_file() and is_dicom(path)


def _first_of_each_folder(folder: Path) -> list[Path]:
    first: dict[Path, Path] = {}
    for path in _dicom_below(folder):
        first.setdefault(path.parent, path)
        if len(first) == MOST_FOLDERS:
            break
    return list(first.values())


def _study_of(paths: list[Path]) -> str | None:
    """The study of the first CT among files, empty where it does not say; None where there is no CT."""
    for path in paths:
        try:
            elements = read_elements(path)
        except InputError:
            continue
        if elements and elements.text("Modality") == "CT":
            return elements.text("StudyInstanceUID")
    return None
