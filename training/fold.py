"""One fold of a data set: trained, written, scored. Its files lie in a folder of its own below the work folder."""

import argparse
from dataclasses import dataclass
from pathlib import Path

from model.network.bundle import Bundle
from model.network.plan import triple
from model.terminal import log
from training.data.cache import load_case
from training.data.planning import with_larger_patches
from training.data.plans import DataPlan
from training.data.sources import TrainingCase
from training.finish import finish
from training.options import OPTIMISERS
from training.provenance import provenance
from training.run.loop import train
from training.run.plan import EPOCH, TrainPlan
from training.run.processes import Processes
from training.run.start import Start

# Of cases that are not prepared yet [voxels].
ANY_SIZE = (1_000_000,) * 3


@dataclass(frozen=True)
class Fold:
    """Names of the cases to train on and of those held out. name: its number, or "all" where none is held out."""

    name: str
    training: tuple[str, ...]
    held_out: tuple[str, ...]

    def folder(self, work: Path) -> Path:
        """Checkpoint, log, curves, scores and the lock of this fold's run; the work folder has what folds share."""
        return work / f"fold_{self.name}"


@dataclass(frozen=True)
class Job:
    """What all folds of a command share. args: train.py's; code: the commit; cache: where prepared cases lie."""

    args: argparse.Namespace
    command: list[str]
    code: str
    start: Start | None
    cases: list[TrainingCase]
    data: DataPlan
    cache: Path


def train_fold(job: Job, fold: Fold, out: Path, team: Processes) -> bool:
    """Train, write the weights to out, validate on whole held-out cases; on all processes alike. Not what is finished.

    Its folder must be locked, and be one that checkpoint.admit admits. False where the training was asked to end: then
    a checkpoint is there to go on from.
    """
    args, folder = job.args, fold.folder(job.args.work)
    plan = run_plan(args, job.data, fold, team.once(lambda: late_plan(job)))
    training, validation = (
        [load_case(job.cache / name) for name in names] for names in (fold.training, fold.held_out)
    )
    state = train(plan, training, validation, folder, team, resume=args.resume, start=job.start)
    if not state.finished:
        if team.first:
            log(f"stopped after {state.iteration} iterations; go on with --resume")
        return False
    bundle = Bundle(
        plan.data.network,
        (plan.late or plan.data).patch_zyx,  # what the network saw last
        plan.data.spacing_zyx,
        plan.data.normalisation,
        mirror_axes=(0, 1, 2) if plan.augmentation.mirror else (),  # no others than it was trained with
        provenance=provenance(args, plan, state, job.code, job.command) | {"fold": fold.name},
        states=(state.result.state_dict(),),
    )
    unseen = [] if args.no_validation else [case for case in job.cases if case.name in fold.held_out]
    team.once(lambda: finish(fold.name, bundle, out, unseen, args.device, folder))
    return True


def late_plan(job: Job) -> DataPlan | None:
    """With the larger patches of a run's end, if the recipe wants any; the same for all folds. Raises InputError."""
    sampling = job.args.recipe.sampling
    if not sampling.late_share:
        return None
    shapes = [load_case(job.cache / case.name).label.shape for case in job.cases]
    largest = triple(max(sides) for sides in zip(*shapes, strict=True))
    return with_larger_patches(job.data, sampling.late_growth, largest, job.args.memory_gb)


def check_late(args: argparse.Namespace, data: DataPlan) -> None:
    """Raises InputError where larger patches cannot be had, however large the cases: before these are prepared."""
    sampling = args.recipe.sampling
    if sampling.late_share:
        with_larger_patches(data, sampling.late_growth, ANY_SIZE, args.memory_gb)


def run_plan(args: argparse.Namespace, data: DataPlan, fold: Fold, late: DataPlan | None = None) -> TrainPlan:
    """What the options say, for these cases."""
    learning_rate, weight_decay = OPTIMISERS[args.optimiser]
    return TrainPlan(
        data,
        iterations=None if args.minutes else EPOCH * args.epochs,
        minutes=args.minutes,
        optimiser=args.optimiser,
        learning_rate=args.learning_rate or learning_rate,
        weight_decay=weight_decay,
        seed=args.seed,
        loss=args.recipe.loss,
        augmentation=args.recipe.augmentation,
        sampling=args.recipe.sampling,
        names=fold.training,
        held_out=fold.held_out,
        late=late,
    )
