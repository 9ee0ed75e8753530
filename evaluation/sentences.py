"""What was found, a sentence each, as one would say it to a colleague; and which cases to look at first."""

from dataclasses import dataclass

import numpy as np

from evaluation.findings import Findings
from evaluation.run import CaseResult

# cm³: what counts as a small lesion.
SMALL_CM3 = 1.0
# DSC that nobody takes for a success.
POOR = 0.5
MOST_WORST = 5
# Cases, and DSC points between the smaller and the larger half, that are worth a sentence.
FEWEST_FOR_HALVES, STEP_OF_HALVES = 10, 0.05


@dataclass(frozen=True)
class Worst:
    """A case, its mean of DSC and NSD over the structures (a fraction), and what is wrong with it."""

    name: str
    value: float
    why: str


def case_value(result: CaseResult) -> float:
    """Mean of DSC and NSD over a case's structures; -1 for a case that was not scored."""
    values = [(s.dsc + s.nsd[0]) / 2 for s in result.scores.values()]
    return float(np.mean(values)) if values else -1.0


def worst_cases(found: Findings) -> list[Worst]:
    """The worst first, of those that were scored and are not perfect."""
    ordered = sorted((r for r in found.results if r.scores), key=case_value)
    return [
        Worst(r.name, case_value(r), _why(r)) for r in ordered[:MOST_WORST] if case_value(r) < 1 or r.problems
    ]


def _why(result: CaseResult) -> str:
    parts = []
    for structure, score in result.scores.items():
        text = f"{structure} DSC {100 * score.dsc:.0f} %"
        matching = result.lesions.get(structure)
        missed = [lesion.reference_cm3 for lesion in matching.lesions if not lesion.found] if matching else []
        false = matching.false_cm3 if matching else ()
        if score.prediction_cm3 == 0 < score.reference_cm3:
            text += ", nothing predicted"
        elif missed:
            text += f", {len(missed)} of {score.lesions.reference} lesions missed"
        if false:
            text += f", {len(false)} false"
        if score.hd95_mm >= 10:
            text += f", HD95 {score.hd95_mm:.0f} mm"
        parts.append(text)
    return "; ".join(parts)


def sentences(found: Findings) -> list[str]:
    """The findings, structure by structure, then those about others."""
    said: list[str] = []
    for structure in found.settings.structures:
        results = [r for r in found.results if structure in r.scores]
        if results:
            said += [_overlap(structure, results), _missed(structure, results), _false(structure, results)]
            said += [_volume(structure, found), _halves(structure, results), _undefined(structure, found)]
    said += [_compared(found), _ranked(found)]
    return [sentence for sentence in said if sentence]


def _overlap(structure: str, results: list[CaseResult]) -> str:
    poor = [r for r in results if r.scores[structure].dsc < POOR]
    if not poor:
        return ""
    worst = min(poor, key=lambda r: r.scores[structure].dsc)
    value = f"the lowest {100 * worst.scores[structure].dsc:.0f} % ({worst.name})"
    return f"{structure}: DSC below {100 * POOR:.0f} % in {len(poor)} of {_cases(len(results))}, {value}."


def _missed(structure: str, results: list[CaseResult]) -> str:
    lesions = [lesion for r in results if structure in r.lesions for lesion in r.lesions[structure].lesions]
    missed = [lesion.reference_cm3 for lesion in lesions if not lesion.found]
    if not lesions:
        return ""
    if not missed:
        return f"{structure}: no lesion missed (of {len(lesions)})."
    small = sum(cm3 < SMALL_CM3 for cm3 in missed)
    sizes = f"; {small} of those below {SMALL_CM3:g} cm³" if small else ""
    if small == len(missed):
        sizes = f"; {'all' if small > 1 else 'it is'} below {SMALL_CM3:g} cm³"
    elif len(missed) > 1 or not small:
        sizes += f"{';' if not small else ','} the largest {_cm3(max(missed))}"
    return f"{structure}: {len(missed)} of {_lesions(len(lesions))} missed{sizes}."


def _false(structure: str, results: list[CaseResult]) -> str:
    false = [r.lesions[structure].false_cm3 for r in results if structure in r.lesions]
    count, cases = sum(map(len, false)), sum(bool(of) for of in false)
    if not count:
        return ""
    largest = max(cm3 for of in false for cm3 in of)
    one = "one false lesion" if count == 1 else f"{count} false lesions"
    return f"{structure}: {one} in {_cases(cases)}, {'of' if count == 1 else 'the largest'} {_cm3(largest)}."


