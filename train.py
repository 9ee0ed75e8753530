"""Train on a folder of cases and write a weights file: python train.py DATA --out weights/mine.pt.

DATA has SegRap's raw layout or nnU-Net's; --phantoms N generates synthetic cases instead. Under torchrun the same
command line trains on several processes: each has its own batch, and all read --work, so several machines share that
folder. Exit codes: 0 done, 2 bad input or training failed, 130 stopped (--resume); torchrun makes 1 of all but 0.
"""

import signal

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a Ctrl-C while all the rest is loaded ends without a word

import argparse
import sys
import tempfile
from pathlib import Path

import torch

from model.errors import InputError, reason
from model.network.bundle import Bundle, load_bundle
from model.network.placement import choose_device
from model.terminal import STOPPED, log, own_stderr, report, stoppable, take_any_text
from training.data.cache import cache_folder, load_case
from training.data.phantoms import make_phantoms
from training.data.planning import fingerprint, override, plan_for
from training.data.plans import DataPlan
from training.data.sources import TrainingCase, find_training_cases
from training.data.survey import Survey
from training.finish import finish
from training.options import LOSSES, OPTIMISERS, USUAL_FOLDS, parse_arguments
from training.prepare import prepare
from training.provenance import commit, provenance
from training.run.lock import give_back, take
from training.run.loop import train
from training.run.plan import EPOCH, TrainPlan
from training.run.processes import FailedElsewhere, Processes, check_environment, processes
from training.run.recipe import Recipe, read_recipe
from training.run.state import training_dtype
from training.validate import split


def main(arguments: list[str] | None = None) -> int:
    take_any_text()
    args = parse_arguments(arguments, __doc__)
    command = sys.argv if arguments is None else ["train.py", *arguments]
    try:
        check_environment()
        device = choose_device(args.device)
    except InputError as error:
        report(error)
        return 2
    with processes(device) as team:
        try:
            with stoppable():
                return run(args, team, command)
        except KeyboardInterrupt:
            if team.first:
                log("stopped; go on with --resume")
            return STOPPED
        except OSError as error:
            where = error.filename or args.work
            report(InputError(where, reason(error), "free space or choose another --work"))
        except (MemoryError, torch.OutOfMemoryError) as error:
            fact = f"more memory is needed than there is ({reason(error)})"
            report(InputError("--memory-gb", fact, "give less, or a coarser --spacing"))
        except InputError as error:
            report(error)
        except FailedElsewhere as error:
            if error.args:
                report(InputError(f"process {team.rank}", f"lost the others ({error})", "see what they say"))
        return 2


def run(args: argparse.Namespace, team: Processes, command: list[str]) -> int:
    """With the work folder for this run alone, and a place for the weights."""
    team.once(lambda: check_out(args.out))
    lock = team.once(lambda: take(args.work))
    try:
        return trained(args, team, command)
    finally:
        if team.first:
            give_back(lock)


def check_out(out: Path) -> None:
    """Raises InputError where the weights could not be written in the end."""
    try:
        if out.is_dir():
            raise InputError("--out", f"{out} is a folder", "give the weights file to write")
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out.parent):
            pass
    except OSError as error:
        raise InputError("--out", f"{out} cannot be written ({reason(error)})", "choose another") from None


def trained(args: argparse.Namespace, team: Processes, command: list[str]) -> int:
    """Find and check the cases → plan → cache → train → write the weights → validate whole cases."""
    # Now: the repository may have gone on when training ends.
    code = commit()
    data = args.data or args.work / f"phantoms-seed{args.seed}"
    # What the first process decides is sent to the others, which may see the disk a little later.
    start = team.once(lambda: load_bundle(args.start) if args.start else None)
    recipe = team.once(lambda: read_recipe(args.recipe) if args.recipe else Recipe())
    if args.phantoms:
        team.once(lambda: make_phantoms(args.phantoms, args.seed, data, args.jobs))
    cases = team.once(lambda: find_training_cases(data)[: args.phantoms])
    chosen, held_out = divided(cases, args)

    def folder_of(plan: DataPlan) -> Path:
        return cache_folder(args.work, args.data, args.seed, plan)

    def decide(surveys: list[Survey]) -> DataPlan:
        number_bytes = training_dtype(choose_device(args.device)).itemsize
        plan = plan_for(fingerprint(surveys), args.memory_gb, args.features, args.spacing, number_bytes)
        return override(plan, args.config) if args.config else plan

    plan = run_plan(
        args,
        recipe,
        team.once(lambda: prepare(cases, args.work, decide, folder_of, resume=args.resume, jobs=args.jobs)),
        chosen,
    )
    cached = {case.name: load_case(folder_of(plan.data) / case.name) for case in cases}
    training, validation = ([cached[name] for name in names] for names in (chosen, held_out))
    state = train(plan, training, validation, args.work, team, resume=args.resume, start=start)
    if not state.finished:
        if team.first:
            log(f"stopped after {state.iteration} iterations; go on with --resume")
        return STOPPED
    bundle = Bundle(
        plan.data.network,
        plan.data.patch_zyx,
        plan.data.spacing_zyx,
        plan.data.normalisation,
        mirror_axes=(0, 1, 2),
        provenance=provenance(args, plan, state, code, start, command),
        states=(state.network.state_dict(),),
    )
    unseen = [] if args.no_validation else [case for case in cases if case.name in held_out]
    team.once(lambda: finish(bundle, args.out, unseen, args.device, args.work))
    return 0


def divided(cases: list[TrainingCase], args: argparse.Namespace) -> tuple[list[str], list[str]]:
    """Names of the cases to train on, and of those held out. Raises InputError where the folds make no sense."""
    names = [case.name for case in cases]
    if args.fold == "all":
        return names, []
    if len(names) == 1:
        fact = "no case is left to train on besides the held-out one"
        raise InputError(args.data or args.work, fact, "give more cases, or --fold all")
    folds = args.folds or min(USUAL_FOLDS, len(names))
    if folds > len(names):
        raise InputError("--folds", f"{folds} of {len(names)} cases", f"give at most {len(names)}")
    if int(args.fold) >= folds:
        raise InputError("--fold", f"{args.fold} of {folds}, as there are cases", "give a lower one, or all")
    return split(names, folds, int(args.fold), args.seed)


def run_plan(args: argparse.Namespace, recipe: Recipe, data: DataPlan, names: list[str]) -> TrainPlan:
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
        loss=LOSSES[args.loss],
        augmentation=recipe.augmentation,
        sampling=recipe.sampling,
        names=tuple(names),
    )


if __name__ == "__main__":
    own_stderr()
    sys.exit(main())
