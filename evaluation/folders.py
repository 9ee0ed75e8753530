"""Image files below a folder, and what has an image's name but cannot be read."""

import os
import re
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

from evaluation.contours import SUFFIX, has_slices, kind_of, readable, unreadable
from evaluation.names import says_nothing, what_name_says
from model.errors import InputError, reason
from model.images.read import IMAGE_SUFFIXES, image_stem, image_suffix
from model.terminal import log

# Of images that are not read here; those of the voxels beside a header are not among them.
_OTHER_SUFFIXES = (
    ".hdr",
    ".img",
    ".img.gz",
    ".nhdr",
    ".nia",
    ".nii.bz2",
    ".nii.xz",
    ".nii.zip",
    ".gipl",
    ".mnc",
)
_REMEDY = "mend or remove it"
_LEFT_OUT = "{}: left out of {}, as it is given for something else"
# Names of DICOM files that tell no cases apart: what they are, and UIDs.
_NO_NAME = re.compile(r"(?:rs|rtss|rtst|rtstruct|ss|seg|struct)?[\W_]*(?:\d+(?:\.\d+){3,})?", re.I)


def stem(path: Path) -> str | None:
    """File name without its image suffix; None for a file of another kind."""
    return image_stem(path) if image_suffix(path) and not path.name.startswith(".") else None


def case_stem(path: Path) -> str:
    """What the name of a mask's file says of its case; of DICOM contours it is empty where their folder says it.

    That is so beside the slices of a CT, and where the name says but what it is, or is a UID.
    """
    if stem(path) is not None:
        return image_stem(path)
    with suppress(OSError):
        if _NO_NAME.fullmatch(path.stem) or has_slices(path.parent):
            return ""
    return path.stem


def image_files(
    root: Path,
    left_out: Collection[str] = (),
    *,
    with_contours: bool = False,
    others: Collection[Path] = (),
) -> tuple[list[Path], list[InputError]]:
    """Image files below a folder, sorted, also below links to folders, of which subsets of a data set are made.

    left_out: names of folders not to look into, in lower case. with_contours: files of DICOM contours, too. others:
    files and folders that were given for something else, which is said where they lie below this one. Second: folders
    that cannot be read, links that lead nowhere, files of other formats. A link to a folder above it holds nothing new.
    """
    files, problems, named_as_image = [], [], []
    apart = {_place(path) for path in others if _lies_below(path, root)}
    waiting: list[tuple[Path, frozenset[tuple[int, int]]]] = [(root, frozenset())]
    while waiting:
        folder, above = waiting.pop()
        try:
            about = os.stat(folder)
            if (about.st_dev, about.st_ino) in above:
                continue
            if (about.st_dev, about.st_ino) in apart:
                log(_LEFT_OUT.format(folder, root))
                continue
            entries = list(os.scandir(folder))
        except OSError as error:
            problems.append(InputError(folder, f"cannot be looked into ({reason(error)})", _REMEDY))
            continue
        here = above | {(about.st_dev, about.st_ino)}
        for entry in entries:
            path = folder / entry.name
            if entry.name.startswith(".") or entry.name.lower() in left_out:
                continue
            if _is_folder(entry):
                waiting.append((path, here))
                named_as_image += [path] if stem(path) is not None else []
            elif problem := _unreadable(entry, path):
                problems.append(problem)
            elif stem(path) is not None or (with_contours and _is_contours(path)):
                if _place(path) in apart:
                    log(_LEFT_OUT.format(path, root))
                else:
                    files.append(path)
    problems += _without_images(named_as_image, files)
    return sorted(files), sorted(problems, key=str)


def _place(path: Path) -> tuple[int, int] | None:
    """What is one for all ways that lead there; None where nothing is."""
    with suppress(OSError):
        about = os.stat(path)
        return about.st_dev, about.st_ino
    return None


def _lies_below(path: Path, root: Path) -> bool:
    """As it is given, or where links lead. One that only a link below the root leads to is meant to be in it."""
    ways = (Path(os.path.abspath(path)), Path(os.path.realpath(path)))
    return any(_place(above) == _place(root) for way in ways for above in way.parents)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # links in a circle
        return False


def _unreadable(entry: os.DirEntry[str], path: Path) -> InputError | None:
    """Why what has an image's name is no file to read."""
    if path.name.lower().endswith(_OTHER_SUFFIXES):
        return InputError(path, "not a format read here", f"convert it to one of {' '.join(IMAGE_SUFFIXES)}")
    if stem(path) is None and path.suffix.lower() != SUFFIX:
        return None
    try:
        if entry.is_file():
            kind = kind_of(path)
            return unreadable(path, kind) if kind and not readable() else None
    except OSError as error:
        return InputError(path, f"cannot be read ({reason(error)})", _REMEDY)
    return InputError(path, "a link that leads nowhere" if entry.is_symlink() else "no file", _REMEDY)


def _is_contours(path: Path) -> bool:
    with suppress(OSError):
        return bool(kind_of(path))
    return False


def _without_images(folders: list[Path], files: list[Path]) -> Iterator[InputError]:
    """Folders that have the name of an image but hold none."""
    parents = {parent for file in files for parent in file.parents}
    return (InputError(f, "a folder with an image's name", _REMEDY) for f in folders if f not in parents)


def structure_above(root: Path) -> tuple[str | None, Path]:
    """What the folder that was given says, or, where its name is one like "predictions", the folder above; and which.

    A file's own folder has to say nothing else; its name speaks for itself.
    """
    folder = Path(os.path.abspath(root))
    if not root.is_dir():
        folder = folder.parent
    elif said := what_name_says(folder.name).structure:
        return said, folder
    while folder.name and says_nothing(folder.name):
        folder = folder.parent
    said_above = what_name_says(folder.name)
    return None if said_above.rest else said_above.structure, folder
