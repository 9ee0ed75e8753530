"""Training cases on disk: SegRap's raw layout (both forms of labels) and nnU-Net's; found and read.

SegRap: `<case>/image.nii.gz`, `<case>/image_contrast.nii.gz` and either `<case>/GTVp.nii.gz` and `<case>/GTVnd.nii.gz`
or a label map `<case>.nii.gz` (0, 1 GTVp, 2 GTVnd), anywhere below the folder or below one beside it whose name begins
alike and has "label" in it. nnU-Net: `imagesTr/<case>_0000.*` without and `_0001.*` with contrast,
`labelsTr/<case>.*`. The phantoms' layouts `folder` and `nnunet` are these.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from model.errors import InputError
from model.images.pair import Pair, read_pair
from model.images.read import IMAGE_SUFFIXES, image_suffix, read_labels
from model.structures import LABELS

# SegRap's archive has label maps of both tasks under the same names; this folder is the tumours'.
TASK = "Task002"


@dataclass(frozen=True)
class TrainingCase:
    """Files of a case: both CTs, and its labels: one mask per structure, or one label map under the name ""."""

    name: str
    ct: Path
    ce: Path
    labels: dict[str, Path]


def find_training_cases(root: Path) -> list[TrainingCase]:
    """All cases below a folder, sorted by name. Raises InputError: no folder, no case, or not clear which labels."""
    if not root.is_dir():
        raise InputError(root, "no such folder", "give one with training cases")
    cases = _find_nnunet(root) if (root / "imagesTr").is_dir() else _find_segrap(root)
    if not cases:
        raise InputError(
            root, "no training case", "SegRap's layout has <case>/image_contrast.nii.gz, nnU-Net's imagesTr"
        )
    return cases


def read_training_case(
    case: TrainingCase, log: Callable[[str], None] = lambda line: None
) -> tuple[Pair, np.ndarray]:
    """The pair and its label map, uint8 0/1/2 (z, y, x) in canonical orientation. Raises InputError."""
    if not case.labels:
        raise InputError(case.ct.parent, f"no GTVp, GTVnd or label map of case {case.name}", "add one")
    pair = read_pair(case.ct, case.ce, log)
    if "" in case.labels:
        return pair, read_labels(case.labels[""], pair.grid, len(LABELS))
    label = np.zeros(pair.ct.shape, np.uint8)
    for structure, path in reversed(sorted(case.labels.items(), key=lambda item: LABELS[item[0]])):
        label[read_labels(path, pair.grid, 1) > 0] = LABELS[structure]  # where both are drawn, GTVp
    return pair, label


def _find_segrap(root: Path) -> list[TrainingCase]:
    files = _images_below(root)
    beside = root.resolve().parent.glob(f"{root.resolve().name}*")
    for folder in sorted(path for path in beside if path != root.resolve()):
        if folder.is_dir() and "label" in folder.name.removeprefix(root.resolve().name).lower():
            for name, paths in _images_below(folder).items():
                files.setdefault(name, []).extend(paths)
    cts = files.get("image", []) + files.get("image_contrast", [])
    suffix_of = {path.parent: "".join(path.name.partition(".")[1:]) for path in cts}
    cases = []
    for folder, suffix in sorted(suffix_of.items()):
        masks = {s: folder / f"{s}{suffix}" for s in LABELS if (folder / f"{s}{suffix}").is_file()}
        labels = masks or _label_map(folder.name, files.get(folder.name, []))
        ct, ce = (folder / f"{name}{suffix}" for name in ("image", "image_contrast"))
        cases.append(TrainingCase(folder.name, ct, ce, labels))
    folder_of = {case.name: case.ct.parent for case in cases}
    for case in cases:
        if (other := folder_of[case.name]) != case.ct.parent:
            raise InputError(f"{case.ct.parent} and {other}", "two cases of one name", "rename one")
    return cases


def _images_below(root: Path) -> dict[str, list[Path]]:
    """Image files by their name without suffix."""
    files: dict[str, list[Path]] = {}
    for path in sorted(root.rglob("*")):
        if any(part.startswith(".") for part in path.relative_to(root).parts):
            continue  # half-written, or another system's hidden files
        if suffix := image_suffix(path):
            files.setdefault(path.name.removesuffix(suffix), []).append(path)
    return files


def _label_map(name: str, paths: list[Path]) -> dict[str, Path]:
    of_task = [path for path in paths if TASK in path.parts] or paths
    if len(of_task) > 1:
        raise InputError(f"{of_task[0]} and {of_task[1]}", f"two label maps of case {name}", "leave one")
    return {"": of_task[0]} if of_task else {}


def _find_nnunet(root: Path) -> list[TrainingCase]:
    _check_description(root / "dataset.json")
    cases = []
    for suffix in IMAGE_SUFFIXES:
        ends = [f"_{channel:04d}{suffix}" for channel in (0, 1)]
        images = [path.name for end in ends for path in (root / "imagesTr").glob(f"*{end}")]
        for name in {image[: -len(ends[0])] for image in images}:
            label = root / "labelsTr" / f"{name}{suffix}"
            ct, ce = (root / "imagesTr" / f"{name}{end}" for end in ends)
            cases.append(TrainingCase(name, ct, ce, {"": label} if label.is_file() else {}))
    return sorted(cases, key=lambda case: case.name)


def _check_description(path: Path) -> None:
    """dataset.json, where there is one, must give the labels the values they have here. Raises InputError."""
    if not path.is_file():
        return
    try:
        labels = json.loads(path.read_bytes())["labels"]
        by_name = {str(k): int(v) for k, v in labels.items()} if "background" in labels else None
        by_name = by_name or {str(name): int(value) for value, name in labels.items()}  # nnU-Net v1
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(path, f"no nnU-Net dataset description ({error})", "correct it") from None
    for structure, value in LABELS.items():
        if by_name.get(structure, value) != value:
            raise InputError(path, f"{structure} has label {by_name[structure]}", f"it must have {value}")
