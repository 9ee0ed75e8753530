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
from functools import partial

from evaluation.cases import MatchedCase, find_cases
from evaluation.findings import Findings, findings, further_tables
from evaluation.journal import Journal
from evaluation.nnunet import summary_json_text
from evaluation.options import parse_arguments
from evaluation.output import ANOTHER_NAME, GrowingCsv, csv_text, json_text, summary_csv_text
from evaluation.probabilities import find_maps
from evaluation.processes import HANG_UP
from evaluation.ranking import ranking, ranking_table
from evaluation.run import Settings
from evaluation.scoring import Way, score_all
from evaluation.summary import compare, comparison_table, spread_table, table
from model.errors import InputError, reason
from model.packages import require
from model.terminal import ASKED_TO_END, own_stderr, show, stoppable, take_any_text
from model.terminal import report as report_error
from model.writing import save

write = partial(save, remedy=ANOTHER_NAME)


def draw(options: argparse.Namespace, cases: list[MatchedCase], found: Findings) -> list[str]:
    """Overlay and report, and what they do not show; the drawing packages are loaded only when they are used."""
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # silent about its cache and fonts
    problems = []
    if options.overlay:
        from evaluation.pictures import picture

        pairs = zip(cases, found.results, strict=True)
        case, result = next(pair for pair in pairs if pair[1].scores)
        try:
            content = picture(case, result, found.settings, options.image)
        except (InputError, OSError) as error:
            problems.append(f"{case.name}: {error} (not drawn)")
        else:
            write(options.overlay, content)
    if options.report:
        from evaluation.report import report

        text, not_shown = report(cases, found, options.image)
        write(options.report, text.encode())
        problems += not_shown
    for problem in problems:
        print(problem, file=sys.stderr)
    return problems


def rank_teams(options: argparse.Namespace, cases: list[MatchedCase], found: Findings, way: Way) -> Findings:
    """With the ranks of all submissions, which are printed, and the others' problems."""
    others, problems = {}, list(found.problems)
    for team in options.rank:
        scored = score_all(team, options.references, found.settings, way, named=True)
        if scored.stopped:
            raise scored.stopped
        others[str(team)] = scored.results
        problems += scored.problems
    teams = {str(options.predictions): found.results, **others}
    order = ranking(teams, {case.name: case.reference.cohort for case in cases}, found.settings)
    show(ranking_table(order))
    return replace(found, order=order, teams=teams, problems=problems)


def compare_with(options: argparse.Namespace, found: Findings, way: Way) -> Findings:
    """With the differences to the other predictions, which are printed, and their problems."""
    scored = score_all(options.compare, options.references, found.settings, way, named=True)
    if scored.stopped:
        raise scored.stopped
    differences = compare(found.results, scored.results, found.settings)
    show(comparison_table(differences))
    problems = [*found.problems, *scored.problems]
    return replace(found, differences=differences, other=scored.results, problems=problems)


def keep(options: argparse.Namespace, cases: list[MatchedCase], found: Findings) -> None:
    """Write as files what was scored, if anything was."""
    if not any(r.scores for r in found.results):
        return
    if options.csv:
        write(options.csv, csv_text(found.results, found.settings).encode())
    if options.summary_csv:
        write(options.summary_csv, summary_csv_text(found).encode())
    if options.nnunet_json:
        write(options.nnunet_json, summary_json_text(cases, found.results).encode())
    if options.json:
        write(options.json, json_text(found).encode())


def look(options: argparse.Namespace, settings: Settings) -> int:
    """Without references: a page with the predictions on their CTs; returns the exit code."""
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    from evaluation.report import page_to_look_at

    text, problems = page_to_look_at(find_cases(options.predictions), settings.structures, options.image)
    write(options.report, text.encode())
    show(f"wrote {options.report}")
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


def journal_of(options: argparse.Namespace, settings: Settings) -> Journal | None:
    """Beside the CSV, or else the JSON; none without a file, or beside a device."""
    kept = [path for path in (options.csv, options.json) if path and (path.is_file() or not path.exists())]
    return Journal(kept[0], settings, resume=options.resume) if kept else None


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Finds, scores and reports; returns the exit code. What was scored is kept, whatever stops the run."""
    several = bool(options.rank or options.compare)  # whose problem it is must then be said
    others = (options.compare, options.probabilities, *(options.rank or ()))
    given = (options.predictions, options.references, *(path for path in others if path))
    maps = find_maps(options.probabilities, given) if options.probabilities else None
    way = Way(options.jobs, options.image, journal_of(options, settings), given=given)
    first = replace(way, maps=maps)  # the maps are those of the first predictions alone
    rows = GrowingCsv(options.csv, settings) if options.csv else None
    scored = score_all(options.predictions, options.references, settings, first, named=several, rows=rows)
    way = replace(way, references=scored.references)
    found = findings(scored.results, scored.problems, settings)
    try:
        if scored.stopped:
            raise scored.stopped
        show(table(found.summaries, settings))
        if len(scored.results) > 1:
            show(spread_table(found.summaries))
        show(further_tables(found))
        if options.compare:
            found = compare_with(options, found, way)
        if options.rank:
            found = rank_teams(options, scored.cases, found, way)
    except (InputError, OSError, KeyboardInterrupt) as error:
        why = f"stopped after {len(scored.results)} of {len(scored.cases)} cases"
        why = "stopped before all predictions were scored" if not scored.stopped else why
        said = f"{why}: {str(error) or 'asked to end'}"
        keep(options, scored.cases, replace(found, problems=[*found.problems, said]))
        raise
    keep(options, scored.cases, found)
    not_shown = draw(options, scored.cases, found)
    if way.journal:
        way.journal.remove()
    return 1 if found.problems or not_shown else 0


def main(arguments: list[str] | None = None) -> int:
    """Command line entry; returns the exit code."""
    try:
        options, settings = parse_arguments(arguments, __doc__)
        require(*("matplotlib", "jinja2") if options.report or options.overlay else ())
        return run(options, settings) if options.references else look(options, settings)
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
