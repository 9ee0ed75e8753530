"""Image files below a folder, and what has an image's name but cannot be read."""

import os
from collections.abc import Collection, Iterator
from pathlib import Path

from model.errors import InputError, reason
from model.images.read import IMAGE_SUFFIXES, image_stem, image_suffix

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
# What a DICOM file holds that is no image: the class in its first bytes.
_CONTOURS = {
    b"1.2.840.10008.5.1.4.1.1.481.3\0": "RT Structure Set",
    b"1.2.840.10008.5.1.4.1.1.66.4\0": "Segmentation",
}
_DICOM_HEADER_BYTES = 1024


def stem(path: Path) -> str | None:
    """File name without its image suffix; None for a file of another kind."""
    return image_stem(path) if image_suffix(path) and not path.name.startswith(".") else None


def image_files(root: Path, left_out: Collection[str] = ()) -> tuple[list[Path], list[InputError]]:
    """Image files below a folder, sorted, also below links to folders, of which subsets of a data set are made.

    left_out: names of folders not to look into, in lower case. Second: folders that cannot be read, links that lead
    nowhere, files of other formats. A link to a folder above it holds nothing new.
    """
    files, problems, named_as_image = [], [], []
    waiting: list[tuple[Path, frozenset[tuple[int, int]]]] = [(root, frozenset())]
    while waiting:
        folder, above = waiting.pop()
        try:
            about = os.stat(folder)
            if (about.st_dev, about.st_ino) in above:
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
            elif stem(path) is not None:
                files.append(path)
    problems += _without_images(named_as_image, files)
    return sorted(files), sorted(problems, key=str)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # links in a circle
        return False


def _unreadable(entry: os.DirEntry[str], path: Path) -> InputError | None:
    """Why what has an image's name is no file to read."""
    if path.name.lower().endswith(_OTHER_SUFFIXES):
        return InputError(path, "not a format read here", f"convert it to one of {' '.join(IMAGE_SUFFIXES)}")
    if stem(path) is None and path.suffix.lower() != ".dcm":
        return None
    try:
        if entry.is_file():
            return dicom_contours(path)
    except OSError as error:
        return InputError(path, f"cannot be read ({reason(error)})", _REMEDY)
    return InputError(path, "a link that leads nowhere" if entry.is_symlink() else "no file", _REMEDY)


def dicom_contours(path: Path) -> InputError | None:
    """Of a DICOM file with contours or a segmentation that it is not read, and what to do. Raises OSError."""
    if path.suffix.lower() != ".dcm":
        return None
    with path.open("rb") as file:
        start = file.read(_DICOM_HEADER_BYTES)
    for uid, kind in _CONTOURS.items():
        if start[128:132] == b"DICM" and uid in start:
            remedy = "convert it to masks on the CT's grid, with plastimatch, dcmrtstruct2nii or dcmqi"
            return InputError(path, f"a DICOM {kind}, which is not read here", remedy)
    return None


def _without_images(folders: list[Path], files: list[Path]) -> Iterator[InputError]:
    """Folders that have the name of an image but hold none."""
    parents = {parent for file in files for parent in file.parents}
    return (InputError(f, "a folder with an image's name", _REMEDY) for f in folders if f not in parents)
