"""Scores predicted masks against references: DSC and NSD tables, as the challenge computes them.

    python evaluate.py PREDICTIONS REFERENCES

Exit codes: 0 all fine, 1 some case had a problem, 2 nothing could be evaluated.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from tqdm import tqdm

from evaluation.cases import MatchedCase, find_cases, match_cases
from evaluation.output import csv_text, json_text
from evaluation.run import CaseResult, Settings, evaluate_cases
from evaluation.summary import compare, comparison_table, rank, spread_table, summarise, table
from model.errors import InputError, reason
from model.structures import STRUCTURES
from model.terminal import report as report_error
from model.terminal import take_any_text
from model.writing import write_bytes


def parse_arguments(arguments: list[str] | None) -> tuple[argparse.Namespace, Settings]:
    """Command line."""
    parser = argparse.ArgumentParser(description="DSC and NSD of predicted GTVp and GTVnd masks.")
    parser.add_argument("predictions", type=Path, help="file or folder with predicted masks, any layout")
    parser.add_argument("references", type=Path, help="file or folder with reference masks, any layout")
    parser.add_argument("--tolerance-mm", default="1", help="NSD tolerance, or several: 1,2 (default 1)")
    parser.add_argument("--structures", default=",".join(STRUCTURES), help="default %(default)s")
    parser.add_argument("--json", type=Path, metavar="F", help="write all scores as JSON")
    parser.add_argument("--csv", type=Path, metavar="F", help="write one row per case and structure")
    parser.add_argument("--report", type=Path, metavar="F.html", help="write a self-contained HTML report")
    parser.add_argument("--overlay", type=Path, metavar="F.png", help="draw the first case")
    parser.add_argument(
        "--image", type=Path, metavar="CT", help="CT in pictures: a file, or a folder of cases' CTs"
    )
    parser.add_argument(
        "--compare", type=Path, metavar="OTHER", help="other predictions: differences, Wilcoxon test"
    )
    parser.add_argument(
        "--rank", type=Path, nargs="+", metavar="TEAM", help="rank PREDICTIONS and these by SegRap's rule"
    )
    parser.add_argument("--jobs", type=int, default=1, help="processes (default 1)")
    options = parser.parse_args(arguments)
    structures = tuple(s for s in STRUCTURES if s in options.structures.split(","))
    if unknown := set(options.structures.split(",")) - set(STRUCTURES):
        parser.error(f"unknown structure {', '.join(sorted(unknown))}; known are {', '.join(STRUCTURES)}")
    try:
        tolerances_mm = tuple(float(t) for t in options.tolerance_mm.split(","))
    except ValueError:
        parser.error(f"--tolerance-mm {options.tolerance_mm}: numbers with commas between are needed")
    if not all(t >= 0 for t in tolerances_mm) or options.jobs < 1:
        parser.error("tolerances are 0 mm or more, jobs 1 or more")
    return options, Settings(structures, tolerances_mm)


def score_all(
    predictions: Path, references: Path, settings: Settings, jobs: int
) -> tuple[list[MatchedCase], list[CaseResult], list[str]]:
    """Cases, their results and all problems, which also go to stderr. Raises InputError if nothing was scored."""
    cases, extra = match_cases(find_cases(predictions), find_cases(references))
    scoring = evaluate_cases(cases, settings, jobs)
    results = list(tqdm(scoring, total=len(cases), unit="case", disable=None, leave=False))
    problems = [p for r in results for p in r.problems] + [
        f"{name}: no reference, not scored" for name in extra
    ]
    for problem in problems:
        print(problem, file=sys.stderr)
    if not any(r.scores for r in results):
        raise InputError(predictions, "no case could be evaluated", "see the lines above")
    return cases, results, problems


def save(path: Path, content: bytes) -> None:
    """Write a file whole. Raises InputError."""
    try:
        write_bytes(path, content)
    except OSError as error:
        fact = f"cannot be written ({reason(error)})"
        raise InputError(path, fact, "free space or choose another name") from None


def draw(
    options: argparse.Namespace, cases: list[MatchedCase], results: list[CaseResult], settings: Settings
) -> None:
    """Overlay and report; the drawing packages are loaded only when they are used."""
    if options.overlay:
        from evaluation.pictures import picture

        save(options.overlay, picture(cases[0], results[0], settings, options.image, "png"))
    if options.report:
        from evaluation.report import report

        save(options.report, report(cases, results, settings, options.image).encode())


def print_ranking(options: argparse.Namespace, settings: Settings, results: list[CaseResult]) -> list[str]:
    """Ranks all submissions; returns the others' problems."""
    teams, problems = {str(options.predictions): results}, []
    for team in options.rank:
        _, teams[str(team)], others = score_all(team, options.references, settings, options.jobs)
        problems += others
    rng = np.random.default_rng(0)
    means = {
        team: [
            s.mean
            for s in summarise(scored, settings, rng)
            if s.measure in ("dsc", "nsd") and s.structure != "average"
        ]
        for team, scored in teams.items()
    }
    for position, (team, value) in enumerate(rank(means).items(), 1):
        print(f"{position:>3}  {value:.4f}  {team}")
    return problems


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Finds, scores and reports; returns the exit code."""
    cases, results, problems = score_all(options.predictions, options.references, settings, options.jobs)
    summaries = summarise(results, settings, np.random.default_rng(0))
    print(table(summaries, settings))
    if len(results) > 1:
        print(spread_table(summaries))
    differences = []
    if options.compare:
        _, others, further = score_all(options.compare, options.references, settings, options.jobs)
        problems += further
        differences = compare(results, others, settings)
        print(comparison_table(differences))
    if options.rank:
        problems += print_ranking(options, settings, results)
    if options.csv:
        save(options.csv, csv_text(results, settings).encode())
    if options.json:
        save(options.json, json_text(results, summaries, differences, problems, settings).encode())
    draw(options, cases, results, settings)
    return 1 if problems else 0


def main(arguments: list[str] | None = None) -> int:
    """Command line entry; returns the exit code."""
    try:
        return run(*parse_arguments(arguments))
    except OSError as error:
        report_error(InputError(error.filename or "evaluate.py", reason(error), "make it readable"))
    except InputError as error:
        report_error(error)
    return 2


if __name__ == "__main__":
    take_any_text()
    sys.exit(main())
