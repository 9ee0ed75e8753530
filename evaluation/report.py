"""The report: one HTML file that needs no network, with tables, box plots and pictures of every case."""

import base64
import io
from pathlib import Path

import numpy as np
from jinja2 import Environment, FileSystemLoader
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from evaluation.agreement import agreement_table
from evaluation.cases import MatchedCase
from evaluation.detection import detection_table
from evaluation.findings import Findings
from evaluation.pictures import picture
from evaluation.ranking import ranking_table
from evaluation.rows import row
from evaluation.run import CaseResult, Settings
from evaluation.summary import average_score, columns, measures
from model.errors import InputError


def _box_plots(results: list[CaseResult], settings: Settings) -> bytes:
    """Box plots (PNG) of every measure for each structure, with every case as a dot."""
    names = measures(settings)
    figure = Figure((4.2 * len(names), 3.4), layout="constrained")
    rng = np.random.default_rng(0)
    for axes, measure in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        table = columns(results, measure, settings)
        values = [100 * column[~np.isnan(column)] for column in table.T]
        axes.boxplot(values, tick_labels=list(settings.structures), showfliers=False, widths=0.5)
        for position, column in enumerate(values, 1):
            axes.plot(position + rng.uniform(-0.12, 0.12, len(column)), column, "o", markersize=3, alpha=0.6)
        axes.set(title=f"{measure.upper()} [%]", ylim=(-3, 103))
    FigureCanvasAgg(figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()


def _data_url(encoded: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(encoded).decode()}"


def _case_picture(
    case: MatchedCase, result: CaseResult, settings: Settings, cts: Path | None
) -> dict[str, str]:
    """What the template needs for a case's picture; a case that cannot be drawn says why."""
    try:
        encoded = picture(case, result, settings, cts, "jpeg")
    except InputError as error:
        return {"name": case.name, "problem": str(error)}
    return {"name": case.name, "url": _data_url(encoded, "jpeg")}


def _worst_first(result: CaseResult) -> float:
    return float(np.mean([(s.dsc + s.nsd[0]) / 2 for s in result.scores.values()])) if result.scores else -1.0


def report(cases: list[MatchedCase], found: Findings, cts: Path | None) -> str:
    """The HTML text; `cts` holds the CTs for the pictures, without it outlines stand on black."""
    by_name, settings = {case.name: case for case in cases}, found.settings
    ordered = sorted(found.results, key=_worst_first)
    environment = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True)
    return environment.get_template("report.html").render(
        summaries=found.summaries,
        average=average_score(found.summaries),
        tolerances=settings.tolerances_mm,
        measures=measures(settings),
        every=found.statistics,
        volumes=agreement_table(found.volumes),
        lesions=detection_table(found.lesions),
        order=ranking_table(found.order) if found.order else "",
        notes=found.notes,
        rows=[
            (r.name, s, row(score, settings, r.lesions.get(s)))
            for r in ordered
            for s, score in r.scores.items()
        ],
        problems=found.problems,
        plots=_data_url(_box_plots(found.results, settings), "png"),
        pictures=[_case_picture(by_name[r.name], r, settings, cts) for r in ordered],
    )
