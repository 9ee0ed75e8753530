"""The DICOM files in a folder that is said to hold one CT series, and nothing that may be more of it."""

from pathlib import Path

from model.errors import InputError, reason
from model.images.dicom_elements import Elements, read_elements
from model.images.series_files import DICOMDIR, SLICE_SUFFIXES, SeriesFiles, no_slice, shape_of_name

MOST_NAMED = 3
# What planning systems and viewers export beside the CT's slices: it is about images, and is none.
NO_IMAGES = ("RTSTRUCT", "RTPLAN", "RTDOSE", "SEG", "SR", "PR", "REG", "KO")


def files_of_one_series(folder: Path) -> tuple[SeriesFiles, dict[Path, str]]:
    """Those of the one CT series, by name, and what the other files are that are not hidden. Raises InputError."""
    try:
        paths = sorted(path for path in folder.iterdir() if not path.is_dir())
        folders = [path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")]
    except OSError as error:
        raise InputError(folder, f"cannot be read ({reason(error)})", "make it readable") from None
    files, others, beside = {}, list[Path](), dict[Path, Elements]()
    for path in paths:
        usable = (
            path.is_file() or not path.exists()
        )  # not a pipe, which would be waited for; a dead link is refused
        elements = read_elements(path) if usable else None
        if elements is None:
            others.append(path)
        elif elements.text("Modality") in NO_IMAGES:
            beside[path] = elements
        elif elements.text("MediaStorageSOPClassUID") != DICOMDIR:
            files[path] = elements
    files = files or beside  # which is refused by its name
    if not files:
        hint = ", only folders" if folders and not others else ""
        raise InputError(folder, f"no DICOM series{hint}", "put the files of one CT series in the folder")
    for path, elements in files.items():
        if elements.pixels is None and elements.text("Modality") in ("CT", ""):
            raise InputError(path, "no voxels in it, perhaps cut short", "replace the file")
    _no_series_but_one(folder, files)
    _nothing_below(folders, {elements.text("SeriesInstanceUID") for elements in files.values()})
    visible = [path for path in others if not path.name.startswith(".")]
    shapes = {shape_of_name(path) for path in files}
    for path in visible:
        if path.suffix.lower() in SLICE_SUFFIXES or shape_of_name(path) in shapes:
            raise no_slice(path)
    what = {path: "no DICOM" for path in visible}
    what |= {path: f"{elements.text('Modality')}, no image" for path, elements in beside.items()}
    return SeriesFiles(folder, files), what


def _nothing_below(folders: list[Path], series: set[str]) -> None:
    """Raises InputError where folders in the series' own hold more of it."""
    for folder in sorted(folders):
        try:
            paths = sorted(path for path in folder.iterdir() if path.is_file())
        except OSError:
            continue
        for path in paths:
            elements = read_elements(path)
            if elements and elements.text("SeriesInstanceUID") in series:
                raise InputError(
                    path, "more slices of the series, in a folder below", "put all into one folder"
                )


def _no_series_but_one(folder: Path, files: dict[Path, Elements]) -> None:
    kinds: dict[str, dict[Path, Elements]] = {}
    for path, elements in files.items():
        kinds.setdefault(elements.text("SeriesInstanceUID"), {})[path] = elements
    if len(kinds) > 1:
        series = [SeriesFiles(folder, kind) for kind in kinds.values()]
        named = ", ".join(
            f"({one.described()}, {one.text('Modality') or 'no Modality'})" for one in series[:MOST_NAMED]
        )
        more = f" and {len(series) - MOST_NAMED} more" if len(series) > MOST_NAMED else ""
        fact = f"{len(kinds)} DICOM series: {named}{more}"
        raise InputError(folder, fact, "leave exactly one CT series in the folder")
    for path, elements in files.items():
        if elements.text("Modality") != "CT":
            fact = f"{elements.text('Modality')}, not CT" if elements.text("Modality") else "no Modality"
            raise InputError(path, fact, "give a CT series")
