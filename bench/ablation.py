"""Which options of train.py help: rows of named options, each trained for as long, scored on the same held-out cases.

    python -m bench.ablation DATA ROWS.json --splits FILE [--epochs 12] [--limit 10] [options of train.py for all rows]

ROWS.json is {"name": ["--option", "value", ...], ...}; the first row is what the others are compared with. Held-out
cases go through the container's code as process.py has it by default. Each row has a folder of its own in --work; what
was stopped goes on, and what is done is not done again, with the same command.
"""

import argparse
import sys
from pathlib import Path

from model.options import Parser, whole

# Rows at a time with --side-by-side.
SIDES = 2
EXAMPLES = ("python -m bench.ablation CASES ROWS.json --splits FILE --epochs 12",)
EXITS = "0 done, 2 bad input"


def parse_arguments(arguments: list[str] | None) -> tuple[argparse.Namespace, list[str]]:
    parser = Parser(prog="python -m bench.ablation", description=__doc__, examples=EXAMPLES, exits=EXITS)
    add = parser.add_argument
    add("data", type=Path, help="folder of cases, as train.py reads it")
    add("rows", type=Path, metavar="ROWS.json", help="options by name")
    add("--splits", type=Path, required=True, help='[{"train": [names], "val": [names]}]; the first is used')
    add("--epochs", type=whole(1, 1_000_000), default=12, help="of 250 iterations")
    add("--limit", type=whole(1, 100_000), metavar="N", help="score the first N held-out cases alone")
    add("--side-by-side", action="store_true", help=f"train {SIDES} rows at a time, on one core each")
    add("--device", choices=("cpu", "cuda"), default="cpu", help="where the network runs")
    add("--work", type=Path, default=Path("runs/ablation"), help="a folder for each row")
    return parser.parse_known_args(arguments)


if __name__ == "__main__":
    parse_arguments(None)  # --help, and what makes no sense, before what takes seconds to load

import os
import queue
import subprocess
from concurrent.futures import ThreadPoolExecutor

from bench.runs import ROOT, run_once
from bench.scoring import scored
from evaluation.run import CaseResult, Settings
from evaluation.summary import columns, compare
from model.documents import read_object
from model.errors import InputError
from model.inference.shortcuts import DEFAULT
from model.network.bundle import load_bundle
from model.terminal import report, take_any_text
from training.data.sources import find_training_cases
from training.splits import read_splits

SETTINGS = Settings(("GTVp", "GTVnd"), (1.0, 2.0, 3.0))


def main(arguments: list[str] | None = None) -> int:
    take_any_text()
    args, further = parse_arguments(arguments)
    try:
        rows = read_rows(args.rows)
        cases = {case.name: case for case in find_training_cases(args.data)}
        held_out = read_splits(args.splits, list(cases))[0].held_out[: args.limit]
        train_all(args, {name: [*further, *options] for name, options in rows.items()})
        results = {}
        for name in rows:
            bundle, kept = load_bundle(args.work / name / "weights.pt"), args.work / name / "scores.json"
            chosen = [cases[case] for case in held_out]
            results[name] = scored(bundle, chosen, SETTINGS, kept, DEFAULT, args.device)
            print(f"{name}: scored", flush=True)
    except InputError as error:
        report(error)
        return 2
    except subprocess.CalledProcessError as error:
        report(
            InputError("train.py", f"ended with {error.returncode}", "see above; the same command goes on")
        )
        return 2
    print(table(results))
    return 0


def read_rows(path: Path) -> dict[str, list[str]]:
    """Options by name. Raises InputError."""
    remedy = 'give {"name": ["--option", "value"], ...}'
    rows = read_object(path, remedy)
    for name, options in rows.items():
        plain = name.replace("-", "").replace("_", "").replace(".", "").isalnum() and not name.startswith(".")
        if not plain:
            raise InputError(path, f"a row is called {name[:40]!r}", "use letters, digits, - and _")
        if not isinstance(options, list) or not all(isinstance(option, str) for option in options):
            raise InputError(path, f"row {name[:40]} is no list of texts", remedy)
    if not rows:
        raise InputError(path, "no row", remedy)
    return rows


def train_all(args: argparse.Namespace, rows: dict[str, list[str]]) -> None:
    """One row after the other, or two at a time with a core each. Raises CalledProcessError where one fails."""
    cores: queue.SimpleQueue[int] = queue.SimpleQueue()
    several = sorted(os.sched_getaffinity(0))[:SIDES] if args.side_by_side else []
    for core in several:
        cores.put(core)

    def train(name: str) -> None:
        if not several:
            train_row(args, name, rows[name], None)
            return
        core = cores.get()
        try:
            os.sched_setaffinity(0, {core})  # of this thread, and of what it starts
            train_row(args, name, rows[name], os.environ | {"OMP_NUM_THREADS": "1"})
        finally:
            cores.put(core)

    with ThreadPoolExecutor(len(several) or 1) as pool:
        list(pool.map(train, rows))


def train_row(
    args: argparse.Namespace, name: str, options: list[str], environment: dict[str, str] | None
) -> None:
    work = args.work / name
    command = [sys.executable, str(ROOT / "train.py"), str(args.data), "--work", str(work), "--resume"]
    command += ["--splits", str(args.splits), "--fold", "0", "--epochs", str(args.epochs)]
    command += ["--out", str(work / "weights.pt"), "--device", args.device, "--no-validation", *options]
    work.mkdir(parents=True, exist_ok=True)
    run_once(command, work / "weights.pt", environment)


def table(results: dict[str, list[CaseResult]]) -> str:
    """In percent, with the change from the first row and its p value (paired Wilcoxon signed-rank test)."""
    first = next(iter(results))
    measures = ("dsc", "nsd_2mm")
    cells = [(structure, measure) for structure in SETTINGS.structures for measure in measures]
    lines = [
        "| | " + " | ".join(f"{s} {m.upper()}" for s, m in cells) + " |",
        "|---" * (1 + len(cells)) + "|",
    ]
    for name, cases in results.items():
        means = {}
        for measure in measures:
            for structure, column in zip(
                SETTINGS.structures, columns(cases, measure, SETTINGS).T, strict=True
            ):
                means[structure, measure] = f"{100 * column.mean():.1f}"
        if name != first:
            for d in compare(cases, results[first], SETTINGS):
                if d.measure in measures:
                    means[d.structure, d.measure] += f" ({100 * d.mean:+.1f}, p = {d.p:.2g})"
        lines.append(f"| {name} | " + " | ".join(means[cell] for cell in cells) + " |")
    return "\n".join([*lines, f"{len(results[first])} held-out cases"])


if __name__ == "__main__":
    sys.exit(main())
