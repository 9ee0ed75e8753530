"""Which ROIs of a structure set, or segments, are GTVp and GTVnd: by their names, or as the user says."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from evaluation.names import what_name_says
from model.errors import InputError, one_line
from model.structures import STRUCTURES

# What several parts of one structure are told apart by: numbers, sides, levels of the neck.
_TOKEN = r"(?:\d{1,2}[a-c]?|[a-c]|l|r|li|re|lt|rt|left|right|links|rechts|(?:iv|v|v?i{1,3})[ab]?|rp|retropharyngeal)"
PART = re.compile(rf"[\W_]*(?:{_TOKEN}(?:[\W_]+{_TOKEN})*)?[\W_]*", re.I)
ALONE = re.compile(r"gtvs?", re.I)
MOST_NAMED = 30
HOW = "python -m dicom from-rtstruct (or from-seg) with --gtvp NAME and --gtvnd NAME chooses"


class Named(Protocol):
    """A ROI or a segment, and whether there is anything of it."""

    @property
    def name(self) -> str: ...

    @property
    def drawn(self) -> bool: ...


One = TypeVar("One", bound=Named)


def choose(path: Path, rois: Sequence[One], asked: dict[str, list[str]]) -> dict[str, list[One]]:
    """ROIs by structure, several where they are parts of one, as GTVn1 and GTVn2 are; none of ROIs without contours.

    asked: names by structure, as they stand in the file; what is not asked for is chosen by name. Raises InputError,
    with all names, where that is not clear or nothing is found.
    """
    chosen = {structure: _named(path, rois, names) for structure, names in asked.items() if names}
    drawn = [roi for roi in rois if roi.drawn]
    taken = {id(roi) for rois in chosen.values() for roi in rois}
    free = [roi for roi in drawn if id(roi) not in taken]
    for structure in STRUCTURES:
        if structure not in chosen and (found := _by_name(path, free, structure)):
            chosen[structure] = found
    if not chosen:
        raise _unclear(path, "no ROI with contours is named as a GTVp or GTVnd", rois)
    return {structure: chosen[structure] for structure in STRUCTURES if structure in chosen}


def left_by_name(rois: Sequence[One], chosen: dict[str, list[One]], asked: Iterable[str] = ()) -> list[str]:
    """Names of what is drawn and named as a structure that was chosen by name, but was not taken: for a warning."""
    taken = {id(roi) for parts in chosen.values() for roi in parts}
    by_name = set(chosen) - set(asked)
    left = [roi for roi in rois if roi.drawn and id(roi) not in taken]
    return [one_line(roi.name) for roi in left if what_name_says(roi.name).structure in by_name]


def said_to_be(rois: Sequence[One], chosen: dict[str, list[One]]) -> list[One]:
    """What was chosen, and what else is named as GTVp, GTVnd or GTV."""
    taken = {id(roi) for parts in chosen.values() for roi in parts}
    named = [what_name_says(roi.name).structure or ALONE.fullmatch(roi.name.strip(" _-")) for roi in rois]
    return [roi for roi, name in zip(rois, named, strict=True) if name or id(roi) in taken]


def _named(path: Path, rois: Sequence[One], names: Sequence[str]) -> list[One]:
    chosen = []
    for name in names:
        found = [roi for roi in rois if roi.name == name.strip()]
        # Planning systems keep ROIs that nobody drew, beside those of the same name that somebody did.
        found = [roi for roi in found if roi.drawn] or found[:1]
        if len(found) != 1:
            fact = f"{'no ROI is' if not found else f'{len(found)} ROIs are'} called {name!r}"
            raise _unclear(path, fact, rois)
        if not found[0].drawn:
            raise _unclear(path, f"ROI {name!r} has no closed contour", rois)
        chosen += found
    return chosen


def _by_name(path: Path, rois: list[One], structure: str) -> list[One]:
    """Empty where no name says the structure. A plain GTV is the primary tumour's where no other is named so."""
    said = {id(roi): what_name_says(roi.name) for roi in rois}
    parts = [
        roi
        for roi in rois
        if said[id(roi)].structure == structure and PART.fullmatch(_rest(said[id(roi)].rest))
    ]
    unclear = [roi for roi in rois if said[id(roi)].structure == structure and roi not in parts]
    if not parts and not unclear and structure == STRUCTURES[0]:
        parts = [roi for roi in rois if ALONE.fullmatch(roi.name.strip(" _-"))]
    names = [roi.name for roi in parts]
    whole = [roi for roi in parts if not _rest(said[id(roi)].rest) or ALONE.fullmatch(roi.name.strip(" _-"))]
    if len(set(names)) < len(names) or len(whole) > 1 or (whole and len(parts) > 1):
        raise _unclear(path, f"several ROIs may be {structure}", parts)
    if unclear and not whole:
        raise _unclear(path, f"not clear which ROI is {structure}", [*parts, *unclear])
    return parts


def _rest(rest: str) -> str:
    return rest.strip(" _-.,+()[]")


def _unclear(path: Path, fact: str, rois: Iterable[Named]) -> InputError:
    names = [one_line(roi.name) for roi in rois]
    shown = ", ".join(names[:MOST_NAMED]) + (", ..." if len(names) > MOST_NAMED else "")
    return InputError(path, f"{fact} (ROIs: {shown or 'none'})", HOW)
