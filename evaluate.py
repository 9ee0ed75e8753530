"""Scores predicted masks against references: DSC and NSD tables, as the challenge computes them.

    python evaluate.py PREDICTIONS REFERENCES

Layouts are recognised and may be mixed: docs/evaluation.md.
"""

import signal

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a Ctrl-C while all the rest is loaded ends without a word

import argparse
import logging
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from evaluation.agreement import agreement, agreement_table
from evaluation.detection import detection, detection_table
from evaluation.froc import froc, froc_table
from evaluation.journal import Journal
from evaluation.nnunet import summary_json_text
from evaluation.options import parse_arguments
from evaluation.output import GrowingCsv, csv_text, json_text, summary_csv_text
from evaluation.probabilities import find_maps
from evaluation.processes import HANG_UP
from evaluation.ranking import Ranking, ranking, ranking_table
from evaluation.run import CaseResult, Settings
from evaluation.scoring import Scored, Way, score_all
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
from model.terminal import ASKED_TO_END, own_stderr, show, stoppable, take_any_text
from model.terminal import report as report_error
from model.writing import write_bytes


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
    parts += [froc_table(probable)] if (probable := froc(results, settings)) else []
    return "\n".join([*parts, *caveats(results, settings)])


def rank_teams(
    options: argparse.Namespace, settings: Settings, scored: Scored, way: Way
) -> tuple[Ranking, list[str]]:
    """Ranks all submissions and prints it; second: the others' problems."""
    teams, problems = {str(options.predictions): scored.results}, []
    for team in options.rank:
        other = score_all(team, options.references, settings, way, named=True)
        if other.stopped:
            raise other.stopped
        teams[str(team)] = other.results
        problems += other.problems
    found = ranking(teams, {case.name: case.reference.cohort for case in scored.cases}, settings)
    show(ranking_table(found))
    return found, problems


def compare_with(
    options: argparse.Namespace, settings: Settings, results: list[CaseResult], way: Way
) -> tuple[list[Difference], list[str]]:
    """Prints and returns the differences to the other predictions, and their problems."""
    others = score_all(options.compare, options.references, settings, way, named=True)
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
    if options.summary_csv:
        save(options.summary_csv, summary_csv_text(scored.results, settings).encode())
    if options.nnunet_json:
        save(options.nnunet_json, summary_json_text(scored.cases, scored.results).encode())
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
    maps = find_maps(options.probabilities) if options.probabilities else None
    way = Way(options.jobs, options.image, journal_of(options, settings))
    first = replace(way, maps=maps)  # the maps are those of the first predictions alone
    rows = GrowingCsv(options.csv, settings) if options.csv else None
    scored = score_all(options.predictions, options.references, settings, first, named=several, rows=rows)
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
            differences, further = compare_with(options, settings, scored.results, way)
            problems += further
        if options.rank:
            order, further = rank_teams(options, settings, scored, way)
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
    if way.journal:
        way.journal.remove()
    return 1 if problems else 0


def main(arguments: list[str] | None = None) -> int:
    """Command line entry; returns the exit code."""
    try:
        return run(*parse_arguments(arguments, __doc__))
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
