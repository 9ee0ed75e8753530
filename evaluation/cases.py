"""Which files form a case on either side, and which cases belong together.

Recognised below a folder, mixed as they come: one file per case (label map or 4D channels), also in `labelsTr`,
`images/gross-tumor-volume-segmentation` or `Cohort1`; and one binary file per structure, which its name or a folder's
says: `<case>/GTVp.nii.gz`, `<case>_GTVp.nii.gz`, `GTVp/<case>.nii.gz`, however it is spelled. CTs are passed over, and
whatever else lies in the folder of a case. What is not clear is named, not guessed.
"""

import os
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from evaluation.contours import has_slices, kind_of, readable, unreadable
from evaluation.folders import case_stem, image_files, stem, structure_above
from evaluation.names import cohort_in, one_form, says_nothing, what_name_says, without_last_word
from model.errors import InputError, one_line
from model.images.read import IMAGE_SUFFIXES
from model.structures import MAP_FOLDERS, STRUCTURES
from model.terminal import log

CTS = ("imagestr", "imagests", "head-neck-ct", "head-neck-contrast-enhanced-ct")
NO_MASKS = (*CTS, *map(str.lower, MAP_FOLDERS))  # folders that are passed over
CT_PAIR = {"image", "image_contrast"}

Key = tuple[str, ...]


@dataclass(frozen=True)
class CaseFiles:
    """A case's name and its masks: one file with all structures, or one file for each structure.

    fault: why they are not to be used. cohort: the folder of one that they lie in, else empty. key: parts of the path
    without what names the structure, in one Unicode form.
    """

    name: str
    whole: Path | None
    by_structure: dict[str, Path]
    fault: InputError | None = None
    cohort: str = ""
    key: Key = ()

    @property
    def paths(self) -> list[Path]:
        return [self.whole] if self.whole else list(self.by_structure.values())


@dataclass(frozen=True)
class Found:
    """Cases by name, and files that belong to none although they may hold masks."""

    cases: dict[str, CaseFiles]
    problems: list[InputError] = field(default_factory=list)


@dataclass(frozen=True)
class _Mask:
    """A file, the case it belongs to (parts of its path without what names the structure), and what its path says."""

    path: Path
    key: Key
    structure: str | None
    own_rest: str
    says_itself: bool = False
    other: bool = False
    hint: str | None = None
    fault: str | None = None

    @property
    def is_whole(self) -> bool:
        """Whether it holds all structures, as far as names tell."""
        return not self.structure and not self.other


def find_cases(root: Path, others: Collection[Path] = ()) -> Found:
    """Cases by name in a file or below a folder; names that repeat become paths relative to the folder.

    others: files and folders that were given for something else; those below this one are left out, which is said.
    Raises InputError if it does not exist or holds no masks.
    """
    above, folder = structure_above(root)
    if root.is_file():
        case = _only_file(root, above, folder)
        return Found({case.name: case})
    if not root.is_dir():
        raise InputError(root, "no such file or folder", "give one with masks")
    files, problems = image_files(root, NO_MASKS, with_contours=readable(), others=others)
    described = _in_one_form(_describe(path, root) for path in files)
    masks, unclear = _without_strangers(_resolve_hints(described), root)
    if above and not all(mask.structure for mask in masks):
        if folder != Path(os.path.abspath(root)):
            log(
                f"{root}: masks whose names say no structure are of {above}, as the folder {folder.name} says"
            )
        masks = [replace(mask, structure=mask.structure or above) for mask in masks]
    problems += unclear
    cases: dict[str, CaseFiles] = {}
    for case in _named_cases(masks, root, cohort_in((folder.name,))):
        twice = InputError(root, f"two cases are called {case.name}", "rename one")
        cases[case.name] = replace(case, fault=twice) if case.name in cases else case
    if not cases:
        remedy = f"give files with suffix {', '.join(IMAGE_SUFFIXES)}"
        raise (problems or [InputError(root, "no masks in it", remedy)])[0]
    return Found(cases, problems)


