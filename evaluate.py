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
from pathlib import Path

import numpy as np

from evaluation.agreement import agreement, agreement_table
from evaluation.detection import detection, detection_table
from evaluation.journal import Journal
from evaluation.output import GrowingCsv, csv_text, json_text
from evaluation.processes import HANG_UP
from evaluation.ranking import Ranking, ranking, ranking_table
from evaluation.run import CaseResult, Settings
from evaluation.scoring import Scored, score_all
from evaluation.statistics import caveats, statistics, statistics_table
from evaluation.summary import (
    Difference,
    compare,
    comparison_table,
    spread_table,
    summarise,
    table,
)
from model.errors import InputError, reason
from model.images.read import image_suffix
from model.options import LONGEST_SHOWN, MOST_JOBS, Parser, whole
from model.structures import STRUCTURES
from model.terminal import ASKED_TO_END, own_stderr, show, stoppable, take_any_text
from model.terminal import report as report_error
from model.writing import write_bytes

EXAMPLES = (
    "python evaluate.py PREDICTIONS REFERENCES --csv scores.csv --report report.html",
    "python evaluate.py PREDICTIONS REFERENCES --compare OTHER_PREDICTIONS",
)
EXITS = "0 all fine, 1 some case had a problem, 2 nothing could be evaluated or not all of it, 130 stopped"
# Farther than any head is wide.
LARGEST_TOLERANCE_MM = 1000.0


def parse_arguments(arguments: list[str] | None) -> tuple[argparse.Namespace, Settings]:
    """Command line. Raises InputError."""
    parser = Parser(description=__doc__, examples=EXAMPLES, exits=EXITS)
    add = parser.add_argument
    add("predictions", type=Path, help="file or folder with predicted masks, any layout")
    add("references", type=Path, help="file or folder with reference masks, any layout")
    add("--tolerance-mm", default="1", help="NSD tolerance, or several: 1,2")
    add("--structures", default=",".join(STRUCTURES), help="those that count")
    add("--json", type=Path, metavar="F", help="write all scores as JSON")
    add("--csv", type=Path, metavar="F", help="write one row per case and structure")
    add("--report", type=Path, metavar="F.html", help="write a self-contained HTML report")
    add("--overlay", type=Path, metavar="F.png", help="draw the first case")
    add("--image", type=Path, metavar="CT", help="CT in pictures: a file, or a folder of cases' CTs")
    add("--compare", type=Path, metavar="OTHER", help="other predictions: differences, Wilcoxon test")
    add("--rank", type=Path, nargs="+", metavar="TEAM", help="rank PREDICTIONS and these by SegRap's rule")
    add("--jobs", type=jobs, default=1, metavar="N", help="processes that score; auto: cores and memory say")
    add("--resume", action="store_true", help="go on with a run that was stopped (same --csv or --json)")
    options = parser.parse_args(arguments)
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


def jobs(text: str) -> int | None:
    """For argparse's type: a number of processes; None: whatever fits."""
    return None if text == "auto" else whole(1, MOST_JOBS)(text)


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
    teams = [options.predictions, *(options.rank or [])]
    for path in (*teams, options.references, options.compare, options.image):
        if path is not None and not path.exists():
            raise InputError(path, "no such file or folder", "give one with masks, or CTs for --image")
    if len({os.path.realpath(path) for path in teams}) < len(teams) and options.rank:
        raise InputError("--rank", "one of the teams is given twice", "give each once")
    if options.resume and not (options.csv or options.json):
        raise InputError("--resume", "nothing says which run", "give the --csv or --json that it had")
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


def draw(options: argparse.Namespace, scored: Scored, settings: Settings, order: Ranking | None) -> None:
    """Overlay and report; the drawing packages are loaded only when they are used."""
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # silent about its cache and fonts
    cases, results = scored.cases, scored.results
    if options.overlay:
        from evaluation.pictures import picture

        save(options.overlay, picture(cases[0], results[0], settings, options.image, "png"))
    if options.report:
        from evaluation.report import report

        text = report(cases, results, scored.problems, settings, options.image, order)
        save(options.report, text.encode())


def further_tables(results: list[CaseResult], settings: Settings) -> str:
    """All but DSC and NSD: distances, volumes, lesions, and what to think of the intervals."""
    parts = [statistics_table(statistics(results, settings), settings)]
    parts += [agreement_table(volumes)] if (volumes := agreement(results, settings)) else []
    parts += [detection_table(lesions)] if (lesions := detection(results, settings)) else []
    return "\n".join([*parts, *caveats(results, settings)])


