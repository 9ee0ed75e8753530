"""Train on a folder of cases and write a weights file: python train.py DATA --out weights/mine.pt.

DATA has SegRap's raw layout or nnU-Net's; --phantoms N generates synthetic cases instead. Several folds (--fold 0-4)
are trained one after the other; python -m training.join makes one weights file of them. Under torchrun the same
command line trains on several processes: each has its own batch, and all read --work, so several machines share that
folder.
"""

import signal

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a Ctrl-C while all the rest is loaded ends without a word
    from model.packages import require_or_end
    from training.options import parse_arguments

    parse_arguments(None, __doc__)  # --help, and what makes no sense, before torch is loaded
    require_or_end("tqdm")

import argparse
import sys
from contextlib import ExitStack
from pathlib import Path

from model.errors import InputError, reason
from model.network.placement import choose_device
from model.terminal import STOPPED, log, own_stderr, report, stoppable, take_any_text
from model.writing import check_writable
from training.data.cache import cache_folder
from training.data.files import allow_many_files
from training.data.memory import is_out_of_memory
from training.data.phantoms import make_phantoms
from training.data.plans import DataPlan
from training.data.sources import find_training_cases
from training.data.survey import Survey
from training.decision import decided_plan
from training.fold import Fold, Job, check_late
from training.folds import check_weights, divided, train_folds, weights_of
from training.options import parse_arguments
from training.prepare import prepare
from training.provenance import commit
from training.run.checkpoint import admit
from training.run.lock import locked
from training.run.processes import FailedElsewhere, Processes, check_environment, processes
from training.run.start import Start, check_start, read_start


def main(arguments: list[str] | None = None) -> int:
    take_any_text()
    args = parse_arguments(arguments, __doc__)
    command = sys.argv if arguments is None else ["train.py", *arguments]
    allow_many_files()
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
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            fact = f"more memory is needed than there is ({reason(error)})"
            report(InputError("--memory-gb", fact, "give less, or a coarser --spacing"))
        except InputError as error:
            report(error)
        except FailedElsewhere as error:
            if error.args:
                report(InputError(f"process {team.rank}", f"lost the others ({error})", "see what they say"))
        return 2


def run(args: argparse.Namespace, team: Processes, command: list[str]) -> int:
    """With the work folder for this run alone while it prepares, then the folds'; and a place for the weights."""
    outs = weights_of(args.out, args.fold)
    team.once(lambda: check_outs(list(outs.values())))
    with ExitStack() as held:
        with locked(args.work, team):
            team.once(lambda: check_weights(outs, args.work))
            job, folds = prepared(args, team, command, held)
        return 0 if train_folds(job, folds, outs, team) else STOPPED


def check_outs(outs: list[Path]) -> None:
    """Raises InputError where any of the weights could not be written in the end."""
    for out in outs:
        check_writable(out, "choose another --out")


def admit_all(folders: list[Path], args: argparse.Namespace, start: Start | None) -> None:
    """Raises InputError where a run may not begin in one of the folders."""
    for folder in folders:
        admit(folder, resume=args.resume, overwrite=args.overwrite, start=start)


def prepared(
    args: argparse.Namespace, team: Processes, command: list[str], held: ExitStack
) -> tuple[Job, list[Fold]]:
    """Find and check the cases → plan → cache. held takes the locks of the folds' folders, which training keeps.

    What is refused is refused before anything is written to the work folder.
    """
    # Now: the repository may have gone on when training ends.
    code = commit()
    data = args.data or args.work / f"phantoms-seed{args.seed}"
    # What the first process decides is sent to the others, which may see the disk a little later.
    start = team.once(lambda: read_start(args.start) if args.start else None)
    if args.phantoms:
        team.once(lambda: make_phantoms(args.phantoms, args.seed, data, args.jobs))
    cases, folds = team.once(lambda: divided(find_training_cases(data)[: args.phantoms], args))
    folders = [fold.folder(args.work) for fold in folds]
    for folder in folders:
        held.enter_context(locked(folder, team))
    team.once(lambda: admit_all(folders, args, start))

    def folder_of(plan: DataPlan) -> Path:
        return cache_folder(args.work, args.data, args.seed, plan)

    def decide(surveys: list[Survey]) -> DataPlan:
        return decided_plan(args, surveys, team.device)

    def check(plan: DataPlan) -> None:
        if start:
            check_start(start, plan)
        check_late(args, plan)

    options = {"resume": args.resume, "overwrite": args.overwrite, "jobs": args.jobs, "mine": folders}
    plan = team.once(lambda: prepare(cases, args.work, decide, check, folder_of, **options))
    return Job(args, command, code, start, cases, plan, folder_of(plan)), folds


if __name__ == "__main__":
    own_stderr()
    sys.exit(main())
