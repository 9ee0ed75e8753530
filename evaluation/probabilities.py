"""Maps of probability beside the masks: which belong to which case, and what lesions they hold at which probability."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evaluation.cases import find_cases
from evaluation.lesions import THRESHOLDS, match_lesions
from evaluation.metrics import Spacing, bounding_box
from model.errors import InputError
from model.structures import STRUCTURES

# Where a mask may begin.
PROBABILITIES = tuple(round(0.05 * k, 2) for k in range(1, 20))
# As process.py calls the folders of the maps.
_FOLDER = "probability_{}"


@dataclass(frozen=True)
class LesionCounts:
    """Of one case at a probability. matched: pairs by the least overlap, as in lesions.THRESHOLDS."""

    probability: float
    reference: int
    predicted: int
    matched: dict[str, int]


def find_maps(root: Path) -> dict[str, dict[str, Path]]:
    """Files by case and structure: in folders as process.py names them, or in those of any layout of a file each.

    Raises InputError where there are none, or it is not clear whose they are.
    """
    folders = {structure: root / _FOLDER.format(structure) for structure in STRUCTURES}
    found: dict[str, dict[str, Path]] = {}
    for folder in [path for path in folders.values() if path.is_dir()] or [root]:
        cases = find_cases(folder)
        if cases.problems:
            raise cases.problems[0]
        for name, case in cases.cases.items():
            if case.fault:
                raise case.fault
            found.setdefault(name, {}).update(case.by_structure)
    if not any(found.values()):
        remedy = f"name folders {' and '.join(path.name for path in folders.values())}"
        raise InputError(root, "no file whose name says GTVp or GTVnd", remedy)
    return found


def lesion_counts(
    levels: np.ndarray, reference: np.ndarray, spacing_zyx: Spacing
) -> tuple[LesionCounts, ...]:
    """At each of the probabilities. levels: uint8 (z, y, x), 255 is certain; reference: bool; spacing in mm."""
    least = [int(np.ceil(255 * probability)) for probability in PROBABILITIES]
    box = bounding_box((levels >= least[0]) | reference)
    if box is not None:
        levels, reference = levels[box], reference[box]
    counts = []
    for probability, level in zip(PROBABILITIES, least, strict=True):
        matching = match_lesions(levels >= level, reference, spacing_zyx)
        matched = {name: matching.matched(name) for name in THRESHOLDS}
        counts.append(LesionCounts(probability, len(matching.lesions), matching.predicted, matched))
    return tuple(counts)
