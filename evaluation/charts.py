"""Which plots the report has, and what their dots are."""

from collections.abc import Iterator
from functools import partial

import numpy as np

from evaluation.findings import Findings
from evaluation.plots import (
    INK,
    STRUCTURE,
    Dot,
    bland_altman,
    blobs,
    distribution,
    dots_of,
    paired,
    size_against,
    teams,
)
from evaluation.run import CaseResult
from evaluation.summary import columns
from model.errors import one_line

Drawn = Iterator[tuple[str, str]]
MOST_CHANGES = 5


def _percent(measure: int, structure: str, result: CaseResult) -> float:
    """DSC (0) or the NSD at one of the tolerances (1, …)."""
    score = result.scores[structure]
    return 100 * (score.dsc, *score.nsd)[measure]


def _titles(found: Findings) -> list[str]:
    return ["DSC [%]", *(f"NSD {t:g} mm [%]" for t in found.settings.tolerances_mm)]


def charts(found: Findings, numbers: dict[str, int]) -> Drawn:
    """Captions and SVG; numbers: of the cases in the page."""
    results, settings = found.results, found.settings
    for k, title in enumerate(_titles(found)):
        values = dots_of(results, numbers, settings, partial(_percent, k), "{:.1f} %")
        yield f"{title}: a cloud, a box and every case", distribution(title, values)
    distances = dots_of(results, numbers, settings, lambda s, r: r.scores[s].hd95_mm, "HD95 {:.1f} mm")
    if distances:
        yield "HD95, where it is defined", distribution("HD95 [mm]", distances)
    if pairs := _both_structures(found, numbers):
        yield "Both structures of each case", paired("DSC [%]", settings.structures, {"": pairs})
    sizes: dict[str, list[Dot]] = {}
    lesions: dict[str, list[Dot]] = {}
    for structure in settings.structures:
        for r in (r for r in results if structure in r.scores):
            score, case = r.scores[structure], numbers[r.name]
            if score.reference_cm3 > 0:
                words = f"{r.name}: {structure} {score.reference_cm3:.3g} cm³, DSC {100 * score.dsc:.1f} %"
                sizes.setdefault(structure, []).append(Dot(score.reference_cm3, 100 * score.dsc, case, words))
            for lesion in r.lesions[structure].lesions if structure in r.lesions else ():
                state = f"DSC {100 * lesion.dsc:.1f} %" if lesion.found else "missed"
                words = f"{r.name}: {structure} lesion of {lesion.reference_cm3:.2g} cm³, {state}"
                lesions.setdefault(structure, []).append(
                    Dot(lesion.reference_cm3, 100 * lesion.dsc, case, words)
                )
    if sizes:
        yield "Size against DSC, by case", size_against("volume of the reference [cm³]", "DSC [%]", sizes)
    if lesions:
        label = "volume of the lesion [cm³]"
        yield "Size against DSC, by lesion (0: missed)", size_against(label, "DSC of the lesion [%]", lesions)
    for volumes in found.volumes:
        yield (
            f"{volumes.structure}: volumes (Bland–Altman)",
            bland_altman(volumes, _differences(found, volumes.structure, numbers)),
        )


def _differences(found: Findings, structure: str, numbers: dict[str, int]) -> list[Dot]:
    dots = []
    for r in found.results:
        if structure in r.scores and (
            r.scores[structure].prediction_cm3 or r.scores[structure].reference_cm3
        ):
            ours, theirs = r.scores[structure].prediction_cm3, r.scores[structure].reference_cm3
            words = f"{r.name}: {structure} {ours:.3g} cm³, reference {theirs:.3g} cm³"
            dots.append(Dot((ours + theirs) / 2, ours - theirs, numbers[r.name], words))
    return dots


def _both_structures(found: Findings, numbers: dict[str, int]) -> list[tuple[Dot, Dot]]:
    """DSC of cases where two structures were scored."""
    pairs = []
    for r in found.results:
        if len(found.settings.structures) == 2 and len(r.scores) == 2:
            one, other = (
                Dot(0, 100 * v.dsc, numbers[r.name], f"{r.name}: {s} DSC {100 * v.dsc:.1f} %")
                for s, v in r.scores.items()
            )
            pairs.append((one, other))
    return pairs


def comparison_charts(found: Findings, numbers: dict[str, int]) -> Drawn:
    """Each case's values of the other predictions and of these."""
    if not found.other:
        return
    other = {r.name: r for r in found.other}
    for k, title in enumerate(_titles(found)):
        pairs: dict[str, list[tuple[Dot, Dot]]] = {}
        for r in found.results:
            for structure in r.scores:
                if r.name in other and structure in other[r.name].scores:
                    values = (_percent(k, structure, other[r.name]), _percent(k, structure, r))
                    words = f"{r.name}: {structure} {values[0]:.1f} % there, {values[1]:.1f} % here"
                    one, two = (Dot(0, v, numbers[r.name], words) for v in values)
                    pairs.setdefault(structure, []).append((one, two))
        yield f"{title}: the other predictions and these", paired(title, ("other", "these"), pairs)


def largest_changes(found: Findings) -> list[tuple[str, str]]:
    """Cases whose DSC differs most from the other predictions', and by how much."""
    changes = []
    if found.other:
        table = columns(found.results, "dsc", found.settings) - columns(found.other, "dsc", found.settings)
        for result, line in zip(found.results, table, strict=True):
            for structure, change in zip(found.settings.structures, line, strict=True):
                if change and not np.isnan(change):
                    changes.append((abs(change), result.name, f"{structure} DSC {100 * change:+.1f} points"))
    return [(name, words) for _, name, words in sorted(changes, reverse=True)[:MOST_CHANGES]]


def ranking_charts(found: Findings, numbers: dict[str, int]) -> Drawn:
    """How stable the places are; each measure of all teams, the best team first."""
    if not found.order:
        return
    yield (
        "Places over draws of patients: the larger, the more often; cross: the place; line: 95 %",
        blobs(found.order),
    )
    by_team = {one_line(name): results for name, results in found.teams.items()}
    for k in range(2):
        for structure in found.settings.structures:
            values = []
            for team in found.order.teams:
                results = by_team[team.team]
                of = dots_of(results, numbers, found.settings, partial(_percent, k), "{:.1f} %")
                values.append((team.team, of.get(structure, [])))
            title = f"{structure} {_titles(found)[k]}"
            yield f"{title} of each team", teams(title, values, STRUCTURE.get(structure, INK))
