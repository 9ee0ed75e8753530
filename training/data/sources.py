"""Training cases on disk: SegRap's raw layout (both forms of labels) and nnU-Net's; found and read.

SegRap: `<case>/image.nii.gz`, `<case>/image_contrast.nii.gz` and either `<case>/GTVp.nii.gz` and `<case>/GTVnd.nii.gz`
(both, an empty one where there is none) or a label map `<case>.nii.gz` (0, 1 GTVp, 2 GTVnd), anywhere below the folder
or below one beside it that is called like it and goes on with "_", "-" or "." and something with "label" in it.
nnU-Net: `imagesTr/<case>_0000.*` without and `_0001.*` with contrast, `labelsTr/<case>.*`. The phantoms' layouts
`folder` and `nnunet` are these. What looks like a file of a case and is not understood is refused: a case, or one of
its structures, would be left out without a word.

Voxels of which nobody knows what they are can be left out of the loss: SegRap's layout has them in a mask
`<case>/ignored.nii.gz`, nnU-Net's as its label "ignore", which is 3.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from model.described import channel_kinds, order_error, wrong_order
from model.documents import read_object
from model.errors import InputError
from model.images.pair import Pair, read_pair
from model.images.read import image_stem, image_suffix, read_labels
from model.structures import LABELS, ignored_value, named_labels, structure_of
from model.terminal import log
from training.data.files import files_below

# SegRap's archive has label maps of both tasks under the same names; this folder is the tumours'.
TASK = "Task002"
CTS = ("image", "image_contrast")
# In the label map of a training case: not counted. In nnU-Net's files the number after the last label.
IGNORED = 255
IGNORED_MASK = "ignored"
IGNORED_NAMES = (IGNORED_MASK, "ignore")
# Of the channels in nnU-Net's layout.
ENDS = ("_0000", "_0001")


@dataclass(frozen=True)
class TrainingCase:
    """Files of a case: both CTs, and its labels: one mask per structure, or one label map under the name "".

    ignored: a mask of what is not counted; highest: the highest value in a label map, 3 where that means not counted.
    """

    name: str
    ct: Path
    ce: Path
    labels: dict[str, Path]
    ignored: Path | None = None
    highest: int = len(LABELS)

    @property
    def files(self) -> tuple[Path, ...]:
        """All of them."""
        return (self.ct, self.ce, *self.labels.values(), *([self.ignored] if self.ignored else []))


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
    case: TrainingCase, warn: Callable[[str], None] = lambda line: None
) -> tuple[Pair, np.ndarray]:
    """The pair and its label map, uint8 0/1/2 or IGNORED (z, y, x), in canonical orientation. Raises InputError.

    Tumour that is marked as ignored, too, counts.
    """
    if not case.labels:
        raise InputError(case.ct.parent, f"no GTVp, GTVnd or label map of case {case.name}", "add one")
    if "" not in case.labels and (missing := LABELS.keys() - case.labels.keys()):
        raise _incomplete(case, " and ".join(missing))
    pair = read_pair(case.ct, case.ce, warn)
    if "" in case.labels:
        label = read_labels(case.labels[""], pair.grid, case.highest)
        label[label > len(LABELS)] = IGNORED
    else:
        label = np.zeros(pair.ct.shape, np.uint8)
        for structure, path in reversed(sorted(case.labels.items(), key=lambda item: LABELS[item[0]])):
            label[read_labels(path, pair.grid, 1) > 0] = LABELS[structure]  # where both are drawn, GTVp
    if case.ignored:
        label[(read_labels(case.ignored, pair.grid, 1) > 0) & (label == 0)] = IGNORED
    return pair, label


def _incomplete(case: TrainingCase, missing: str) -> InputError:
    """What to say of masks of which one is not there: its file may have a name that is not understood."""
    folder = next(iter(case.labels.values())).parent
    stems = {path.name: image_stem(path) for path in sorted(folder.iterdir()) if image_suffix(path)}
    others = [
        name
        for name, stem in stems.items()
        if not (stem.lower() in (*CTS, *IGNORED_NAMES) or structure_of(stem) or stem.startswith("."))
    ]
    fact = f"case {case.name} has {' and '.join(case.labels)} but no {missing}"
    if others:
        more = f" and {len(others) - 3} more" if len(others) > 3 else ""
        fact += f" (not understood: {', '.join(others[:3])}{more})"
    return InputError(folder, fact, "add it: an empty mask where there is none")


def _find_segrap(root: Path) -> list[TrainingCase]:
    files = _images_below(root)
    for folder in _label_folders_beside(root):
        found = _images_below(folder)
        if found:
            log(f"labels are looked for in {folder}, too")
        for name, paths in found.items():
            files.setdefault(name, []).extend(paths)
    mask_folders = _mask_folders(files)
    cases, twice = [], []
    for folder in sorted({path.parent for name in CTS for path in files.get(name, [])}):
        images = {name: [path for path in files.get(name, []) if path.parent == folder] for name in CTS}
        ct, ce = (_only(images[name]) or folder / f"{name}.nii.gz" for name in CTS)
        masks = _masks(folder)
        ignored = masks.pop(IGNORED_MASK, None)
        elsewhere = [*mask_folders.get(folder.name, set()) - {folder}, *files.get(folder.name, [])]
        if masks:
            twice += [folder.name] if elsewhere else []
        elif only := _only_labels(folder.name, elsewhere):
            masks = _masks(only) if only.is_dir() else {"": only}
            ignored = _only([path for path in (ignored, masks.pop(IGNORED_MASK, None)) if path])
        cases.append(TrainingCase(folder.name, ct, ce, masks, ignored))
    if twice:
        what = f"{len(twice)} cases have masks of their own and labels elsewhere, such as {twice[0]}"
        log(f"warning: {what}: their own count")
    case_of = {case.name: case for case in cases}
    for case in cases:
        if (other := case_of[case.name]) is not case:
            raise InputError(f"{case.ct.parent} and {other.ct.parent}", "two cases of one name", "rename one")
    return cases


def _label_folders_beside(root: Path) -> list[Path]:
    """Of the same name with more behind it that says so: of DATA, DATA_labels but not DATA2_labels."""
    name, above = root.resolve().name, root.resolve().parent
    try:
        beside = sorted(path for path in above.iterdir() if path.name.startswith(name) and path.is_dir())
    except OSError:
        return []  # the folder above may be somebody else's
    more_of = {path: path.name[len(name) :] for path in beside}
    return [
        path for path, more in more_of.items() if more[:1] in ("_", "-", ".", " ") and "label" in more.lower()
    ]


def _images_below(root: Path) -> dict[str, list[Path]]:
    """Image files by their name without suffix; of CTs in small letters."""
    files: dict[str, list[Path]] = {}
    for path in files_below(root):
        if image_suffix(path):
            name = image_stem(path)
            files.setdefault(name.lower() if name.lower() in CTS else name, []).append(path)
    return files


def _mask_folders(files: dict[str, list[Path]]) -> dict[str, set[Path]]:
    """By their name, the folders that hold a mask of a structure."""
    folders: dict[str, set[Path]] = {}
    for name, paths in files.items():
        for path in paths if structure_of(name) else []:
            folders.setdefault(path.parent.name, set()).add(path.parent)
    return folders


def _masks(folder: Path) -> dict[str, Path]:
    """The masks in a case's folder by structure, and what is ignored under IGNORED_MASK.

    Raises InputError for two of one, and for a GTV or something ignored of another name.
    """
    masks: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        stem = image_stem(path)
        if stem == path.name or stem.startswith(".") or stem == folder.name:
            continue
        lower = stem.lower()
        name = IGNORED_MASK if lower in IGNORED_NAMES else structure_of(stem)
        if name is None and lower.startswith(("gtv", "ignor")):
            fact = "its name does not say which structure it is"
            raise InputError(path, fact, f"call it {', '.join(LABELS)} or {IGNORED_MASK}, or move it")
        if name:
            if name in masks:
                raise InputError(f"{masks[name]} and {path}", f"two masks of {name}", "leave one")
            masks[name] = path
    return masks


def _only(paths: list[Path]) -> Path | None:
    """The one of several that there may be. Raises InputError for more."""
    if len(paths) > 1:
        raise InputError(f"{paths[0]} and {paths[1]}", "two files for one thing", "leave one")
    return paths[0] if paths else None


def _only_labels(name: str, places: list[Path]) -> Path | None:
    """The one label map, or folder of masks, of a case that has none in its own folder. Raises InputError for more."""
    of_task = sorted(path for path in places if TASK in path.parts) or sorted(places)
    if len(of_task) > 1:
        raise InputError(
            f"{of_task[0]} and {of_task[1]}", f"labels of case {name} in two places", "leave one"
        )
    return of_task[0] if of_task else None


def _find_nnunet(root: Path) -> list[TrainingCase]:
    highest = len(LABELS)
    if (root / "dataset.json").exists():
        highest += _check_description(root / "dataset.json")
    files: dict[str, dict[str, list[Path]]] = {}
    for path in _images_in(root / "imagesTr"):
        name, end = image_stem(path)[: -len(ENDS[0])], image_stem(path)[-len(ENDS[0]) :]
        if end not in ENDS:
            raise InputError(
                path, f"its name does not end in {' or '.join(ENDS)}", "leave two channels a case"
            )
        files.setdefault(name, {}).setdefault(end, []).append(path)
    for path in _images_in(root / "labelsTr"):
        files.setdefault(image_stem(path), {}).setdefault("", []).append(path)
    cases = []
    for name, of_case in sorted(files.items()):
        suffix = image_suffix(next(iter(of_case.values()))[0])
        ct, ce = (_only(of_case.get(end, [])) or root / "imagesTr" / f"{name}{end}{suffix}" for end in ENDS)
        label = _only(of_case.get("", []))
        cases.append(TrainingCase(name, ct, ce, {"": label} if label else {}, None, highest))
    return cases


def _images_in(folder: Path) -> list[Path]:
    """Those that lie directly in a folder, if there is one."""
    paths = sorted(folder.iterdir()) if folder.is_dir() else []
    return [path for path in paths if image_suffix(path) and not path.name.startswith(".")]


def _check_description(path: Path) -> bool:
    """Whether it has the label "ignore". Labels and channels must have the numbers of here. Raises InputError."""
    content = read_object(path, "correct it")
    named = content.get("channel_names"), content.get("modality")  # nnU-Net v2 and v1
    try:
        values, ignore = named_labels(content.get("labels")), ignored_value(content.get("labels"))
        channels = [channel_kinds(names) for names in named if names is not None]
    except ValueError as error:
        raise InputError(path, str(error), "correct it") from None
    for structure, value in LABELS.items():
        if values.get(structure, value) != value:
            raise InputError(path, f"{structure} has label {values[structure]}", f"it must have {value}")
    if ignore not in (None, len(LABELS) + 1):
        raise InputError(path, f"ignore has label {ignore}", f"it must have {len(LABELS) + 1}")
    for name in values.keys() - LABELS.keys():
        fact = f"label {values[name]} is called {name}"
        raise InputError(path, fact, f"only {' and '.join(LABELS)} are labels here")
    for kinds in channels:
        if len(kinds) != len(ENDS):
            raise InputError(path, f"{len(kinds)} channel(s)", "two are needed: CT, CT with contrast")
        if None in kinds or wrong_order(kinds):
            raise order_error(path)
    return ignore is not None
