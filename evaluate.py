"""Scores predicted masks against references: DSC and NSD tables, as the challenge computes them.

    python evaluate.py PREDICTIONS REFERENCES

Layouts are recognised and may be mixed: docs/evaluation.md.
"""

import signal

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a Ctrl-C while all the rest is loaded ends without a word

import argparse
import logging
import math
import os
import sys
from dataclasses import replace
from pathlib import Path

from evaluation.cases import MatchedCase, find_cases
from evaluation.findings import Findings, findings, further_tables
from evaluation.output import csv_text, json_text
from evaluation.ranking import ranking, ranking_table
from evaluation.run import Settings
from evaluation.scoring import score_all
from evaluation.summary import compare, comparison_table, spread_table, table
from model.errors import InputError, reason
from model.images.read import image_suffix
from model.options import LONGEST_SHOWN, MOST_JOBS, Parser, whole
from model.structures import STRUCTURES
from model.terminal import own_stderr, show, take_any_text
from model.terminal import report as report_error
from model.writing import write_bytes

EXAMPLES = (
    "python evaluate.py PREDICTIONS REFERENCES --csv scores.csv --report report.html",
    "python evaluate.py PREDICTIONS REFERENCES --compare OTHER_PREDICTIONS",
    "python evaluate.py PREDICTIONS --image CTS --report page.html    a page to look at, nothing to score",
)
EXITS = "0 all fine, 1 some case had a problem, 2 nothing could be evaluated or not all of it, 130 stopped"
# Farther than any head is wide.
LARGEST_TOLERANCE_MM = 1000.0


def parse_arguments(arguments: list[str] | None) -> tuple[argparse.Namespace, Settings]:
    """Command line. Raises InputError."""
    parser = Parser(description=__doc__, examples=EXAMPLES, exits=EXITS)
    add = parser.add_argument
    add("predictions", type=Path, help="file or folder with predicted masks, any layout")
    add(
        "references",
        type=Path,
        nargs="?",
        help="the same of reference masks; without, --report is to look at",
    )
    add("--tolerance-mm", default="1", help="NSD tolerance, or several: 1,2")
    add("--structures", default=",".join(STRUCTURES), help="those that count")
    add("--json", type=Path, metavar="F", help="write all scores as JSON")
    add("--csv", type=Path, metavar="F", help="write one row per case and structure")
    add("--report", type=Path, metavar="F.html", help="write a self-contained HTML report")
    add("--overlay", type=Path, metavar="F.png", help="draw the first case")
    add("--image", type=Path, metavar="CT", help="CT in pictures: a file, or a folder of cases' CTs")
    add("--compare", type=Path, metavar="OTHER", help="other predictions: differences, Wilcoxon test")
    add("--rank", type=Path, nargs="+", metavar="TEAM", help="rank PREDICTIONS and these by SegRap's rule")
    add("--jobs", type=whole(1, MOST_JOBS), default=1, help="processes that score")
    options = parser.parse_intermixed_args(arguments)
    asked = options.structures.split(",")
    if unknown := set(asked) - set(STRUCTURES):
        fact = f"unknown structure {', '.join(sorted(unknown))[:LONGEST_SHOWN]}"
        raise InputError("--structures", fact, f"known are {', '.join(STRUCTURES)}")
    settings = Settings(
        tuple(s for s in STRUCTURES if s in asked), tuple(map(_tolerance, options.tolerance_mm.split(",")))
    )
    if len({f"{t:g}" for t in settings.tolerances_mm}) < len(settings.tolerances_mm):
        raise InputError("--tolerance-mm", f"{options.tolerance_mm} has one twice", "give each once")
    _check_paths(options)
    return options, settings


