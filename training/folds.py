"""The folds of one command: which cases each has, where its weights go; one is trained after the other."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from model.errors import InputError
from model.terminal import log, show
from training.data.groups import GROUPS, read_groups
from training.data.sources import TrainingCase
from training.fold import Fold, Job, train_fold
from training.options import USUAL_FOLDS
from training.results import folds_table, read_results
from training.run.processes import Processes
from training.splits import ALL, Split, cut, first_cases, read_splits


def divided(cases: list[TrainingCase], args: argparse.Namespace) -> tuple[list[TrainingCase], list[Fold]]:
    """The cases that are of any use, and the folds that the options ask for.

    Raises InputError where these make no sense of the cases.
    """
    names = [case.name for case in cases]
    patient_of = read_groups(args.data) if args.data else {}
    if patient_of and (alone := sorted(set(names) - patient_of.keys())):
        log(f"warning: {len(alone)} cases are not in {GROUPS}, such as {alone[0]}: each counts as a patient")
    splits = read_splits(args.splits, names) if args.splits else _cut_by_seed(names, patient_of, args)
    used = {name for split in splits for name in split.named} if args.splits else set(names)
    if unused := len(cases) - len(used):
        log(f"{unused} of {len(cases)} cases are in no list of {args.splits} and are left out")
    folds = []
    for name in args.fold:
        if name == ALL:
            folds.append(Fold(ALL, tuple(sorted(used)), ()))
        elif int(name) >= len(splits):
            of = f"in {args.splits}" if args.splits else f"as there are {_units(patient_of)}"
            raise InputError("--fold", f"{name} of {len(splits)}, {of}", "give a lower one, or all")
        else:
            split = splits[int(name)]
            folds.append(Fold(name, split.training, split.held_out))
            _warn_of_parted(folds[-1], patient_of)
    return [case for case in cases if case.name in used], folds


def _cut_by_seed(names: list[str], patient_of: dict[str, str], args: argparse.Namespace) -> list[Split]:
    if args.fold == (ALL,):
        return []
    there = len(set(first_cases(names, patient_of).values()))
    units = _units(patient_of)
    if there == 1:
        fact = f"no {units.removesuffix('s')} is left to train on besides the held-out one"
        raise InputError(args.data or args.work, fact, f"give more {units}, or --fold all")
    count = args.folds or min(USUAL_FOLDS, there)
    if count > there:
        raise InputError("--folds", f"{count} of {there} {units}", f"give at most {there}")
    return [cut(names, count, fold, args.seed, patient_of) for fold in range(count)]


def _units(patient_of: dict[str, str]) -> str:
    """What is cut into folds."""
    return "patients" if patient_of else "cases"


def _warn_of_parted(fold: Fold, patient_of: dict[str, str]) -> None:
    """Where a file of one's own has cases of one patient on both sides."""
    trained, held_out = (
        {patient_of[name] for name in names if name in patient_of} for names in (fold.training, fold.held_out)
    )
    if both := sorted(trained & held_out):
        what = f"{len(both)} patients, such as {both[0]}, are trained on and held out"
        log(f"warning: fold {fold.name}: {what} ({GROUPS}): its scores are too good")


def weights_of(out: Path, folds: tuple[str, ...]) -> dict[str, Path]:
    """Where each fold's weights go: one's to the file itself, several's to files beside it: mine-fold0.pt and so on."""
    if len(folds) == 1:
        return {folds[0]: out}
    return {name: out.with_name(f"{out.stem}-fold{name}{out.suffix}") for name in folds}


def check_weights(outs: dict[str, Path], work: Path) -> None:
    """Raises InputError where weights of one fold would take the place of those of another that is done."""
    for result in read_results(work):
        for name, out in outs.items():
            if name != result.fold and out.exists() and out.resolve() == result.weights:
                fact = f"{out} holds the weights of fold {result.fold}"
                raise InputError("--out", fact, "choose another, or delete it")


def train_folds(job: Job, folds: list[Fold], outs: dict[str, Path], team: Processes) -> bool:
    """One after the other, on all processes alike; then a table over all folds of the work folder that are done.

    False where the training was asked to end.
    """
    for fold in folds:
        if team.first and len(folds) > 1:
            log(f"fold {fold.name}: {len(fold.training)} cases to train on, {len(fold.held_out)} held out")
        if not train_fold(job, fold, outs[fold.name], team):
            return False
    team.once(lambda: show_table(job.args.work, [fold.name for fold in folds]))
    return True


def show_table(work: Path, mine: Sequence[str]) -> None:
    """Over all folds that are done, if they are several. Raises InputError.

    mine: those of this command. Others that held out a case of these are left out: of another division of the cases.
    """
    results = [result for result in read_results(work) if result.cases]
    held_out = {case.name for result in results if result.fold in mine for case in result.cases}
    others = {
        result.fold
        for result in results
        if result.fold not in mine and held_out & {case.name for case in result.cases}
    }
    if others:
        names = ", ".join(sorted(others))
        log(f"warning: {work}: fold {names} held out cases that this command's folds did: not in the table")
    results = [result for result in results if result.fold not in others]
    if len(results) > 1:
        show(folds_table(results))
