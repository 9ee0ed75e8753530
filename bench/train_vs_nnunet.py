"""Our training and nnU-Net v2's default trainer, same data and split, on the same machine.

    python -m bench.train_vs_nnunet DATA --splits FILE --nnunet-python VENV/bin/python --minutes 60 [more]
    python -m bench.train_vs_nnunet DATA --splits FILE --nnunet-python VENV/bin/python --iterations 3000 [more]

With --minutes each trains for so long by the clock (planning and preprocessing not counted) with the plan that it makes
for the machine. With --iterations both train for so many, nnU-Net with our plan's spacing, patch, batch, features,
kernels and strides, so that recipe meets recipe. The learning rate falls to zero over either. What more is given is for
train.py; its --config sets our plan. The held-out cases are then segmented by gtvseg with either's weights (every
window, all mirrors, each with its own preprocessing), so that only the training differs, and scored by the evaluator.
nnU-Net (nnunetv2==2.8.1) wants a virtual environment of its own. What was stopped goes on with the same command.
"""

import argparse
import os
import sys
from pathlib import Path

from model.options import Parser, above, refuse, whole

EXAMPLES = (
    "python -m bench.train_vs_nnunet CASES --splits FILE --nnunet-python VENV/bin/python --minutes 60",
    "python -m bench.train_vs_nnunet CASES --splits FILE --nnunet-python VENV/bin/python --iterations 3000",
)
EXITS = "0 done, 2 bad input"


def parse_arguments(arguments: list[str] | None) -> tuple[argparse.Namespace, list[str]]:
    parser = Parser(
        prog="python -m bench.train_vs_nnunet", description=__doc__, examples=EXAMPLES, exits=EXITS
    )
    add = parser.add_argument
    add("data", type=Path, help="folder of cases, as train.py reads it")
    add("--splits", type=Path, required=True, help='[{"train": [names], "val": [names]}], as nnU-Net has it')
    add("--fold", type=whole(0, 999), default=0, help="which of these splits")
    add("--nnunet-python", type=Path, required=True, help="the Python of a virtual environment with nnunetv2")
    length = parser.add_mutually_exclusive_group(required=True)
    length.add_argument("--minutes", type=above(0, 1_000_000), help="of training, each with its own plan")
    length.add_argument(
        "--iterations", type=whole(1, 1_000_000_000), help="with one plan; whole epochs of 250"
    )
    add("--structures", default="GTVp,GTVnd", help="those that the data has contours of")
    add("--device", choices=("cpu", "cuda"), default="cpu", help="where both run")
    add("--second", default="CT", help="nnU-Net's name for the second channel; it normalises CT its own way")
    workers = min(12, max(1, (os.cpu_count() or 1) - 2))
    add("--workers", type=int, default=workers, help="processes of nnU-Net that prepare batches")
    add("--evaluate-only", action="store_true", help="score the weights that are there, and train nothing")
    add("--work", type=Path, default=Path("runs/vs_nnunet"), help="another for each length and plan")
    return parser.parse_known_args(arguments)


if __name__ == "__main__":
    parse_arguments(None)  # --help, and what makes no sense, before what takes seconds to load

import json
import subprocess

import numpy as np

from bench.nnunet.training import train_theirs
from bench.runs import ROOT, run_once
from bench.scoring import hd95_lines, scored
from evaluation.run import Settings
from evaluation.summary import compare, comparison_table, summarise, table
from model.errors import InputError
from model.inference.shortcuts import EXHAUSTIVE
from model.network.bundle import Bundle, load_bundle
from model.terminal import report, take_any_text
from training.data.sources import find_training_cases
from training.run.plan import EPOCH
from training.splits import read_splits

TOLERANCES_MM = (1.0, 2.0, 3.0)


def main(arguments: list[str] | None = None) -> int:
    take_any_text()
    args, further = parse_arguments(arguments)
    if args.iterations and args.iterations % EPOCH:
        refuse("--iterations", f"{args.iterations} is no multiple of {EPOCH}", "give one")
    try:
        run(args, further)
    except InputError as error:
        report(error)
        return 2
    except subprocess.CalledProcessError as error:
        fact = f"ended with {error.returncode}"
        report(InputError(Path(error.cmd[1]).name, fact, "see above; the same command goes on"))
        return 2
    return 0


def run(args: argparse.Namespace, further: list[str]) -> None:
    """Train both, score both, print. Raises InputError."""
    cases = {case.name: case for case in find_training_cases(args.data)}
    splits = read_splits(args.splits, list(cases))
    if args.fold >= len(splits):
        raise InputError("--fold", f"{args.fold} of {len(splits)}", "give a lower one")
    chosen, held_out = splits[args.fold].training, splits[args.fold].held_out
    print(f"{len(chosen)} cases to train on, {len(held_out)} held out", flush=True)
    ours = train_ours(args, further)
    plan = json.loads((args.work / "ours" / "plan.json").read_bytes())
    done = ours.provenance
    print_rate("gtvseg", done["iterations"], plan["batch"], 60 * done["minutes"], plan["patch_zyx"])
    used = {name: cases[name] for name in sorted({*chosen, *held_out})}
    theirs, figures = train_theirs(args, used, (chosen, held_out), plan if args.iterations else None)
    print_rate("nnU-Net", figures["iterations"], figures["batch"], figures["seconds"], figures["patch"])
    results = {}
    settings = Settings(tuple(args.structures.split(",")), TOLERANCES_MM)
    to_score = [cases[name] for name in held_out]
    for who, bundle, kept in (("gtvseg", ours, "ours"), ("nnU-Net", theirs, "nnunet")):
        file = args.work / f"scores-{kept}.json"
        results[who] = scored(bundle, to_score, settings, file, EXHAUSTIVE, args.device)
        summaries = summarise(results[who], settings)
        print(f"{who}\n{table(summaries, settings)}", flush=True)
    print("gtvseg minus nnU-Net")
    print(comparison_table(compare(results["gtvseg"], results["nnU-Net"], settings)))
    print("\n".join(hd95_lines(results["gtvseg"], results["nnU-Net"], settings.structures)))


def train_ours(args: argparse.Namespace, further: list[str]) -> Bundle:
    """By train.py in a process of its own, which goes on from its checkpoint if there is one."""
    weights, work = args.work / "ours.pt", args.work / "ours"
    length = ["--minutes", str(args.minutes)] if args.minutes else ["--epochs", str(args.iterations // EPOCH)]
    command = [sys.executable, str(ROOT / "train.py"), str(args.data), "--work", str(work), *length]
    command += ["--splits", str(args.splits), "--fold", str(args.fold), "--out", str(weights)]
    command += ["--device", args.device, "--no-validation", "--resume", *further]
    if not args.evaluate_only:
        run_once(command, weights)
    return load_bundle(weights)


def print_rate(who: str, iterations: int, batch: int, seconds: float, patch: list[int]) -> None:
    size = " x ".join(map(str, patch))
    voxels = iterations * batch * np.prod(patch) / 1e6
    print(
        f"{who}: {iterations} iterations of {batch} x {size} in {seconds:.0f} s: "
        f"{iterations * batch / seconds:.2f} patches/s, {voxels:.0f} million voxels seen, "
        f"{voxels / seconds:.2f} a second",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
