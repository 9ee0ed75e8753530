"""Maps of probability beside the masks: which belong to which case, and what lesions they hold at which probability."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from evaluation.cases import CaseFiles, Key, find_cases, short_names
from evaluation.lesions import THRESHOLDS, match_lesions
from evaluation.metrics import Spacing, bounding_box
from evaluation.reading import UNUSABLE
from model.errors import InputError
from model.images.read import MAP_REMEDY, read_map
from model.structures import STRUCTURES

# Where a mask may begin.
PROBABILITIES = tuple(round(0.05 * k, 2) for k in range(1, 20))
# What 32 bits may lose of a fraction: one that was written as 0.7 reaches 0.7.
_ROUNDING = 1e-6
# As process.py calls the folders of the maps.
_FOLDER = "probability_{}"


@dataclass(frozen=True)
class LesionCounts:
    """Of one case at a probability. matched: pairs by the least overlap, as in lesions.THRESHOLDS."""

    probability: float
    reference: int
    predicted: int
    matched: dict[str, int]


def find_maps(root: Path, others: Collection[Path] = ()) -> list[CaseFiles]:
    """Cases' files by structure: in folders as process.py names them, or in those of any layout of a file each.

    others: what was given for something else and is left out, as in find_cases. Raises InputError where there are none,
    it is not clear whose they are, or all of a structure are masks.
    """
    folders = {structure: root / _FOLDER.format(structure) for structure in STRUCTURES}
    found: dict[Key, CaseFiles] = {}
    for folder in [path for path in folders.values() if path.is_dir()] or [root]:
        cases = find_cases(folder, others)
        if cases.problems:
            raise cases.problems[0]
        for case in cases.cases.values():
            if case.fault:
                raise case.fault
            # By keys, as each folder has names of its own: P1 in one may be Cohort1/P1 in the other.
            before = found[case.key].by_structure if case.key in found else {}
            found[case.key] = replace(case, by_structure=before | case.by_structure)
    names = short_names(found, root)
    maps = [replace(case, name=names[key]) for key, case in found.items()]
    if not any(case.by_structure for case in maps):
        remedy = f"name folders {' and '.join(path.name for path in folders.values())}"
        raise InputError(root, "no file whose name says GTVp or GTVnd", remedy)
    for structure in STRUCTURES:
        of_all = (case.by_structure.get(structure) for case in maps)
        _check_no_masks(root, structure, [path for path in of_all if path])
    return maps


def _check_no_masks(root: Path, structure: str, paths: list[Path]) -> None:
    """Raises InputError where 0 and 1 are all that they hold. A single map may, of a case where hardly anything is.

    The first map that goes above 1, or between in fractions, settles it. What cannot be read is left to those who score
    its case.
    """
    highest = 0
    for path in paths:
        try:
            array, _ = read_map(path)
        except UNUSABLE:
            continue
        highest = max(highest, int(array.max()))
        if highest > 1 or (array.dtype.kind == "f" and ((array > 0) & (array < 1)).any()):
            return
    if highest == 1:
        fact = f"no value but 0 and 1 in the maps of {structure}, as in masks"
        raise InputError(root, fact, MAP_REMEDY)


def lesion_counts(
    probable: np.ndarray, reference: np.ndarray, spacing_zyx: Spacing
) -> tuple[LesionCounts, ...]:
    """At each of the probabilities. probable: as read_map has it; reference: bool (z, y, x); spacing in mm."""
    least = [probability - _ROUNDING for probability in PROBABILITIES]
    if probable.dtype.kind != "f":  # compared with fractions they would take twice as long
        least = [int(np.ceil(255 * level)) for level in least]
    box = bounding_box((probable >= least[0]) | reference)
    if box is not None:
        probable, reference = probable[box], reference[box]
    counts = []
    for probability, level in zip(PROBABILITIES, least, strict=True):
        matching = match_lesions(probable >= level, reference, spacing_zyx)
        matched = {name: matching.matched(name) for name in THRESHOLDS}
        counts.append(LesionCounts(probability, len(matching.lesions), matching.predicted, matched))
    return tuple(counts)
