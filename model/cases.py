"""Layouts: which files under the input folder form a case, and where its result goes."""

import os
import re
import stat
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from model.described import check_channels
from model.errors import InputError, reason
from model.images.read import IMAGE_SUFFIXES, image_stem, image_suffix
from model.patients import folders, holds_dicom, is_one_patient, is_patient, scans, visible
from model.sockets import sockets_of
from model.strangers import strangers
from model.terminal import log

CT_SLUG = "head-neck-ct"
CE_SLUG = "head-neck-contrast-enhanced-ct"
OUTPUT_SLUG = "gross-tumor-volume-segmentation"
NNUNET_FOLDERS = ("imagestr", "imagests", "labelstr", "labelsts")
_SUFFIX = "|".join(map(re.escape, IMAGE_SUFFIXES))
_NNUNET = re.compile(rf"(?P<case>.+)_(?P<channel>[0-9]{{4}})({_SUFFIX})", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True)
class Case:
    """One patient: both CTs (files or DICOM folders, which need not exist), the result's file and its kind.

    fault: why the case cannot be read although its files exist. single: the non-contrast CT stands for both. study: ct
    and ce are one folder with DICOM, of which the two series are chosen when it is read.
    """

    name: str
    ct: Path
    ce: Path
    output: Path
    kind: Literal["label_map", "channels"]
    fault: InputError | None = None
    single: bool = False
    study: bool = False


def find_cases(root: Path, output: Path, layout: str) -> list[Case]:
    """All cases under root in a layout ("auto" recognises it), sorted by name; at least one.

    A case that lacks a file is among them: reading it says what is missing. Raises InputError: the folder
    is missing, fits no layout or has no case, or a result would replace an input.
    """
    try:
        if not root.is_dir():
            raise InputError(root, "no such input folder", "give one with --input")
        layout = _recognise(root) if layout == "auto" else layout
        found = _LAYOUTS[layout](root, output)
        cases = sorted(found + _strangers(root, output, layout, found), key=lambda case: case.name)
    except OSError as error:
        raise InputError(error.filename or root, reason(error), "make the input readable") from None
    if not cases:
        raise InputError(
            root, f"no case in layout {layout}", "see docs/formats.md or choose another --layout"
        )
    return checked(cases)


def _strangers(root: Path, output: Path, layout: str, cases: list[Case]) -> list[Case]:
    """What lies beside the cases and may well be CTs, as cases that cannot be read: none is passed over."""
    if layout == "folder" and any(root in (case.ct, case.ct.parent) for case in cases):
        return []  # the folder is a patient's own
    used = {part for case in cases for path in (case.ct, case.ce) for part in (path, *path.parents)}
    names, found = {case.name.rpartition("/")[2] for case in cases}, []
    if layout == "nnunet":
        used |= set(_nnunet_files(root))
    for path, scan in strangers(root, used, names) if cases and layout != "exec" else ():
        if path.name.lower() in NNUNET_FOLDERS or (path == scan and layout != "nnunet"):
            log(f"passed over {path}: not of layout {layout}")
            continue
        fact = f"{scan.relative_to(root)} is of no case in layout {layout}"
        fault, none = InputError(path, fact, "rename the CTs or move them away"), path / "image"
        name = path.name + " beside" * (path.name in names)  # a case's own name would be taken twice
        found.append(Case(name, none, none, output / f"{name}.nii.gz", "label_map", fault))
    return found


def checked(cases: list[Case]) -> list[Case]:
    """The same, with the fault of a bad name. Raises InputError where a result would replace an input or another."""
    inputs = {os.path.realpath(path) for case in cases for path in (case.ct, case.ce)}
    counts = Counter(os.path.realpath(case.output) for case in cases)
    for case in cases:
        place = os.path.realpath(case.output)
        if place in inputs:
            raise InputError(case.output, "the result would replace an input", "choose another --output")
        if counts[place] > 1:
            raise InputError(case.output, "the result of several cases", "rename all but one")
    return [case if case.fault else replace(case, fault=_nameless(case)) for case in cases]


