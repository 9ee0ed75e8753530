"""Predictions against references: cases found, matched and scored, and all that was wrong in words."""

import sys
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from evaluation.cases import Found, MatchedCase, find_cases, match_cases, meant
from evaluation.processes import evaluate_cases
from evaluation.run import CaseResult, Settings
from model.errors import InputError, one_line


@dataclass(frozen=True)
class Scored:
    """Cases, results as far as there are any, all problems in words; stopped: why not all cases have a result."""

    cases: list[MatchedCase]
    results: list[CaseResult]
    problems: list[str]
    stopped: InputError | KeyboardInterrupt | None = None


def score_all(
    predictions: Path, references: Path, settings: Settings, jobs: int, *, named: bool = False
) -> Scored:
    """Cases, their results and all problems, which also go to stderr; named: with the predictions' path in front.

    Raises InputError if no name matches, or nothing was scored.
    """
    team = f"{one_line(str(predictions))}: " if named else ""
    predicted, true = find_cases(predictions), find_cases(references)
    cases, extra = match_cases(predicted, true)
    unclear = [f"{team}{problem} (not scored)" for problem in true.problems + predicted.problems]
    if cases and not any(case.prediction for case in cases):
        _show(unclear)
        raise _no_name_matches(predictions, predicted, true)
    results: list[CaseResult] = []
    stopped: InputError | KeyboardInterrupt | None = None
    try:
        scoring = evaluate_cases(cases, settings, jobs)
        results.extend(tqdm(scoring, total=len(cases), unit="case", disable=None, leave=False))
    except (InputError, KeyboardInterrupt) as error:
        stopped = error
    problems = unclear + [f"{team}{p}" for r in results for p in r.problems]
    without = [case.name for case in cases if not case.prediction]
    for name in extra:
        other = meant(name, without)
        hint = f"; if {other} is meant, name it so" if other else ""
        problems.append(f"{team}{name}: no reference, not scored{hint}")
    _show(problems)
    if not stopped and not any(r.scores for r in results):
        raise InputError(predictions, "no case could be evaluated", "see the lines above")
    return Scored(cases, results, problems, stopped)


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
