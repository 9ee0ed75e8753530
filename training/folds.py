"""The folds of one command: which cases each has, where its weights go; one is trained after the other."""

import argparse
from pathlib import Path

from model.errors import InputError
from model.terminal import log, show
from training.data.sources import TrainingCase
from training.fold import Fold, Job, train_fold
from training.options import USUAL_FOLDS
from training.results import folds_table, read_results
from training.run.processes import Processes
from training.splits import ALL, Split, cut, read_splits


def divided(cases: list[TrainingCase], args: argparse.Namespace) -> tuple[list[TrainingCase], list[Fold]]:
    """The cases that are of any use, and the folds that the options ask for.

    Raises InputError where these make no sense of the cases.
    """
    names = [case.name for case in cases]
    splits = read_splits(args.splits, names) if args.splits else _cut_by_seed(names, args)
    used = {name for split in splits for name in split.named} if args.splits else set(names)
    if unused := len(cases) - len(used):
        log(f"{unused} of {len(cases)} cases are in no list of {args.splits} and are left out")
    folds = []
    for name in args.fold:
        if name == ALL:
            folds.append(Fold(ALL, tuple(sorted(used)), ()))
        elif int(name) >= len(splits):
            of = f"in {args.splits}" if args.splits else "as there are cases"
            raise InputError("--fold", f"{name} of {len(splits)}, {of}", "give a lower one, or all")
        else:
            split = splits[int(name)]
            folds.append(Fold(name, split.training, split.held_out))
    return [case for case in cases if case.name in used], folds


def _cut_by_seed(names: list[str], args: argparse.Namespace) -> list[Split]:
    if args.fold == (ALL,):
        return []
    if len(names) == 1:
        fact = "no case is left to train on besides the held-out one"
        raise InputError(args.data or args.work, fact, "give more cases, or --fold all")
    count = args.folds or min(USUAL_FOLDS, len(names))
    if count > len(names):
        raise InputError("--folds", f"{count} of {len(names)} cases", f"give at most {len(names)}")
    return [cut(names, count, fold, args.seed) for fold in range(count)]


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
    team.once(lambda: show_table(job.args.work))
    return True


def show_table(work: Path) -> None:
    """Over all folds that are done, if they are several. Raises InputError."""
    results = [result for result in read_results(work) if result.cases]
    if len(results) > 1:
        show(folds_table(results))
