"""Layouts: which files under the input folder form a case, and where its result goes."""

import os
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from model.channels import channels_of, is_channel
from model.described import check_channels
from model.errors import InputError, reason
from model.images.read import image_stem, image_suffix
from model.patients import folders, holds_dicom, is_one_patient, is_patient, scans, visible
from model.sockets import sockets_of
from model.strangers import strangers
from model.structures import MAP_FOLDERS
from model.terminal import log

CT_SLUG = "head-neck-ct"
CE_SLUG = "head-neck-contrast-enhanced-ct"
OUTPUT_SLUG = "gross-tumor-volume-segmentation"
NNUNET_FOLDERS = ("imagestr", "imagests", "labelstr", "labelsts")


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
        layout = _recognise(root, output) if layout == "auto" else layout
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
    own = {(case.ct if case.study else case.ct.parent).absolute() for case in cases}
    if not cases or layout == "exec" or (layout == "folder" and root.absolute() in own):
        return []  # nothing else is looked for, or the folder is a patient's own
    used = {part for case in cases for path in (case.ct, case.ce) for part in (path, *path.parents)}
    names, found = {case.name.rpartition("/")[2] for case in cases}, []
    if layout == "nnunet":
        used |= set(_nnunet_files(root))
    beside = [(at, *of) for at in _places(root, layout, cases) for of in strangers(at, used, names)]
    for place, path, scan in beside:
        if _is_of_results(path, output):
            continue
        if scan is None:
            fault = InputError(path, "a link that leads nowhere", "mount what it leads to, or remove it")
        elif path.name.lower() in NNUNET_FOLDERS or (path == scan and layout != "nnunet"):
            log(f"passed over {path}: not of layout {layout}")
            continue
        else:
            fact = f"{scan.relative_to(root)} is of no case in layout {layout}"
            fault = InputError(path, fact, "rename the CTs or move them away")
        cohort = f"{place.relative_to(root).parts[0]}/" if layout == "segrap2025" and place != root else ""
        none = path / "image"
        # A case's own name would be taken twice.
        name = cohort + path.name + " beside" * (path.name in names)
        found.append(Case(name, none, none, output / f"{name}.nii.gz", "label_map", fault))
    for folder in folders(root) if layout == "folder" else []:
        if not (folder in used or _is_of_results(folder, output) or any(strangers(folder, (), ()))):
            log(f"passed over {folder}: no image in it")
    return found


def _places(root: Path, layout: str, cases: list[Case]) -> list[Path]:
    """Where cases lie beside each other: in each may be what is of none."""
    places = {root}
    if layout == "nnunet":
        places |= {case.ct.parent for case in cases}
    if layout == "segrap2025":
        places |= {place for case in cases for place in (case.ct.parents[1], case.ct.parents[2])}
    return sorted(places)


def _is_of_results(folder: Path, output: Path) -> bool:
    """Whether it is a folder of maps beside masks, or where results go and no patient's own."""
    if folder.name in MAP_FOLDERS:
        return True
    if not folder.is_dir() or os.path.realpath(folder) != os.path.realpath(output):
        return False
    return not any(_cts(folder, scans(folder))) and not holds_dicom(folder)


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
    for path in (case.ct, case.ce, case.output):
        try:
            str(path).encode()
        except UnicodeEncodeError:
            with suppress(ValueError):  # the name is text, but this system was told to know ASCII alone
                os.fsencode(path).decode()
                return InputError(
                    case.name, "its name is not ASCII, as LC_ALL or LANG say", "set PYTHONUTF8=1"
                )
            return InputError(case.name, "its name is not UTF-8", "rename it")
    return None


def _recognise(root: Path, output: Path) -> str:
    if (root / "images" / CT_SLUG).exists() or (root / "images" / CE_SLUG).exists():
        return "exec"
    if any(root.glob("Cohort*/image")):
        return "segrap2025"
    if _nnunet_files(root):
        return "nnunet"
    if _folder_cases(root, output):
        return "folder"
    looked = f"looked for images/{CT_SLUG}/, Cohort*/image/, *_0000.*, */image.*, DICOM"
    scan = next((scan for _, scan in strangers(root, (), ()) if scan), None)
    there = f"; {scan.relative_to(root)} is none of these" if scan else ""
    raise InputError(root, f"no CT pair found ({looked}{there})", "see the layouts in docs/formats.md")


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
    """A folder per patient, or one patient's own; folders without any image are no patients, nor those of results.

    Raises InputError where a folder has both CTs of its own and others have, too.
    """
    found = [folder for folder in folders(root) if not _is_of_results(folder, output)]
    if is_one_patient(root, found):
        return [_folder_case(Path(os.path.abspath(root)).name or "case", root, output, "")]
    patients = [folder for folder in found if is_patient(folder, {f.name for f in found})]
    plain, contrast = _cts(root, scans(root))
    both = all(any(not path.is_dir() for path in paths) for paths in (plain, contrast))
    if both and (others := [one for one in patients if all(_cts(one, scans(one)))]):
        fact = f"it has both CTs of a patient, and {others[0].name} in it has both, too"
        raise InputError(root, fact, "give one patient's folder, or one that has patients' folders alone")
    if both or (not patients and (plain or contrast)):
        patients = [root.absolute()]
    return [_folder_case(folder.name, folder, output, "") for folder in patients]


def _cts(folder: Path, found: list[Path]) -> tuple[list[Path], list[Path]]:
    """What is called as the CT without and as that with contrast; not a result, which is called after the folder."""
    contrast = [path for path in found if path.name.lower().startswith("image_contrast")]
    plain = [path for path in found if path.name.lower().startswith("image") and path not in contrast]
    if len(plain) > 1:
        plain = [path for path in plain if image_stem(path) != folder.name]
    return plain, contrast


def _folder_case(name: str, folder: Path, output: Path, suffix: str) -> Case:
    """image* and image_contrast*, files or DICOM folders; where there are none, whatever DICOM is below the folder.

    suffix: of the result; empty for the CT's own.
    """
    fault, found, own_name = None, [], name.rpartition("/")[2]
    try:
        found = scans(folder)
    except OSError as error:
        fault = InputError(folder, reason(error), "make it readable")
    plain, contrast = _cts(folder, found)
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
    channels = channels_of(_nnunet_files(root))
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
        files = [file for file in visible(folder) if is_channel(file)] if folder.is_dir() else []
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