def rank_teams(
    options: argparse.Namespace, settings: Settings, scored: Scored, journal: Journal | None
) -> tuple[Ranking, list[str]]:
    """Ranks all submissions and prints it; second: the others' problems."""
    teams, problems = {str(options.predictions): scored.results}, []
    for team in options.rank:
        other = score_all(team, options.references, settings, options.jobs, named=True, journal=journal)
        if other.stopped:
            raise other.stopped
        teams[str(team)] = other.results
        problems += other.problems
    found = ranking(teams, {case.name: case.reference.cohort for case in scored.cases}, settings)
    show(ranking_table(found))
    return found, problems


def compare_with(
    options: argparse.Namespace, settings: Settings, results: list[CaseResult], journal: Journal | None
) -> tuple[list[Difference], list[str]]:
    """Prints and returns the differences to the other predictions, and their problems."""
    others = score_all(
        options.compare, options.references, settings, options.jobs, named=True, journal=journal
    )
    if others.stopped:
        raise others.stopped
    differences = compare(results, others.results, settings)
    show(comparison_table(differences))
    return differences, others.problems


def keep(
    options: argparse.Namespace,
    scored: Scored,
    settings: Settings,
    differences: list[Difference],
    order: Ranking | None,
    problems: list[str],
) -> None:
    """Write CSV and JSON of what was scored, if anything was."""
    if not any(r.scores for r in scored.results):
        return
    if options.csv:
        save(options.csv, csv_text(scored.results, settings).encode())
    if options.json:
        summaries = summarise(scored.results, settings, np.random.default_rng(0))
        save(
            options.json,
            json_text(scored.results, summaries, differences, problems, settings, order).encode(),
        )


def journal_of(options: argparse.Namespace, settings: Settings) -> Journal | None:
    """Beside the CSV, or else the JSON; none without a file, or beside a device."""
    kept = [path for path in (options.csv, options.json) if path and (path.is_file() or not path.exists())]
    return Journal(kept[0], settings, resume=options.resume) if kept else None


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Finds, scores and reports; returns the exit code. What was scored is kept, whatever stops the run."""
    several = bool(options.rank or options.compare)  # whose problem it is must then be said
    journal = journal_of(options, settings)
    scored = score_all(
        options.predictions,
        options.references,
        settings,
        options.jobs,
        named=several,
        journal=journal,
        rows=GrowingCsv(options.csv, settings) if options.csv else None,
    )
    problems = list(scored.problems)
    differences: list[Difference] = []
    order: Ranking | None = None
    try:
        if scored.stopped:
            raise scored.stopped
        summaries = summarise(scored.results, settings, np.random.default_rng(0))
        show(table(summaries, settings))
        if len(scored.results) > 1:
            show(spread_table(summaries))
        show(further_tables(scored.results, settings))
        if options.compare:
            differences, further = compare_with(options, settings, scored.results, journal)
            problems += further
        if options.rank:
            order, further = rank_teams(options, settings, scored, journal)
            problems += further
    except (InputError, OSError, KeyboardInterrupt) as error:
        why = f"stopped after {len(scored.results)} of {len(scored.cases)} cases"
        why = "stopped before all predictions were scored" if not scored.stopped else why
        keep(
            options,
            scored,
            settings,
            differences,
            order,
            [*problems, f"{why}: {str(error) or 'asked to end'}"],
        )
        raise
    keep(options, scored, settings, differences, order, problems)
    draw(options, scored, settings, order)
    if journal:
        journal.remove()
    return 1 if problems else 0


def main(arguments: list[str] | None = None) -> int:
    """Command line entry; returns the exit code."""
    try:
        return run(*parse_arguments(arguments))
    except OSError as error:
        report_error(InputError(error.filename or "evaluate.py", reason(error), "make it readable"))
    except InputError as error:
        report_error(error)
    except KeyboardInterrupt:
        fact = "stopped before all was done"
        remedy = "what was scored is in --csv and --json if given; --resume goes on from there"
        report_error(InputError("evaluate.py", fact, remedy))
        return 130
    return 2


if __name__ == "__main__":
    own_stderr()
    take_any_text()
    # Under nohup it goes on when its terminal goes.
    heard = tuple(number for number in HANG_UP if signal.getsignal(number) is not signal.SIG_IGN)
    with stoppable((*ASKED_TO_END, *heard)):
        sys.exit(main())