def _volume(structure: str, found: Findings) -> str:
    chosen = [s for s in found.statistics if (s.measure, s.structure) == ("difference_percent", structure)]
    if not chosen or chosen[0].count < 2 or chosen[0].mean is None or chosen[0].ci95 is None:
        return ""
    mean, (low, high) = chosen[0].mean, chosen[0].ci95
    interval = f"95 % interval {low:+.0f} to {high:+.0f} %"
    if low <= 0 <= high:
        return f"{structure}: no bias of volume beyond chance ({mean:+.0f} %, {interval})."
    word = "small" if mean < 0 else "large"
    return f"{structure}: {abs(mean):.0f} % too {word} on average ({interval})."


def _halves(structure: str, results: list[CaseResult]) -> str:
    scores = [r.scores[structure] for r in results if r.scores[structure].reference_cm3 > 0]
    if len(scores) < FEWEST_FOR_HALVES:
        return ""
    middle = float(np.median([s.reference_cm3 for s in scores]))
    small = float(np.mean([s.dsc for s in scores if s.reference_cm3 < middle] or [np.nan]))
    large = float(np.mean([s.dsc for s in scores if s.reference_cm3 >= middle]))
    if not abs(large - small) >= STEP_OF_HALVES:
        return ""
    means = f"{100 * small:.0f} % below {_cm3(middle)}, {100 * large:.0f} % above"
    return f"{structure}: size matters: mean DSC {means}."


def _undefined(structure: str, found: Findings) -> str:
    chosen = [s for s in found.statistics if (s.measure, s.structure) == ("hd95_mm", structure)]
    if not chosen or not chosen[0].undefined:
        return ""
    return f"{structure}: distances are not defined in {_cases(chosen[0].undefined)}, and not in their means."


def _compared(found: Findings) -> str:
    words = [
        f"{d.structure} {d.measure.upper()} {100 * d.mean:+.1f} points (p = {d.p:.2g})"
        for d in found.differences
        if d.p < 0.05
    ]
    if not found.differences:
        return ""
    return f"Against the other predictions: {', '.join(words) or 'no difference beyond chance'}."


def _ranked(found: Findings) -> str:
    if not found.order:
        return ""
    first = [team.team for team in found.order.teams if team.place == 1]
    equal = [team.team for team in found.order.teams if team.statistical_place == 1]
    together = f"; by significance {len(equal)} teams share the first place" if len(equal) > 1 else ""
    return f"Ranking: {' and '.join(first)} first{together}."


def _cases(count: int) -> str:
    return f"{count} case{'s' * (count != 1)}"


def _lesions(count: int) -> str:
    return f"{count} lesion{'s' * (count != 1)}"


def _cm3(value: float) -> str:
    return f"{value:.2g} cm³" if value < 10 else f"{value:.0f} cm³"


@dataclass(frozen=True)
class Card:
    """A figure that matters: its title, value and what stands below."""

    title: str
    value: str
    below: str


def score_card(found: Findings) -> list[Card]:
    """DSC and NSD of each structure, then distances and lesions."""
    names = {"dsc": "DSC", "nsd": f"NSD {found.settings.tolerances_mm[0]:g} mm"}
    cards = [
        Card(
            f"{s.structure} {names[s.measure]}",
            f"{100 * s.mean:.1f} %",
            f"± {100 * s.sd:.1f}; 95 % interval {100 * s.ci95[0]:.1f} to {100 * s.ci95[1]:.1f}",
        )
        for structure in found.settings.structures
        for s in found.summaries
        if s.structure == structure and s.measure in names
    ]
    for s in found.statistics:
        if s.measure == "hd95_mm":
            undefined = f"; undefined in {s.undefined}" if s.undefined else ""
            median = "–" if s.median is None else f"{s.median:.1f} mm"
            cards.append(Card(f"{s.structure} HD95", median, f"median of {s.count}{undefined}"))
    for d in found.lesions:
        at = d.thresholds[0]
        if at.sensitivity is not None:
            cards.append(
                Card(
                    f"{d.structure} lesions found",
                    f"{at.matched} of {d.reference}",
                    f"{d.predicted - at.matched} false; F1 {100 * (at.f1 or 0):.0f} %",
                )
            )
    return cards
