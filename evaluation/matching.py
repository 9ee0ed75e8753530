"""Which prediction belongs to which reference: by their paths, their names, the cohorts that they lie in."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator

from evaluation.cases import CaseFiles, Found, Key, MatchedCase, parts_that_tell
from evaluation.names import cohort_itself, one_form


def match_cases(predictions: Found, references: Found) -> tuple[list[MatchedCase], list[str]]:
    """References with their predictions, in the references' order, and names of predictions without one.

    With one case on each side and nothing unclear they belong together whatever their names.
    """
    problems = [*predictions.problems, *references.problems]
    if len(predictions.cases) == len(references.cases) == 1 and not problems:
        (prediction,), (reference,) = predictions.cases.values(), references.cases.values()
        return [MatchedCase(reference.name, reference, prediction)], []
    found = partners(references.cases.values(), predictions.cases.values())
    matched = [MatchedCase(name, case, found.get(name)) for name, case in references.cases.items()]
    used = {case.name for case in found.values()}
    return matched, [name for name in predictions.cases if name not in used]


def partners(ours: Collection[CaseFiles], theirs: Collection[CaseFiles]) -> dict[str, CaseFiles]:
    """By name of ours, the one of theirs that belongs to it.

    Names alone are not enough: each side shortens its own, so that P1 on one may be Cohort1/P1 on the other.
    """
    found: dict[str, CaseFiles] = {}
    used: set[str] = set()
    for way in _WAYS:
        others = _by(way, theirs)
        for told, case in _by(way, ours).items():
            other = others.get(told)
            if other and case.name not in found and other.name not in used:
                found[case.name] = other
                used.add(other.name)
    return found


def _by(way: Callable[[CaseFiles], Key], cases: Collection[CaseFiles]) -> dict[Key, CaseFiles]:
    """Cases that this way tells from all others of their side."""
    told = defaultdict(list)
    for case in cases:
        told[way(case)].append(case)
    return {key: of[0] for key, of in told.items() if key and len(of) == 1}


def _in_cohort(case: CaseFiles) -> Key:
    cohort, parts = cohort_itself(case.cohort), parts_that_tell(case.key)
    return (*cohort, parts[-1]) if cohort and parts else ()


# From what says most to what says least.
_WAYS: tuple[Callable[[CaseFiles], Key], ...] = (
    lambda case: case.key,
    lambda case: parts_that_tell(case.key),
    lambda case: (one_form(case.name),),
    _in_cohort,
)


def across_cohorts(cases: Collection[MatchedCase]) -> Iterator[str]:
    """A line for each two cohorts of which one has the predictions of the other's references."""
    names = defaultdict(list)
    for case in cases:
        if case.prediction:
            ours, theirs = case.prediction.cohort, case.reference.cohort
            if ours and theirs and cohort_itself(ours) != cohort_itself(theirs):
                names[ours, theirs].append(case.name)
    for (ours, theirs), of in names.items():
        more = f" and {len(of) - 1} more" if len(of) > 1 else ""
        yield f"{of[0]}{more}: the prediction lies in {ours}, the reference in {theirs}; give both of one cohort"