def _only_file(path: Path, above: str | None, folder: Path) -> CaseFiles:
    """A case of one file, which was given as it is."""
    kind = kind_of(path)
    if kind and not readable():
        raise unreadable(path, kind)
    if not kind and stem(path) is None:
        raise InputError(path, "no image file", f"give one with suffix {', '.join(IMAGE_SUFFIXES)}")
    name = path.stem if kind else str(stem(path))
    mask = _describe(path, path.parent)
    if fault := mask.fault or ("its name says another structure" if mask.other else None):
        raise InputError(path, fault, "rename it")
    structure = mask.structure or above
    if structure != mask.structure:
        log(f"{path}: a mask of {above}, as the folder {folder.name} says")
    by_structure = {structure: path} if structure else {}
    return CaseFiles(one_line(name), None if structure else path, by_structure, key=(one_form(name),))


def _describe(path: Path, root: Path) -> _Mask:
    """What a file's path below the root says."""
    parts = path.relative_to(root).parts[:-1]
    folders, own = [what_name_says(part) for part in parts], what_name_says(case_stem(path))
    said = {s.structure for s in (*folders, own) if s.structure}
    fault = own.fault or next((s.fault for s in folders if s.fault), None)
    if len(said) == 2:
        fault = "its path says both GTVp and GTVnd"
    structure = said.pop() if len(said) == 1 else None
    other = own.other or any(s.other and not s.rest for s in folders)
    key = tuple(
        s.rest if s.structure or (s.other and not s.rest) else p for s, p in zip(folders, parts, strict=True)
    )
    rest = "" if says_nothing(own.rest) and (structure or any(key)) else own.rest
    key = tuple(part for part in (*key, rest) if part)
    return _Mask(
        path, key, None if other else structure, rest, own.structure is not None, other, own.hint, fault
    )


def _in_one_form(masks: Iterable[_Mask]) -> list[_Mask]:
    """Names that differ in their Unicode form alone, and so look the same, are spelled as the first of them."""
    first: dict[str, str] = {}
    return [replace(m, key=tuple(first.setdefault(one_form(part), part) for part in m.key)) for m in masks]


def _resolve_hints(masks: list[_Mask]) -> list[_Mask]:
    """Files that end in a word like n are of that structure where another file of the case is of the other one."""
    keys = {m.path: (*m.key[:-1], *filter(None, [without_last_word(m.own_rest)])) for m in masks if m.hint}
    said = {(keys.get(m.path, m.key), m.structure or m.hint) for m in masks}
    resolved = []
    for mask in masks:
        if mask.hint and not mask.structure:
            others = {(keys[mask.path], s) for s in STRUCTURES if s != mask.hint}
            if others & said:
                rest = without_last_word(mask.own_rest)
                mask = replace(
                    mask, key=keys[mask.path], structure=mask.hint, own_rest=rest, says_itself=True
                )
        resolved.append(mask)
    return resolved


def _without_strangers(masks: list[_Mask], root: Path) -> tuple[list[_Mask], list[InputError]]:
    """Masks that form cases, and what is not clear; CTs, organs and what lies in a case's folder are passed over."""
    own_folders = {m.path.parent for m in masks if m.says_itself and not m.own_rest and not m.fault}
    stems: dict[Path, set[str]] = {}
    for mask in masks:
        stems.setdefault(mask.path.parent, set()).add(case_stem(mask.path).casefold())
    structured = [m for m in masks if m.structure and not m.fault]
    keys = {m.key for m in masks if not m.other}
    kept, unclear = [], []
    for mask in masks:
        folder = mask.path.parent
        in_own = folder in own_folders
        if in_own and mask.says_itself and not mask.fault:
            kept.append(replace(mask, key=mask.key[: -1 if mask.own_rest else None]))
        elif _is_passed_over(mask, in_own, folder == root, keys, stems[folder]):
            continue
        elif mask.fault or mask.other:
            fact = mask.fault or "its name says another structure than GTVp and GTVnd"
            unclear.append(InputError(mask.path, fact, "rename or remove it"))
        elif mask.is_whole and (in_own or _is_beside(mask, structured)):
            fact = "not clear whose masks it holds beside files of GTVp or GTVnd"
            unclear.append(InputError(mask.path, fact, "rename or remove it"))
        else:
            kept.append(mask)
    return kept, unclear


def _is_passed_over(mask: _Mask, in_own: bool, in_root: bool, keys: set[Key], stems: set[str]) -> bool:
    """Whether it is no mask of a GTV. in_own: in a case's folder; keys: of all cases; stems: names in its folder."""
    is_ct = case_stem(mask.path).casefold() in CT_PAIR
    if in_own and not mask.structure and (not in_root or mask.other or is_ct):
        return True
    return (mask.other and mask.key in keys) or (is_ct and stems >= CT_PAIR)


