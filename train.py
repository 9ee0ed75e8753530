"""Train on a folder of cases and write a weights file: python train.py DATA --out weights/mine.pt.

DATA has SegRap's raw layout or nnU-Net's; --phantoms N generates synthetic cases instead. Under torchrun the same
command line trains on several processes: each has its own batch, and all read --work, so several machines share that
folder. Exit codes: 0 done, 2 bad input or training failed, 130 stopped (--resume); torchrun makes 1 of all but 0.
"""

import argparse
import sys
from pathlib import Path

from model.errors import InputError, reason
from model.network.bundle import Bundle, load_bundle
from model.network.placement import choose_device
from model.terminal import log, report, take_any_text
from training.data.cache import cache_folder, load_case
from training.data.phantoms import make_phantoms
from training.data.planning import DataPlan, fingerprint, override, plan_for, read_plan
from training.data.sources import TrainingCase, find_training_cases
from training.data.survey import Survey
from training.finish import finish
from training.options import LOSSES, OPTIMISERS, parse_arguments
from training.prepare import PLAN, prepare
from training.provenance import commit, provenance
from training.run.loop import train
from training.run.plan import EPOCH, TrainPlan
from training.run.processes import FailedElsewhere, Processes, processes
from training.run.state import training_dtype
from training.validate import split


def main(arguments: list[str] | None = None) -> int:
    take_any_text()
    args = parse_arguments(arguments, __doc__)
    command = sys.argv if arguments is None else ["train.py", *arguments]
    try:
        device = choose_device(args.device)
    except InputError as error:
        report(error)
        return 2
    with processes(device) as team:
        try:
            return run(args, team, command)
        except OSError as error:
            where = error.filename or args.work
            report(InputError(where, reason(error), "free space or choose another --work"))
        except InputError as error:
            report(error)
        except FailedElsewhere:
            pass
        return 2


def run(args: argparse.Namespace, team: Processes, command: list[str]) -> int:
    """Find and check the cases → plan → cache → train → validate whole cases → write the weights."""
    # Now: the repository may have gone on when training ends.
    code = commit()
    data = args.data or args.work / f"phantoms-seed{args.seed}"
    if args.phantoms:
        team.once(lambda: make_phantoms(args.phantoms, args.seed, data, args.jobs))
    cases = find_training_cases(data)[: args.phantoms]
    chosen, held_out = divided(cases, args)
    start = load_bundle(args.start) if args.start else None

    def folder_of(plan: DataPlan) -> Path:
        return cache_folder(args.work, args.data, args.seed, plan)

    def decide(surveys: list[Survey]) -> DataPlan:
        number_bytes = training_dtype(choose_device(args.device)).itemsize
        plan = plan_for(fingerprint(surveys), args.memory_gb, args.features, args.spacing, number_bytes)
        return override(plan, args.config) if args.config else plan

    team.once(lambda: prepare(cases, args.work, decide, folder_of, resume=args.resume, jobs=args.jobs))
    plan = run_plan(args, read_plan(args.work / PLAN), chosen)
    cached = {case.name: load_case(folder_of(plan.data) / case.name) for case in cases}
    training, validation = ([cached[name] for name in names] for names in (chosen, held_out))
    state = train(plan, training, validation, args.work, team, resume=args.resume, start=start)
    if not state.finished:
        if team.first:
            log(f"stopped after {state.iteration} iterations; go on with --resume")
        return 130
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
    """Names of the cases to train on, and of those held out."""
    names = [case.name for case in cases]
    if args.fold == "all":
        return names, []
    chosen, held_out = split(names, args.folds, int(args.fold), args.seed)
    if not chosen:
        fact = "no case is left to train on besides the held-out one"
        raise InputError(args.data or args.work, fact, "give more cases, or --fold all")
    return chosen, held_out


def run_plan(args: argparse.Namespace, data: DataPlan, names: list[str]) -> TrainPlan:
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
        names=tuple(names),
    )


if __name__ == "__main__":
    sys.exit(main())