def _nameless(case: Case) -> InputError | None:
    """What is wrong where a case's files have names that are no text: native writers end the process on some."""
    try:
        for path in (case.ct, case.ce, case.output):
            str(path).encode()
    except UnicodeEncodeError:
        return InputError(case.name, "its name is not UTF-8", "rename it")
    return None


@contextmanager
def output_folders(results: Sequence[Path]) -> Iterator[None]:
    """Make the folders of these files; on leaving, remove again those that were made here and stayed empty.

    Raises InputError, before any work is done, where a folder cannot be made or written to.
    """
    made: list[Path] = []
    try:
        for folder in sorted({path.parent for path in results}):
            try:
                for ancestor in (*reversed(folder.parents), folder):
                    if not ancestor.is_dir():
                        with suppress(FileExistsError):  # another process of the run was faster
                            ancestor.mkdir()
                            made.append(ancestor)
                with tempfile.TemporaryFile(dir=folder):
                    pass
            except (OSError, ValueError) as error:
                fact = f"cannot write there ({reason(error)})"
                raise InputError(folder, fact, "make it writable or choose another --output") from None
        for path in results:
            try:
                taken = stat.S_ISDIR(path.lstat().st_mode)
            except FileNotFoundError:
                continue
            except (OSError, ValueError) as error:
                fact = f"cannot be written there ({reason(error)})"
                raise InputError(path, fact, "rename the case or choose another --output") from None
            if taken:
                raise InputError(path, "a folder has the result's name", "move it away")
        yield
    finally:
        for folder in reversed(made):
            with suppress(OSError):  # not empty, or removed by another process of the run
                folder.rmdir()


def _recognise(root: Path) -> str:
    if (root / "images" / CT_SLUG).exists() or (root / "images" / CE_SLUG).exists():
        return "exec"
    if any(root.glob("Cohort*/image")):
        return "segrap2025"
    if _nnunet_files(root):
        return "nnunet"
    if _folder_cases(root, root):
        return "folder"
    raise InputError(
        root,
        f"no CT pair found (looked for images/{CT_SLUG}/, Cohort*/image/, *_0000.*, */image.*, DICOM)",
        "see the layouts in docs/formats.md",
    )


def _exec_cases(root: Path, output: Path) -> list[Case]:
    """grand-challenge: one file per socket, with unrelated names. Without its CT a case has no name to tell it by."""
    ct, fault = _socket_file(root, CT_SLUG), None
    try:
        ce = _socket_file(root, CE_SLUG)
    except InputError as error:
        ce, fault = Path(error.where) / "none", error
    name = image_stem(ct)
    return [Case(name, ct, ce, output / "images" / OUTPUT_SLUG / f"{name}.mha", "channels", fault)]


def _socket_file(root: Path, slug: str) -> Path:
    """The socket's file: the one that inputs.json names if it is there, else the only one in the folder."""
    socket = sockets_of(root).get(slug, {})
    folder = root / socket.get("relative_path", f"images/{slug}")
    if not folder.is_dir():
        raise InputError(folder, "no such folder", "put exactly one CT file there")
    files = visible(folder)
    named = [file for file in files if file.name == socket.get("image")]
    files = named or files
    if len(files) != 1 or not files[0].is_file():
        content = f"{len(files)} entries ({', '.join(file.name for file in files)})" if files else "empty"
        raise InputError(folder, content, "put exactly one CT file there")
    return files[0]


def _segrap2025_cases(root: Path, output: Path) -> list[Case]:
    """Offline challenge: all patients of all cohorts in one run."""
    return [
        _folder_case(f"{image.parent.name}/{folder.name}", folder, output / image.parent.name, ".nii.gz")
        for image in sorted(root.glob("Cohort*/image"))
        for folder in folders(image)
    ]


def _folder_cases(root: Path, output: Path) -> list[Case]:
    """A folder per patient, or one patient's own; folders without any image are no patients, nor those of results."""
    if is_one_patient(root):
        return [_folder_case(Path(os.path.abspath(root)).name or "case", root, output, "")]
    found = folders(root)
    patients = [folder for folder in found if is_patient(folder, {f.name for f in found})]
    if not patients and any(scan.name.lower().startswith("image") for scan in scans(root)):
        patients = [root.absolute()]
    return [_folder_case(folder.name, folder, output, "") for folder in patients]


