"""Scoring of one case after the other; a case with a problem says so and lets the others go on."""

from dataclasses import dataclass, field, replace
from math import nan, prod

import numpy as np

from evaluation.cases import MatchedCase
from evaluation.lesions import Matching, match_lesions
from evaluation.metrics import Score, score
from evaluation.probabilities import LesionCounts, lesion_counts
from evaluation.reading import UNUSABLE, Masks, check_same_grid, read_masks
from model.errors import InputError, reason
from model.images.read import read_grid, read_map


@dataclass(frozen=True)
class Settings:
    """What to score: structures and the NSD's tolerances."""

    structures: tuple[str, ...]
    tolerances_mm: tuple[float, ...]


@dataclass(frozen=True)
class CaseResult:
    """Scores of a case by structure (none if its reference cannot be used) and its problems in words.

    lesions: by structure, where they were matched. probable: lesions of maps of probability, where they are given.
    voxels, voxel_cm3: of the reference's grid.
    """

    name: str
    scores: dict[str, Score]
    problems: tuple[str, ...]
    lesions: dict[str, Matching] = field(default_factory=dict)
    probable: dict[str, tuple[LesionCounts, ...]] = field(default_factory=dict)
    voxels: int = 0
    voxel_cm3: float = nan


def _read_prediction(
    case: MatchedCase, reference: Masks, settings: Settings
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Predicted masks that can be used, and why others cannot."""
    if case.prediction is None:
        return {}, [f"{case.name}: no prediction, scored 0"]
    try:
        masks = read_masks(case.prediction, tuple(reference.arrays), reference.grid)
        check_same_grid(masks.grid, reference.grid, masks.path, reference.path)
    except UNUSABLE as error:
        return {}, [f"{case.name}: {_words(error)} (scored 0)"]
    absent = [s for s in reference.arrays if s not in masks.arrays]
    problems = [f"{case.name}: {oddity}" for oddity in masks.oddities]
    return masks.arrays, problems + [f"{case.name}: no predicted {s}, scored 0" for s in absent]


def evaluate_case(case: MatchedCase, settings: Settings) -> CaseResult:
    """Scores of one case; what cannot be read or lies on another grid than the reference counts as missing."""
    try:
        return _evaluate(case, settings)
    except UNUSABLE as error:
        return CaseResult(case.name, {}, (f"{case.name}: {_words(error)} (not scored)",))


def _words(error: BaseException) -> str:
    if isinstance(error, MemoryError):
        return "more memory is needed than there is"
    return str(error) if isinstance(error, InputError) else reason(error)


def _evaluate(case: MatchedCase, settings: Settings) -> CaseResult:
    """Raises UNUSABLE where the reference is."""
    grid = read_grid(case.ct) if case.ct else None
    reference = read_masks(case.reference, settings.structures, grid)
    predicted, problems = _read_prediction(case, reference, settings)
    problems += [f"{case.name}: {oddity}" for oddity in reference.oddities]
    scores, lesions = {}, {}
    for structure in settings.structures:
        if structure not in reference.arrays:
            problems.append(f"{case.name}: no reference {structure}, not scored")
            continue
        truth = reference.arrays[structure]
        mask = predicted.get(structure, np.zeros((), bool))
        mask = mask if mask.ndim else np.broadcast_to(mask, truth.shape)
        result = score(mask, truth, reference.grid.spacing_zyx, settings.tolerances_mm)
        if structure not in predicted:
            result = replace(result, dsc=0.0, iou=0.0, nsd=(0.0,) * len(settings.tolerances_mm))
            result = replace(result, lesions=replace(result.lesions, missing=True))
        scores[structure] = result
        lesions[structure] = match_lesions(mask, truth, reference.grid.spacing_zyx)
    probable = _probable(case, reference, problems)
    voxels, voxel_cm3 = prod(reference.grid.size_xyz), prod(reference.grid.spacing_xyz) / 1000
    return CaseResult(case.name, scores, tuple(problems), lesions, probable, voxels, voxel_cm3)


def _probable(
    case: MatchedCase, reference: Masks, problems: list[str]
) -> dict[str, tuple[LesionCounts, ...]]:
    """Lesions of the maps that can be used; why others cannot is added to the problems."""
    found: dict[str, tuple[LesionCounts, ...]] = {}
    if case.maps is None:
        return found
    for structure, truth in reference.arrays.items():
        if structure not in case.maps:
            problems.append(f"{case.name}: no map of {structure}'s probability, left out of the FROC")
            continue
        try:
            probable, grid = read_map(case.maps[structure])
            check_same_grid(grid, reference.grid, case.maps[structure], reference.path)
        except UNUSABLE as error:
            problems.append(f"{case.name}: {_words(error)} (left out of the FROC)")
        else:
            found[structure] = lesion_counts(probable, truth, reference.grid.spacing_zyx)
    return found
