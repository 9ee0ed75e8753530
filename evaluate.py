"""Scores predicted masks against references: DSC and NSD tables, as the challenge computes them.

    python evaluate.py PREDICTIONS REFERENCES

Exit codes: 0 all fine, 1 some case had a problem, 2 nothing could be evaluated.
"""

import argparse
import sys
from pathlib import Path

from evaluation.cases import STRUCTURES, Pair, find_cases, pair_cases, stem
from evaluation.output import csv_text, json_text, write_whole
from evaluation.pictures import overlay, read_scene
from evaluation.problem import EvaluationError
from evaluation.run import CaseResult, Settings, evaluate_pairs
from evaluation.summary import summarise, table


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description="DSC and NSD of predicted GTVp and GTVnd masks.")
    parser.add_argument("predictions", type=Path, help="file or folder with predicted masks, any layout")
    parser.add_argument("references", type=Path, help="file or folder with reference masks, any layout")
    parser.add_argument(
        "--tolerance-mm", type=float, nargs="+", default=[1.0], help="NSD tolerances (default 1)"
    )
    parser.add_argument("--structures", default=",".join(STRUCTURES), help="default %(default)s")
    parser.add_argument("--json", type=Path, help="write all scores as JSON")
    parser.add_argument("--csv", type=Path, help="write one row per case and structure")
    parser.add_argument("--overlay", type=Path, help="draw the first case as PNG")
    parser.add_argument("--image", type=Path, help="CT below the overlay: a file, or a folder with one file")
    options = parser.parse_args(arguments)
    options.structures = tuple(options.structures.split(","))
    if unknown := set(options.structures) - set(STRUCTURES):
        parser.error(f"unknown structure {', '.join(sorted(unknown))}; known are {', '.join(STRUCTURES)}")
    if any(t < 0 for t in options.tolerance_mm):
        parser.error("tolerances are 0 mm or more")
    return options


def single_image(place: Path | None) -> Path | None:
    """The CT below an overlay."""
    if place is None or not place.is_dir():
        return place
    files = [p for p in sorted(place.iterdir()) if stem(p) is not None]
    if len(files) != 1:
        raise EvaluationError(f"{place} holds {len(files)} images; name the one that belongs to the case")
    return files[0]


def draw(options: argparse.Namespace, pair: Pair, result: CaseResult) -> None:
    """Overlay figure of one case."""
    scene = read_scene(single_image(options.image), pair.reference, pair.prediction, options.structures)
    write_whole(options.overlay, overlay(scene, pair.name, result.scores, options.tolerance_mm[0]))
    print(f"picture: {options.overlay}")


def run(options: argparse.Namespace) -> int:
    """Finds, scores and reports; returns the exit code."""
    settings = Settings(options.structures, tuple(options.tolerance_mm))
    pairs, extra = pair_cases(find_cases(options.predictions), find_cases(options.references))
    results = list(evaluate_pairs(pairs, settings))
    problems = [p for r in results for p in r.problems] + [
        f"{name}: no reference, not scored" for name in extra
    ]
    for problem in problems:
        print(problem, file=sys.stderr)
    if not any(r.scores for r in results):
        raise EvaluationError("no case could be evaluated")
    summaries = summarise(results, settings)
    print(table(summaries, settings))
    if options.csv:
        write_whole(options.csv, csv_text(results, settings).encode())
    if options.json:
        write_whole(options.json, json_text(results, summaries, extra, settings).encode())
    if options.overlay:
        draw(options, pairs[0], results[0])
    return 1 if problems else 0


def main(arguments: list[str] | None = None) -> int:
    """Command line entry; returns the exit code."""
    try:
        return run(parse(arguments))
    except EvaluationError as error:
        print(f"evaluate.py: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
