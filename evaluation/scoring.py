"""Predictions against references: cases found, matched and scored, and all that was wrong in words."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from evaluation.cases import CaseFiles, Found, MatchedCase, find_cases, find_ct
from evaluation.contours import SUFFIX, slices_beside
from evaluation.journal import Journal
from evaluation.matching import across_cohorts, match_cases, partners
from evaluation.names import meant
from evaluation.output import GrowingCsv
from evaluation.processes import evaluate_cases
from evaluation.run import CaseResult, Settings
from model.errors import InputError, one_line
from model.terminal import progress, show


@dataclass(frozen=True)
class Scored:
    """Cases, results as far as there are any, all problems in words; references: as they were found.

    stopped: why not all cases have a result.
    """

    cases: list[MatchedCase]
    results: list[CaseResult]
    problems: list[str]
    references: Found
    stopped: InputError | KeyboardInterrupt | None = None


@dataclass(frozen=True)
class Way:
    """How cases are scored. jobs: processes, None: what fits. cts: on whose grids references in DICOM are drawn.

    maps: files of probability, where they are given.
    journal: what was scored before is taken from it, what is scored now kept in it.
    given: all that is scored or read beside; where one lies below another, it is left out of that.
    references: as they were found for the submission before.
    """

    jobs: int | None = 1
    cts: Path | None = None
    journal: Journal | None = None
    maps: list[CaseFiles] | None = None
    given: tuple[Path, ...] = ()
    references: Found | None = None


ONE_BY_ONE = Way()


def score_all(
    predictions: Path,
    references: Path,
    settings: Settings,
    way: Way = ONE_BY_ONE,
    *,
    named: bool = False,
    rows: GrowingCsv | None = None,
) -> Scored:
    """Cases, their results and all problems, which also go to stderr; named: with the predictions' path in front.

    rows: where results are added as cases finish. Raises InputError if no name matches, or nothing was scored.
    """
    team = f"{one_line(str(predictions))}: " if named else ""
    given = (predictions, references, *way.given)
    predicted, true = find_cases(predictions, given), way.references or find_cases(references, given)
    cases, extra = match_cases(predicted, true)
    cases = [_with_ct(case, way.cts) for case in _with_maps(cases, way.maps)]
    unclear = [f"{team}{problem} (not scored)" for problem in true.problems + predicted.problems]
    if cases and not any(case.prediction for case in cases):
        _show(unclear)
        raise _no_name_matches(predictions, predicted, true)
    done: dict[str, CaseResult] = {}
    stopped: InputError | KeyboardInterrupt | None = None
    try:
        for result in _results(cases, settings, way, str(predictions)):
            done[result.name] = result
            if rows:
                rows.add(result)
    except (InputError, KeyboardInterrupt) as error:
        stopped = error
    results = [done[case.name] for case in cases if case.name in done]
    problems = unclear + [f"{team}{p}" for r in results for p in r.problems]
    problems += [f"{team}{p}" for p in (*_without_reference(cases, extra), *across_cohorts(cases))]
    _show(problems)
    if not stopped and not any(r.scores for r in results):
        raise InputError(predictions, "no case could be evaluated", "see the lines above")
    return Scored(cases, results, problems, true, stopped)


def _with_maps(cases: list[MatchedCase], maps: list[CaseFiles] | None) -> list[MatchedCase]:
    """They are the prediction's: where both sides hold one case, its name may be another one than the reference's."""
    if maps is None:
        return cases
    of_predictions = partners([case.prediction for case in cases if case.prediction], maps)
    of_references = partners([case.reference for case in cases], maps)
    found = []
    for case in cases:
        own = of_predictions.get(case.prediction.name) if case.prediction else None
        own = own or of_references.get(case.name)
        found.append(replace(case, maps=own.by_structure if own else {}))
    return found


def _with_ct(case: MatchedCase, cts: Path | None) -> MatchedCase:
    """Where the reference is contours in DICOM: on the CT given, or the one whose slices lie beside."""
    paths = case.reference.paths
    if not any(path.suffix.lower() == SUFFIX for path in paths):
        return case
    try:
        return replace(case, ct=find_ct(cts, case.name) if cts else slices_beside(paths))
    except InputError as error:
        return replace(case, reference=replace(case.reference, fault=error))


def _results(cases: list[MatchedCase], settings: Settings, way: Way, team: str) -> Iterator[CaseResult]:
    """Those of before, then the others as they finish. Raises InputError as evaluate_cases and the journal do."""
    known = way.journal.known(team, cases) if way.journal else {}
    if known:
        show(f"{len(known)} of {len(cases)} cases were scored before")
    yield from known.values()
    waiting = {case.name: case for case in cases if case.name not in known}
    scoring = evaluate_cases(list(waiting.values()), settings, way.jobs) if waiting else iter(())
    for result in progress(scoring, "case", total=len(waiting), leave=False):
        if way.journal:
            way.journal.append(team, waiting[result.name], result)
        yield result


def _without_reference(cases: list[MatchedCase], names: list[str]) -> Iterator[str]:
    without = [case.name for case in cases if not case.prediction]
    for name in names:
        other = meant(name, without)
        hint = f"; if {other} is meant, name it so" if other else ""
        yield f"{name}: no reference, not scored{hint}"


def _show(problems: list[str]) -> None:
    for problem in problems:
        print(problem, file=sys.stderr)


def _no_name_matches(predictions: Path, predicted: Found, true: Found) -> InputError:
    fact = (
        f"no name matches: {next(iter(predicted.cases))} and so on, and references {next(iter(true.cases))}"
    )
    for name in predicted.cases:
        if other := meant(name, true.cases):
            return InputError(predictions, f"{fact} and so on", f"did you mean {other} by {name}? Name it so")
    return InputError(predictions, f"{fact} and so on", "name each prediction as its reference")
