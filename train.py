"""Train on a folder of cases and write a weights file: python train.py DATA --out weights/mine.pt.

DATA has SegRap's raw layout or nnU-Net's; --phantoms N generates synthetic cases instead. Under torchrun the same
command line trains on several processes: each has its own batch, and all read --work, so several machines share that
folder. Exit codes: 0 done, 2 bad input or training failed, 130 stopped (--resume); torchrun makes 1 of all but 0.
"""

import argparse
import datetime
import hashlib
import json
import shutil
import subprocess
import sys
from argparse import ArgumentDefaultsHelpFormatter as DefaultsInHelp
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from evaluation.output import csv_text
from evaluation.summary import Summary, summarise, table
from model.errors import InputError
from model.network.bundle import Bundle, load_bundle, save_bundle
from model.network.placement import choose_device
from model.writing import write_bytes
from phantom import case_name, make_phantom
from phantom.write import write_folder
from training.dataset import cache_case, load_case
from training.loop import EPOCH, State, TrainingError, TrainPlan, train, training_dtype
from training.loss import LossPlan
from training.planning import DataPlan, fingerprint, override, plan_for, read_plan, write_plan
from training.processes import FailedElsewhere, Processes, processes
from training.sources import (
    Survey,
    TrainingCase,
    find_training_cases,
    read_training_case,
    survey_all,
    survey_table,
)
from training.validate import SETTINGS, choose_least, least_in_words, split, validate

LOSSES = {
    "dice-focal": LossPlan(),
    "dice-ce": LossPlan(gamma=0),
    "tversky-focal": LossPlan(alpha=0.3, beta=0.7),
}
OPTIMISERS = {"sgd": (1e-2, 3e-5), "adamw": (1e-3, 1e-2)}  # learning rate, weight decay
SOURCE = "source.json"  # beside a cached case: what it was made from
FULL_SIZE_EVERY = 10  # one phantom in so many has SegRap's own grid, the others a coarser one, quick to make


def main() -> int:
    for stream in (sys.stdout, sys.stderr):  # cm³, whatever the locale
        stream.reconfigure(encoding="utf-8", errors="backslashreplace")  # type: ignore[union-attr]
    args = arguments()
    with processes(choose_device(args.device)) as team:
        try:
            return run(args, team)
        except (InputError, TrainingError, OSError) as error:
            print(f"error: {error}", file=sys.stderr, flush=True)
        except FailedElsewhere:
            pass
        return 2


def run(args: argparse.Namespace, team: Processes) -> int:
    """Find and check the cases → plan → cache → train → validate whole cases → write the weights."""
    code = commit()  # now: it may have gone on when training ends
    data = args.data or args.work / f"phantoms-seed{args.seed}"
    if args.phantoms:
        team.once(lambda: make_phantoms(args.phantoms, args.seed, data, args.jobs))
    cases = find_training_cases(data)[: args.phantoms]
    names = [case.name for case in cases]
    chosen, held_out = (
        (names, []) if args.fold == "all" else split(names, args.folds, int(args.fold), args.seed)
    )
    if not chosen:
        raise InputError(data, "no case is left to train on besides the held-out one", "--fold all")
    start = load_bundle(args.start) if args.start else None
    team.once(lambda: prepare(args, cases))
    plan = train_plan(args, chosen)
    folder = cache_folder(args, plan.data)
    cached = {name: load_case(folder / name) for name in names}
    validation = [cached[name] for name in held_out]
    state = train(plan, [cached[name] for name in chosen], validation, args.work, team, args.resume, start)
    if not state.finished:
        if team.first:
            print(f"stopped after {state.iteration} iterations; go on with --resume", flush=True)
        return 130
    origin = provenance(args, plan, state, code, start)
    team.once(lambda: finish(args, plan, state, [case for case in cases if case.name in held_out], origin))
    return 0