def _is_beside(mask: _Mask, structured: list[_Mask]) -> bool:
    """Whether its name goes on where that of a case with files by structure ends, or its folder beside theirs."""
    name = case_stem(mask.path)
    for of in structured:
        same_folder = of.path.parent == mask.path.parent and of.own_rest
        if same_folder and name.startswith(of.own_rest) and name[len(of.own_rest) :][:1] in tuple("_- ."):
            return True
        if len(mask.key) > 1 and not of.says_itself and (*mask.key[:-2], mask.key[-1]) == of.key:
            return True
    return False


def _named_cases(masks: Iterable[_Mask], root: Path, cohort: str) -> list[CaseFiles]:
    """Cases in the order of their files; one with several files for the same has a fault. cohort: the root's."""
    grouped: dict[Key, list[_Mask]] = {}
    for mask in masks:
        grouped.setdefault(mask.key, []).append(mask)
    names = short_names(grouped, root)
    cases = []
    for key, members in grouped.items():
        name = names[key]
        roles = Counter(mask.structure for mask in members)
        fault = None
        if max(roles.values()) > 1 or (None in roles and len(roles) > 1):
            files = [mask.path.relative_to(root).as_posix() for mask in members]
            forms = ", in two Unicode forms" if len(set(map(one_form, files))) < len(files) else ""
            fact = f"{', '.join(files)} could all be {name}{forms}"
            fault = InputError(root, fact, "leave one, or one for each structure")
        whole = next((m.path for m in members if not m.structure), None)
        by_structure = {m.structure: m.path for m in members if m.structure and not whole}
        of_cohort = one_line(cohort_in(key[:-1]) or cohort)
        cases.append(CaseFiles(name, whole, by_structure, fault, of_cohort, tuple(map(one_form, key))))
    return cases


def parts_that_tell(key: Key) -> Key:
    """Those that are names, not words like "masks", or else all."""
    return tuple(part for part in key if not says_nothing(part)) or key


def short_names(keys: Iterable[Key], root: Path) -> dict[Key, str]:
    """The last part that is a name, not a word like "masks"; where that repeats, all such parts, or else all parts."""
    told = {key: parts_that_tell(key) for key in keys}
    ways = [
        {
            key: one_line(parts[-1] if parts else Path(os.path.abspath(root)).name)
            for key, parts in told.items()
        },
        {key: one_line("/".join(parts)) for key, parts in told.items()},
        {key: one_line("/".join(key)) for key in told},
    ]
    counts = [Counter(way.values()) for way in ways]
    return {
        key: next(
            (w[key] for w, count in zip(ways, counts, strict=True) if count[w[key]] == 1), ways[-1][key]
        )
        for key in told
    }


def find_ct(root: Path, name: str) -> Path:
    """The CT of a case: a file, in a folder the one named like the case or the only image; or a folder of DICOM slices.

    Raises InputError if there is none or it is not clear which.
    """
    if root.is_file():
        return root
    folders = [*(root / one_form(name, form) for form in ("NFC", "NFD")), root]
    if slices := [folder for folder in folders if folder.is_dir() and has_slices(folder)]:
        return slices[0]
    files, _ = image_files(root)
    chosen = [path for path in files if _is_called(path, name)] or files
    if len(chosen) != 1:
        raise InputError(root, f"{len(chosen)} images for case {name}", "name the CT of the case")
    return chosen[0]


def _is_called(path: Path, name: str) -> bool:
    """Whether it is the CT of the case; of one whose name has folders in front they are among those above the file."""
    *above, last = one_form(name).split("/")
    *folders, own = (one_form(one_line(part)) for part in (*path.parts[:-1], str(stem(path))))
    if own.casefold() == "image" and folders[-1:] == [last]:
        own = folders.pop()
    return own in (last, f"{last}_0000") and set(above) <= set(folders)


@dataclass(frozen=True)
class MatchedCase:
    """A reference and its prediction, which may be missing. ct: has a DICOM reference's grid; maps: of probability."""

    name: str
    reference: CaseFiles
    prediction: CaseFiles | None
    ct: Path | None = None
    maps: dict[str, Path] | None = None