def _folder_case(name: str, folder: Path, output: Path, suffix: str) -> Case:
    """image* and image_contrast*, files or DICOM folders; where there are none, whatever DICOM is below the folder.

    suffix: of the result; empty for the CT's own.
    """
    fault, found, own_name = None, [], name.rpartition("/")[2]
    try:
        found = scans(folder)
    except OSError as error:
        fault = InputError(folder, reason(error), "make it readable")
    contrast = [path for path in found if path.name.lower().startswith("image_contrast")]
    plain = [path for path in found if path.name.lower().startswith("image") and path not in contrast]
    named = plain + contrast
    if not (plain and contrast) and all(path.is_dir() for path in named) and holds_dicom(folder):
        return Case(name, folder, folder, output / f"{own_name}.nii.gz", "label_map", study=True)
    if found and not named:
        names = ", ".join(path.name for path in found)
        fault = InputError(folder, f"no image and no image_contrast, but {names}", "rename the two CTs so")
    known = _suffix((named or [folder])[0])
    ct = plain[0] if plain else folder / f"image{known}"
    ce = contrast[0] if contrast else folder / f"image_contrast{known}"
    result = output / f"{own_name}{suffix or result_suffix(ct)}"
    return Case(name, ct, ce, result, "label_map", fault or _ambiguity(plain) or _ambiguity(contrast))


def _nnunet_cases(root: Path, output: Path) -> list[Case]:
    """nnU-Net's raw layout: channel 0000 without contrast, 0001 with."""
    check_channels(root, NNUNET_FOLDERS)
    channels: dict[str, dict[str, list[Path]]] = {}
    for file in _nnunet_files(root):
        assert (match := _NNUNET.fullmatch(file.name))
        channels.setdefault(match["case"], {}).setdefault(match["channel"], []).append(file)
    return [_nnunet_case(name, files, output) for name, files in sorted(channels.items())]


def _nnunet_case(name: str, files: dict[str, list[Path]], output: Path) -> Case:
    any_file = next(iter(files.values()))[0]
    ct, ce = (
        files.get(channel, [any_file.with_name(f"{name}_{channel}{_suffix(any_file)}")])[0]
        for channel in ("0000", "0001")
    )
    fault = next(filter(None, map(_ambiguity, files.values())), None)
    if others := set(files) - {"0000", "0001"}:
        fact = f"channel {', '.join(sorted(others))} besides 0000 (plain) and 0001 (contrast)"
        fault = InputError(any_file.parent / name, fact, "leave the two CTs")
    return Case(name, ct, ce, output / f"{name}{result_suffix(ct)}", "label_map", fault)


def _nnunet_files(root: Path) -> list[Path]:
    """The channel files of the first of the folder itself, imagesTs and imagesTr that has any."""
    for folder in (root, root / "imagesTs", root / "imagesTr"):
        files = [file for file in visible(folder) if _NNUNET.fullmatch(file.name)] if folder.is_dir() else []
        if files:
            return files
    return []


def _ambiguity(paths: list[Path]) -> InputError | None:
    """What is wrong where several files could be the same CT."""
    if len(paths) < 2:
        return None
    names = ", ".join(path.name for path in paths)
    return InputError(paths[0].parent, f"{names} could all be the CT", "leave one")


def _suffix(path: Path) -> str:
    """.nii.gz and the like; empty for a folder."""
    return "" if path.is_dir() else image_suffix(path)


def result_suffix(ct: Path) -> str:
    """The CT's own, but one file rather than header and data, and NIfTI for DICOM."""
    return {".mhd": ".mha", "": ".nii.gz"}.get(_suffix(ct), _suffix(ct))


_LAYOUTS: dict[str, Callable[[Path, Path], list[Case]]] = {
    "exec": _exec_cases,
    "segrap2025": _segrap2025_cases,
    "nnunet": _nnunet_cases,
    "folder": _folder_cases,
}
LAYOUTS = ("auto", *_LAYOUTS)