def prepare(args: argparse.Namespace, cases: list[TrainingCase]) -> None:
    """Check every case, decide the plan, bring all to the network's grid; what is there already is not done again.

    A run that goes on keeps its plan.
    """
    args.work.mkdir(parents=True, exist_ok=True)
    plan_file = args.work / "plan.json"
    resumed = args.resume and plan_file.exists()
    surveys = [] if resumed else checked(cases, args.jobs)
    plan = read_plan(plan_file) if resumed else decide(args, surveys)
    folder = cache_folder(args, plan)
    missing = [case for case in cases if not is_cached(case, folder)]
    names = {case.name for case in missing}
    check_space(args.work, [survey for survey in surveys if survey.name in names], plan)
    if resumed:
        print(f"going on with {plan_file}; options that would change it are not looked at", flush=True)
    else:
        write_plan(plan, plan_file)
        print(plan_file.read_text(), end="", flush=True)
    with ProcessPoolExecutor(args.jobs, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        done = pool.map(cache, missing, [plan] * len(missing), [folder] * len(missing))
        list(tqdm(done, total=len(missing), desc="preprocess", unit="case"))


def checked(cases: list[TrainingCase], jobs: int) -> list[Survey]:
    """What the cases hold, shown in a table. Raises InputError where any cannot be used."""
    surveys = list(tqdm(survey_all(cases, jobs), total=len(cases), desc="check", unit="case"))
    print(survey_table(surveys), flush=True)
    bad = [survey for survey in surveys if survey.problem]
    if bad:
        raise InputError(
            "training data",
            f"{len(bad)} of {len(cases)} cases cannot be used, see above",
            "correct or remove them",
        )
    return surveys


def decide(args: argparse.Namespace, surveys: list[Survey]) -> DataPlan:
    """The plan for such cases, with what the user wants otherwise."""
    number_bytes = training_dtype(choose_device(args.device)).itemsize
    plan = plan_for(fingerprint(surveys), args.memory_gb, args.features, args.spacing, number_bytes)
    return override(plan, args.config) if args.config else plan


def check_space(work: Path, surveys: list[Survey], plan: DataPlan) -> None:
    """Raises InputError where the preprocessed cases would not fit on the disk."""
    needed, free = cache_gb(surveys, plan), shutil.disk_usage(work).free / 1e9
    if needed > free:
        raise InputError(
            work,
            f"the preprocessed cases take {needed:.1f} GB, {free:.1f} GB are free",
            "free space, choose another --work or a coarser --spacing",
        )


def cache_gb(surveys: list[Survey], plan: DataPlan) -> float:
    """What the cases' bodies take on the network's grid: two channels in 16 bit and the label."""
    voxels = [
        np.prod(
            [n * s / t for n, s, t in zip(case.body_zyx, case.spacing_zyx, plan.spacing_zyx, strict=True)]
        )
        for case in surveys
    ]
    return 5 * float(np.sum(voxels)) / 1e9


def cache(case: TrainingCase, plan: DataPlan, folder: Path) -> None:
    pair, label = read_training_case(case)
    try:
        cache_case(folder / case.name, pair, label, plan.spacing_zyx, plan.normalisation)
        (folder / case.name / SOURCE).write_text(source(case))
    except OSError as error:
        raise InputError(folder / case.name, f"cannot write ({error})", "free space, then --resume") from None


def is_cached(case: TrainingCase, folder: Path) -> bool:
    """Whether the case lies there whole, made from its files as they are now."""
    told = folder / case.name / SOURCE
    return told.exists() and told.read_text() == source(case)


def source(case: TrainingCase) -> str:
    """Size and time of every file of a case."""
    files = {path.name: path.stat() for path in (case.ct, case.ce, *case.labels.values())}
    return json.dumps({name: [stat.st_size, stat.st_mtime_ns] for name, stat in files.items()})


def cache_folder(args: argparse.Namespace, plan: DataPlan) -> Path:
    """One per data set and preprocessing, so that another plan never meets old files."""
    told = json.dumps(
        [str(args.data and args.data.resolve()), args.seed, plan.spacing_zyx, repr(plan.normalisation)]
    )
    return Path(args.work) / f"cache-{hashlib.sha256(told.encode()).hexdigest()[:12]}"


def train_plan(args: argparse.Namespace, names: list[str]) -> TrainPlan:
    rate, decay = OPTIMISERS[args.optimiser]
    return TrainPlan(
        read_plan(args.work / "plan.json"),
        None if args.minutes else EPOCH * args.epochs,
        args.minutes,
        args.optimiser,
        args.learning_rate or rate,
        decay,
        args.seed,
        LOSSES[args.loss],
        names=tuple(names),
    )


def finish(
    args: argparse.Namespace,
    plan: TrainPlan,
    state: State,
    held_out: list[TrainingCase],
    origin: dict[str, object],
) -> None:
    """Validate on whole cases, write the weights with their provenance."""
    bundle = Bundle(
        plan.data.network,
        plan.data.patch_zyx,
        plan.data.spacing_zyx,
        plan.data.normalisation,
        (0, 1, 2),
        origin,
        (state.network.state_dict(),),
    )
    save_bundle(bundle, args.out)  # before the validation, which takes time; its figures are added after it
    if held_out and not args.no_validation:
        scoring = validate(bundle, held_out, args.device)
        results, tables = map(
            list, zip(*tqdm(scoring, total=len(held_out), desc="validate", unit="case"), strict=True)
        )
        summaries = summarise(results, SETTINGS, np.random.default_rng(0))
        print(table(summaries, SETTINGS), flush=True)
        write_bytes(args.work / "validation.csv", csv_text(results, SETTINGS).encode())
        least = choose_least(tables)
        if any(least):
            told = least_in_words(least)
            print(f"pieces below so many cm³ will be left out, which these cases gain by: {told}", flush=True)
        data = f"{len(held_out)} held-out cases of the same data, pieces of any size counted"
        bundle.provenance["metrics"] = metrics(data, summaries)
        save_bundle(replace(bundle, least_cm3=least), args.out)
    print(f"wrote {args.out}", flush=True)


def metrics(data: str, summaries: list[Summary]) -> dict[str, object]:
    """As training.record_scores writes them."""
    return {"data": data, "summary": json.loads(json.dumps([asdict(s) for s in summaries]))}


def make_phantoms(count: int, seed: int, folder: Path, jobs: int) -> None:
    """Those that are not there yet."""
    missing = [k for k in range(count) if not (folder / f"{case_name(k)}").exists()]
    with ProcessPoolExecutor(jobs) as pool:
        done = pool.map(make_one, missing, [seed] * len(missing), [folder] * len(missing))
        list(tqdm(done, total=len(missing), desc="phantoms", unit="case"))


def make_one(k: int, seed: int, folder: Path) -> None:
    """Case k of `python -m phantom --seed S`."""
    phantom = make_phantom(seed, k, "small" if k % FULL_SIZE_EVERY else "segrap")
    try:
        write_folder(phantom, folder / f".{case_name(k)}")
    except RuntimeError as error:  # how SimpleITK says it
        raise InputError(folder, f"cannot write ({str(error).splitlines()[-1]})", "free space") from None
    (folder / f".{case_name(k)}").rename(folder / f"{case_name(k)}")


def commit() -> str:
    """Of this code, where it lies in a repository and git is there."""
    try:
        here = Path(__file__).parent
        told = subprocess.run(
            ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False, cwd=here
        )
    except OSError:
        return "unknown"
    return told.stdout.strip() or "unknown"


def provenance(
    args: argparse.Namespace, plan: TrainPlan, state: State, code: str, start: Bundle | None
) -> dict[str, object]:
    """Data, command, the code's commit, date, duration and library, as plain values."""
    phantoms = f"synthetic phantoms, seed {args.seed}; no patient data. Research use, not clinical."
    return {
        "data": f"{len(plan.names)} {phantoms if args.phantoms else f'cases of {args.data.name}'}",
        "command": "python " + " ".join(sys.argv),
        "commit": code,
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "iterations": state.iteration,
        "minutes": round(state.seconds / 60, 1),
        "torch": str(torch.__version__),
        **({"start": lineage(args.start, start)} if start else {}),
        "loss": f"Dice (Tversky {plan.loss.alpha}, {plan.loss.beta}) + focal (gamma {plan.loss.gamma:g})",
        "optimiser": f"{plan.optimiser}, learning rate {plan.learning_rate:g}",
    }


def lineage(weights: Path, bundle: Bundle) -> dict[str, object]:
    """The name and the provenance of the weights that a run began with; without scores, which are theirs alone."""
    kept = {key: value for key, value in bundle.provenance.items() if key != "metrics"}
    return {"file": weights.name} | kept


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=DefaultsInHelp)
    add = parser.add_argument
    add("data", type=Path, nargs="?", help="folder of cases, SegRap's raw layout or nnU-Net's")
    add("--phantoms", type=int, metavar="N", help="generate N synthetic cases instead")
    add("--out", type=Path, required=True, default=argparse.SUPPRESS, help="the weights file to write")
    add(
        "--work",
        type=Path,
        default=Path("runs/train"),
        help="plan, cache, checkpoint, log, curves and the held-out cases' scores",
    )
    add("--config", type=Path, help="JSON that overrides parts of the plan; its keys: plan.json in --work")
    add("--spacing", type=triple, metavar="Z,Y,X", help="network grid in mm; the data's median if not given")
    add(
        "--memory-gb",
        type=positive,
        default=11.0,
        help="memory of the GPU, or of the process on a CPU: decides patch size",
    )
    add("--features", type=int, default=32, help="of the first stage")
    add("--folds", type=count, default=5, help="parts that the cases are cut into")
    add("--fold", default="0", help="the one held out for validation; all: train on every case")
    add(
        "--no-validation", action="store_true", help="leave out the scores of whole held-out cases at the end"
    )
    add("--loss", choices=LOSSES, default="dice-focal", help="what is minimised")
    add("--optimiser", choices=OPTIMISERS, default="sgd", help="SGD with Nesterov momentum, or AdamW")
    add("--learning-rate", type=float, help="1e-2 for sgd, 1e-3 for adamw if not given")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--epochs", type=count, default=1000, help=f"of {EPOCH} iterations")
    length.add_argument(
        "--minutes",
        type=positive,
        help="training time instead, resumed parts included, preparation and validation not",
    )
    add("--seed", type=int, default=0, help="of phantoms, folds, initial weights and patches")
    add(
        "--start",
        type=Path,
        metavar="WEIGHTS",
        help="begin with these weights, of the same network, not at random",
    )
    add(
        "--resume",
        action="store_true",
        help="go on with the plan and from the checkpoint in --work, if they are there",
    )
    add("--device", choices=("auto", "cuda", "cpu"), default="auto")
    add("--jobs", type=int, default=2, help="processes that prepare cases")
    args = parser.parse_args()
    if (args.data is None) == (args.phantoms is None):
        parser.error("give either a folder of cases or --phantoms N")
    if args.fold != "all" and args.fold not in map(str, range(args.folds)):
        parser.error(f"--fold {args.fold}: a number below {args.folds}, or all")
    return args


def positive(text: str) -> float:
    if not (value := float(text)) > 0:
        raise ValueError
    return value


def count(text: str) -> int:
    if (value := int(text)) < 1:
        raise ValueError
    return value


def triple(text: str) -> tuple[float, float, float]:
    z, y, x = (float(part) for part in text.split(","))
    return z, y, x


if __name__ == "__main__":
    sys.exit(main())
