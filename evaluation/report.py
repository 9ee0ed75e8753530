"""The report: one HTML file that needs no network. What it looks like and how it moves is in page/."""

import itertools
from collections.abc import Callable, Iterable
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader

from evaluation import pictures, slices
from evaluation.agreement import agreement_table
from evaluation.cases import Found, MatchedCase, find_ct
from evaluation.charts import charts, comparison_charts, largest_changes, ranking_charts
from evaluation.contours import SUFFIX, slices_beside
from evaluation.detection import detection_table
from evaluation.findings import Findings
from evaluation.ranking import ALL
from evaluation.reading import Masks, read_masks
from evaluation.rows import row
from evaluation.run import CaseResult, Settings
from evaluation.scene import Scene, read_scene
from evaluation.sentences import case_value, score_card, sentences, worst_cases
from evaluation.shown import MOST_CASES, ShownCase, measure_case, show_case
from evaluation.summary import average_score, measures
from model.errors import InputError
from model.images.read import read_grid
from model.terminal import progress

Readers = list[tuple[str, Callable[[], Scene]]]

PAGE = Path(__file__).parent / "page"
# Name, level and width.
WINDOWS_HU = (
    ("soft tissue", 40, 350),
    ("nodes", 60, 200),
    ("bone", 500, 2000),
    ("air and fat", -400, 1400),
)
# Columns of the table that fit on paper, beside those of the DSC and NSD.
PRINTED = (
    "hd95_mm",
    "assd_mm",
    "hd100_mm",
    "reference_cm3",
    "prediction_cm3",
    "difference_cm3",
    "difference_percent",
    "lesions_reference",
    "lesions_predicted",
    "lesion_f1",
    "iou",
)


def report(cases: list[MatchedCase], found: Findings, cts: Path | None) -> tuple[str, list[str]]:
    """The HTML text, and which cases cannot be shown in it; `cts` holds the CTs, without them outlines are on black."""
    by_name, settings = {case.name: case for case in cases}, found.settings
    ordered = sorted(found.results, key=case_value)
    numbers = {result.name: number for number, result in enumerate(ordered)}
    readers: Readers = [
        (r.name, partial(pictures.scene_of, by_name[r.name], r, settings, cts)) for r in ordered
    ]
    shown = _show(readers, settings)
    text = _page(
        settings,
        shown,
        len(readers),
        title="GTVp and GTVnd: predictions against references",
        found=found,
        average=average_score(found.summaries),
        cards=score_card(found),
        sentences=sentences(found),
        worst=worst_cases(found),
        numbers=numbers,
        charts=list(charts(found, numbers)),
        volumes=agreement_table(found.volumes),
        lesions=detection_table(found.lesions),
        comparison=list(comparison_charts(found, numbers)),
        changes=largest_changes(found),
        ranking=list(ranking_charts(found, numbers)),
        significance=_significance(found),
        rows=list(_rows(ordered, settings)),
        printed=(*measures(settings), *PRINTED),
        values=[_values(r) for r in ordered],
    )
    return text, [f"{case.name}: not shown: {case.problem}" for case in shown if case.problem]


def page_to_look_at(found: Found, structures: tuple[str, ...], cts: Path | None) -> tuple[str, list[str]]:
    """The same of predictions alone, nothing to score but pictures and slices; and what cannot be shown.

    Raises InputError where nothing can be.
    """
    settings = Settings(structures, (1.0,))

    def ct_of(name: str) -> Path | None:
        return find_ct(cts, name) if cts else slices_beside(found.cases[name].paths)

    def read(name: str) -> Scene:
        return read_scene(ct_of(name), None, found.cases[name], structures)

    def masks(name: str) -> Masks:
        drawn = any(path.suffix.lower() == SUFFIX for path in found.cases[name].paths)
        ct = ct_of(name) if drawn else None
        return read_masks(found.cases[name], structures, read_grid(ct) if ct else None)

    readers: Readers = [(name, partial(read, name)) for name in found.cases]
    shown, names = _show(readers, settings), list(found.cases)
    further = range(len(shown), len(names))
    measuring = (measure_case(k, names[k], partial(masks, names[k])) for k in further)
    measured = [*shown, *progress(measuring, "case", total=len(further), leave=False)]
    problems = [str(problem) for problem in found.problems]
    problems += [f"{case.name}: {case.problem}" for case in measured if case.problem]
    if not any(case.slices for case in shown):
        raise InputError("PREDICTIONS", f"nothing to show ({problems[0]})", "give masks, and --image for CTs")
    title = "GTVp and GTVnd: contours to look at"
    content = {"found": None, "measured": measured, "problems": problems}
    return _page(settings, shown, len(readers), title=title, **content), problems


def _show(readers: Readers, settings: Settings) -> list[ShownCase]:
    """Cases are read and drawn one after the other; of many the first."""
    count, tolerance_mm = min(len(readers), MOST_CASES), settings.tolerances_mm[0]
    drawn = (show_case(k, name, read, tolerance_mm, count) for k, (name, read) in enumerate(readers[:count]))
    return list(progress(drawn, "picture", total=count, leave=False))


def _page(settings: Settings, shown: list[ShownCase], total: int, **values: Any) -> str:
    environment = Environment(
        loader=FileSystemLoader(PAGE), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    files = {name: (PAGE / name).read_text(encoding="utf-8") for name in ("page.css", "page.js", "viewer.js")}
    return environment.get_template("page.html").render(
        shown=shown,
        total=total,
        structures=settings.structures,
        tolerances=settings.tolerances_mm,
        files=files,
        viewer=_for_the_viewer(settings),
        legend=pictures.legend(settings.tolerances_mm[0]),
        **values,
    )


def _rows(ordered: list[CaseResult], settings: Settings) -> Iterable[tuple[str, str, dict[str, Any]]]:
    for result in ordered:
        for structure, score in result.scores.items():
            yield result.name, structure, row(score, settings, result.lesions.get(structure))


def _values(result: CaseResult) -> str:
    """A case's scores in a line."""
    return "; ".join(
        f"{s} DSC {100 * v.dsc:.1f} %, NSD {100 * v.nsd[0]:.1f} %" for s, v in result.scores.items()
    )


def _significance(found: Findings) -> list[tuple[str, list[str], list[list[Any]]]]:
    """By cohort and measure: a title, the teams, and the tests, a row for the better one, None on the diagonal."""
    if not found.order:
        return []
    teams, maps = [team.team for team in found.order.teams], []
    for (cohort, measure), pairs in itertools.groupby(
        found.order.significance, attrgetter("cohort", "measure")
    ):
        of = {(pair.better, pair.than): pair for pair in pairs}
        title = measure if cohort == ALL else f"{cohort}: {measure}"
        maps.append((title, teams, [[of.get((a, b)) for b in teams] for a in teams]))
    return maps


def _for_the_viewer(settings: Settings) -> dict[str, Any]:
    """Plain values that both sides need."""
    return {
        "hu": slices.HU,
        "levels": slices.LEVELS,
        "windows": WINDOWS_HU,
        "outlines": [
            {
                "side": side,
                "bit": bit,
                "colour": pictures.COLOURS[structure][side == "prediction"],
                "structure": structure,
            }
            for (side, structure), bit in slices.BITS.items()
            if structure in settings.structures
        ],
        "legend": pictures.legend(settings.tolerances_mm[0]),
        "referenceColour": pictures.REFERENCE_COLOUR,
        "bars": pictures.SCALE_BARS_MM,
    }
