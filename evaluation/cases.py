"""Which files form a case on either side, and which cases belong together.

Recognised below a folder, mixed as they come: one file per case (label map or 4D channels), also in `labelsTr`,
`images/gross-tumor-volume-segmentation` or `Cohort1`; and a folder per case with one binary file per structure
(`<case>/GTVp.nii.gz`). CTs are passed over.
"""

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from model.errors import InputError
from model.images.read import IMAGE_SUFFIXES, image_suffix
from model.structures import STRUCTURES

CT_FOLDERS = ("imagesTr", "imagesTs", "head-neck-ct", "head-neck-contrast-enhanced-ct")


@dataclass(frozen=True)
class CaseFiles:
    """A case's name and its masks: one file with all structures, or one file for each structure."""

    name: str
    whole: Path | None
    by_structure: dict[str, Path]


def stem(path: Path) -> str | None:
    """File name without its image suffix; None for a file of another kind."""
    suffix = image_suffix(path)
    return path.name[: -len(suffix)] if suffix and not path.name.startswith(".") else None


def _image_files(folder: Path) -> list[Path]:
    """All image files below a folder, also below links to folders, of which subsets of a data set are made."""
    paths = [Path(top, name) for top, _, names in os.walk(folder, followlinks=True) for name in names]
    return sorted(path for path in paths if path.is_file() and stem(path) is not None)


def _mask_files(folder: Path) -> list[Path]:
    """Image files below a folder that may hold masks; beside a structure's file, only structures' files."""
    files = _image_files(folder)
    files = [p for p in files if not set(p.relative_to(folder).parts[:-1]) & set(CT_FOLDERS)]
    structured = {p.parent for p in files if stem(p) in STRUCTURES}
    return [
        p
        for p in files
        if (stem(p) in STRUCTURES if p.parent in structured else not str(stem(p)).startswith("image"))
    ]


def find_cases(root: Path) -> dict[str, CaseFiles]:
    """Cases by name in a file or below a folder; names that repeat become paths relative to the folder.

    Raises InputError if it does not exist or holds no masks.
    """
    if root.is_file():
        name = stem(root)
        if name is None:
            raise InputError(root, "no image file", f"give one with suffix {', '.join(IMAGE_SUFFIXES)}")
        return {name: CaseFiles(name, root, {})}
    if not root.is_dir():
        raise InputError(root, "no such file or folder", "give one with masks")
    whole: list[Path] = []
    grouped: dict[Path, dict[str, Path]] = {}
    for path in _mask_files(root):
        structure = str(stem(path))
        if structure in STRUCTURES:
            grouped.setdefault(path.parent, {})[structure] = path
        else:
            whole.append(path)
    owners = [path.with_name(str(stem(path))) for path in whole] + list(grouped)
    if not owners:
        raise InputError(root, "no masks in it", f"give files with suffix {', '.join(IMAGE_SUFFIXES)}")
    repeated = {
        name for name, count in Counter(owner.resolve().name for owner in owners).items() if count > 1
    }
    cases = {}
    for owner, file in zip(owners, [*whole, *[None for _ in grouped]], strict=True):
        name = owner.resolve().name
        name = owner.relative_to(root).as_posix() if name in repeated else name
        cases[name] = CaseFiles(name, file, {} if file else grouped[owner])
    return cases


def find_ct(root: Path, name: str) -> Path:
    """The CT of a case: a file, or in a folder the one named like the case, or the folder's only image.

    Raises InputError if there is none or it is not clear which.
    """
    if root.is_file():
        return root
    files = _image_files(root)
    named = [
        p
        for p in files
        if stem(p) in (name, f"{name}_0000") or (p.parent.name == name and stem(p) == "image")
    ]
    chosen = named or files
    if len(chosen) != 1:
        raise InputError(root, f"{len(chosen)} images for case {name}", "name the CT of the case")
    return chosen[0]


@dataclass(frozen=True)
class MatchedCase:
    """A reference and its prediction, which may be missing."""

    name: str
    reference: CaseFiles
    prediction: CaseFiles | None


def match_cases(
    predictions: dict[str, CaseFiles], references: dict[str, CaseFiles]
) -> tuple[list[MatchedCase], list[str]]:
    """References with the predictions of their name, in the references' order, and names of predictions without one.

    With one case on each side they belong together whatever their names.
    """
    if len(predictions) == len(references) == 1:
        (prediction,), (reference,) = predictions.values(), references.values()
        return [MatchedCase(reference.name, reference, prediction)], []
    matched = [MatchedCase(name, case, predictions.get(name)) for name, case in references.items()]
    return matched, [name for name in predictions if name not in references]