def _tolerance(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= LARGEST_TOLERANCE_MM:
        remedy = f"give 0 to {LARGEST_TOLERANCE_MM:g} mm, or several with commas between"
        raise InputError("--tolerance-mm", f"{text[:LONGEST_SHOWN]!r} makes no sense", remedy)
    return value


def _check_paths(options: argparse.Namespace) -> None:
    """Before any work: what is read is there, what is written is no image and has a name of its own."""
    scoring = (options.csv, options.json, options.overlay, options.compare, options.rank)
    if options.references is None and (options.report is None or any(scoring)):
        remedy = "give them, or --report alone for a page to look at"
        raise InputError("REFERENCES", "none are given", remedy)
    teams = [options.predictions, *(options.rank or [])]
    for path in (*teams, options.references, options.compare, options.image):
        if path is not None and not path.exists():
            raise InputError(path, "no such file or folder", "give one with masks, or CTs for --image")
    if len({os.path.realpath(path) for path in teams}) < len(teams) and options.rank:
        raise InputError("--rank", "one of the teams is given twice", "give each once")
    outputs = [p for p in (options.csv, options.json, options.report, options.overlay) if p is not None]
    for path in outputs:
        if image_suffix(path):
            raise InputError(
                path, "the name of an image, which the result would replace", "choose another name"
            )
    names = [
        os.path.realpath(path) for path in outputs if path.is_file() or not path.exists()
    ]  # devices may be shared
    if len(set(names)) < len(names):
        raise InputError(outputs[0], "two results would have one name", "give each its own")


def save(path: Path, content: bytes) -> None:
    """Write a file whole. Raises InputError."""
    try:
        write_bytes(path, content)
    except OSError as error:
        fact = f"cannot be written ({reason(error)})"
        raise InputError(path, fact, "free space or choose another name") from None


def draw(options: argparse.Namespace, cases: list[MatchedCase], found: Findings) -> None:
    """Overlay and report; the drawing packages are loaded only when they are used."""
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # silent about its cache and fonts
    if options.overlay:
        from evaluation.pictures import picture

        save(options.overlay, picture(cases[0], found.results[0], found.settings, options.image))
    if options.report:
        from evaluation.report import report

        save(options.report, report(cases, found, options.image).encode())


def rank_teams(options: argparse.Namespace, cases: list[MatchedCase], found: Findings) -> Findings:
    """With the ranks of all submissions, which are printed, and the others' problems."""
    others, problems = {}, list(found.problems)
    for team in options.rank:
        scored = score_all(team, options.references, found.settings, options.jobs, named=True)
        if scored.stopped:
            raise scored.stopped
        others[str(team)] = scored.results
        problems += scored.problems
    teams = {str(options.predictions): found.results, **others}
    order = ranking(teams, {case.name: case.reference.cohort for case in cases}, found.settings)
    show(ranking_table(order))
    return replace(found, order=order, teams=teams, problems=problems)


def compare_with(options: argparse.Namespace, found: Findings) -> Findings:
    """With the differences to the other predictions, which are printed, and their problems."""
    scored = score_all(options.compare, options.references, found.settings, options.jobs, named=True)
    if scored.stopped:
        raise scored.stopped
    differences = compare(found.results, scored.results, found.settings)
    show(comparison_table(differences))
    problems = [*found.problems, *scored.problems]
    return replace(found, differences=differences, other=scored.results, problems=problems)


def keep(options: argparse.Namespace, found: Findings) -> None:
    """Write CSV and JSON of what was scored, if anything was."""
    if not any(r.scores for r in found.results):
        return
    if options.csv:
        save(options.csv, csv_text(found.results, found.settings).encode())
    if options.json:
        save(options.json, json_text(found).encode())


def look(options: argparse.Namespace, settings: Settings) -> int:
    """Without references: a page with the predictions on their CTs; returns the exit code."""
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    from evaluation.report import page_to_look_at

    text, problems = page_to_look_at(find_cases(options.predictions), settings.structures, options.image)
    save(options.report, text.encode())
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Finds, scores and reports; returns the exit code. What was scored is kept, whatever stops the run."""
    several = bool(options.rank or options.compare)  # whose problem it is must then be said
    scored = score_all(options.predictions, options.references, settings, options.jobs, named=several)
    found = findings(scored.results, scored.problems, settings)
    try:
        if scored.stopped:
            raise scored.stopped
        show(table(found.summaries, settings))
        if len(scored.results) > 1:
            show(spread_table(found.summaries))
        show(further_tables(found))
        if options.compare:
            found = compare_with(options, found)
        if options.rank:
            found = rank_teams(options, scored.cases, found)
    except (InputError, OSError, KeyboardInterrupt) as error:
        why = f"stopped after {len(scored.results)} of {len(scored.cases)} cases"
        why = "stopped before all predictions were scored" if not scored.stopped else why
        said = f"{why}: {str(error) or 'asked to end'}"
        keep(options, replace(found, problems=[*found.problems, said]))
        raise
    keep(options, found)
    draw(options, scored.cases, found)
    return 1 if found.problems else 0


def main(arguments: list[str] | None = None) -> int:
    """Command line entry; returns the exit code."""
    try:
        options, settings = parse_arguments(arguments)
        return run(options, settings) if options.references else look(options, settings)
    except OSError as error:
        report_error(InputError(error.filename or "evaluate.py", reason(error), "make it readable"))
    except InputError as error:
        report_error(error)
    except KeyboardInterrupt:
        fact = "stopped before all was done"
        report_error(
            InputError("evaluate.py", fact, "what was scored so far is in --csv and --json if given")
        )
        return 130
    return 2


if __name__ == "__main__":
    own_stderr()
    take_any_text()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    sys.exit(main())
