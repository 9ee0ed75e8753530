"""The method's claim: Dice + cross-entropy against Dice + focal, same budget, seed and folds, by train.py itself.

    python -m bench.losses DATA [--folds 5 --fold 0,1] [--epochs 4] [further options of train.py]
    python -m bench.losses --phantoms 30 ...

Trains once per loss and fold, scores the held-out cases whole and prints mean ± standard deviation and the paired
difference with the Wilcoxon signed-rank test. Runs that are done, by the same command line, are not done again.
"""

import argparse
import sys
from pathlib import Path

from model.options import Parser, whole

EXAMPLES = (
    "python -m bench.losses CASES --fold 0,1 --epochs 4",
    "python -m bench.losses --phantoms 30 --memory-gb 1",
)
EXITS = "0 done, 2 bad options"


def parse_arguments(arguments: list[str] | None) -> tuple[argparse.Namespace, list[str]]:
    parser = Parser(prog="python -m bench.losses", description=__doc__, examples=EXAMPLES, exits=EXITS)
    add = parser.add_argument
    add("data", type=Path, nargs="?", help="folder of cases, as train.py reads it")
    add("--phantoms", type=whole(1, 100_000), metavar="N", help="synthetic cases instead")
    add("--structures", default="GTVp,GTVnd", help="those that the data has contours of")
    add("--folds", type=whole(2, 100_000), default=5, help="parts that the cases are cut into")
    add("--fold", default="0", help="which of the folds are held out in turn")
    add("--epochs", type=whole(1, 1_000_000), default=4, help="of 250 iterations")
    add("--work", type=Path, default=Path("runs/losses"), help="what is done is kept there")
    return parser.parse_known_args(arguments)


if __name__ == "__main__":
    parse_arguments(None)  # --help, and what makes no sense, before what takes seconds to load

import csv

import numpy as np
from scipy.stats import wilcoxon

from bench.runs import ROOT, run_once

LOSSES = ("dice-ce", "dice-focal")
MEASURES = ("dsc", "nsd")
# By case, structure and measure.
Scores = dict[tuple[str, str, str], float]


def main(arguments: list[str] | None = None) -> int:
    args, further = parse_arguments(arguments)
    scores: dict[str, Scores] = {loss: {} for loss in LOSSES}
    for fold in args.fold.split(","):
        for loss in LOSSES:
            scores[loss] |= read_scores(trained(args, further, loss, fold), args.structures.split(","))
    for loss in LOSSES:
        print_means(loss, scores[loss])
    print_difference(scores["dice-focal"], scores["dice-ce"])
    return 0


def trained(args: argparse.Namespace, further: list[str], loss: str, fold: str) -> Path:
    """Train once, the preprocessed cases in the work folder serving all runs; the held-out cases' scores."""
    data = [str(args.data)] if args.data else ["--phantoms", str(args.phantoms)]
    weights, scores = (args.work / f"{loss}-fold{fold}{suffix}" for suffix in (".pt", ".csv"))
    command = [sys.executable, str(ROOT / "train.py"), *data, "--work", str(args.work), "--loss", loss]
    command += ["--folds", str(args.folds), "--fold", fold, "--epochs", str(args.epochs)]
    command += ["--out", str(weights), "--overwrite", *further]
    if run_once(command, weights):
        (args.work / f"fold_{fold}" / "validation.csv").replace(scores)
    return scores


def read_scores(path: Path, structures: list[str]) -> Scores:
    with path.open(newline="", encoding="utf-8") as file:
        return {
            (row["case"], row["structure"], measure): float(row[measure])
            for row in csv.DictReader(file)
            if row["structure"] in structures
            for measure in MEASURES
        }


def print_means(loss: str, scores: Scores) -> None:
    for structure in dict.fromkeys(structure for _, structure, _ in scores):
        cells = []
        for measure in MEASURES:
            values = 100 * np.array([v for k, v in scores.items() if k[1:] == (structure, measure)])
            cells.append(f"{measure.upper()} {values.mean():.2f} ± {values.std():.2f}")
        print(f"{loss:12}{structure:7}n = {len(values)}   {'   '.join(cells)}")


def print_difference(one: Scores, other: Scores) -> None:
    for structure in dict.fromkeys(structure for _, structure, _ in one):
        for measure in MEASURES:
            change = np.array([one[k] - other[k] for k in one if k[1:] == (structure, measure)])
            p = float(wilcoxon(change).pvalue) if change.any() else 1.0
            print(
                f"Dice + focal minus Dice + CE  {structure:7}{measure.upper()} {100 * change.mean():+.2f}   p = {p:.3g}"
            )


if __name__ == "__main__":
    sys.exit(main())
