"""Which cases a fold trains on and which it holds out: cut by the seed, or named in a file of one's own."""

import re
from argparse import ArgumentTypeError
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from model.documents import read_json
from model.errors import InputError
from model.network.plain import quoted

# The fold that holds nothing out.
ALL = "all"
# More than anybody cuts cases into.
MOST_FOLDS = 1000
LISTS = ("train", "val")
REMEDY = 'give a list of {"train": [names], "val": [names]}, as nnU-Net\'s splits_final.json is'


@dataclass(frozen=True)
class Split:
    """Names of the cases to train on and of those held out, both sorted."""

    training: tuple[str, ...]
    held_out: tuple[str, ...]

    @property
    def named(self) -> set[str]:
        return {*self.training, *self.held_out}


def cut(
    names: list[str], folds: int, fold: int, seed: int, patient_of: dict[str, str] | None = None
) -> Split:
    """A seeded permutation of the patients, cut into folds of nearly equal size; the cases of one fold are held out.

    patient_of: by case. Others are each a patient's of their own.
    """
    first_of = first_cases(names, patient_of or {})
    # By the first case of each: without patient_of the cut stays that of runs from before there was any.
    order = np.random.default_rng(seed).permutation(sorted(set(first_of.values())))
    chosen = {str(first) for first in order[fold::folds]}
    held_out = {name for name in names if first_of[name] in chosen}
    return Split(tuple(n for n in sorted(names) if n not in held_out), tuple(sorted(held_out)))


def first_cases(names: list[str], patient_of: dict[str, str]) -> dict[str, str]:
    """For each case the first one of its patient."""
    first: dict[str, str] = {}
    return {
        name: first.setdefault(patient_of[name], name) if name in patient_of else name
        for name in sorted(names)
    }


def read_splits(path: Path, names: list[str]) -> list[Split]:
    """The splits in a file: [{"train": [...], "val": [...]}, ...], one per fold; names are those of all cases.

    Raises InputError where the file cannot be read, or a split has an empty list, a name twice, or none of the cases'.
    """
    entries = read_json(path, REMEDY)
    if not isinstance(entries, list) or not entries:
        raise InputError(path, f"is {quoted(entries)}, not a list of splits", REMEDY)
    if len(entries) > MOST_FOLDS:
        raise InputError(path, f"{len(entries)} splits", f"give at most {MOST_FOLDS}")
    known = set(names)
    splits = []
    for number, entry in enumerate(entries):
        try:
            splits.append(_split(entry, known))
        except ValueError as error:
            raise InputError(path, f"fold {number}: {error}", "correct it") from None
    return splits


def _split(entry: Any, known: set[str]) -> Split:
    """Raises ValueError for whatever makes no sense."""
    if not isinstance(entry, dict) or set(entry) != set(LISTS):
        raise ValueError(f"is {quoted(entry)}, not lists of names for {' and '.join(LISTS)}")
    for what in LISTS:
        listed = entry[what]
        if not isinstance(listed, list) or not all(isinstance(name, str) for name in listed):
            raise ValueError(f"{what} is {quoted(listed)}, not a list of names")
        if not listed:
            raise ValueError(f"{what} is empty")
        if unknown := sorted(set(listed) - known):
            raise ValueError(f"{len(unknown)} names in {what} are of no case, such as {quoted(unknown[0])}")
        if twice := sorted(name for name in set(listed) if listed.count(name) > 1):
            raise ValueError(f"{quoted(twice[0])} stands in {what} twice")
    train, val = (tuple(sorted(entry[what])) for what in LISTS)
    if both := sorted(set(train) & set(val)):
        raise ValueError(f"{len(both)} cases are in train and in val, such as {quoted(both[0])}")
    return Split(train, val)


def fold_list(text: str) -> tuple[str, ...]:
    """For argparse's type: one number, a range, a list of both, or all. Ascending."""
    if text == ALL:
        return (ALL,)
    wanted: list[int] = []
    for part in text.split(","):
        found = re.fullmatch(r"([0-9]{1,4})(?:-([0-9]{1,4}))?", part)
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
        if not first <= last < MOST_FOLDS:
            raise ArgumentTypeError(f"{text[:40]!r} makes no sense; give numbers (0 or 0,2 or 0-4), or {ALL}")
        wanted += range(first, last + 1)
    if len(set(wanted)) < len(wanted):
        raise ArgumentTypeError(f"{text[:40]!r} has a fold twice; give each once")
    return tuple(map(str, sorted(wanted)))
