"""Scores as CSV and JSON."""

import csv
import io
import json
from dataclasses import asdict
from math import isnan

from evaluation.metrics import Score
from evaluation.run import CaseResult, Settings
from evaluation.summary import Difference, Summary, average_score, measures
from model.errors import one_line

# How formulas begin, also in East Asian width.
_FORMULA = tuple("=+-@＝＋－＠")


def row(score: Score, settings: Settings) -> dict[str, float | int | None]:
    """Columns of one case and structure: fractions, mm, cm³, counts; None where a value is not defined."""
    lesions = score.lesions
    columns = {
        **dict(zip(measures(settings), (score.dsc, *score.nsd), strict=True)),
        "hd95_mm": score.hd95_mm,
        "assd_mm": score.assd_mm,
        "reference_cm3": score.reference_cm3,
        "prediction_cm3": score.prediction_cm3,
        "difference_cm3": score.prediction_cm3 - score.reference_cm3,
        "tp_cm3": score.tp_cm3,
        "fp_cm3": score.fp_cm3,
        "fn_cm3": score.fn_cm3,
        "lesions_reference": lesions.reference,
        "lesions_found": lesions.found,
        "lesions_predicted": lesions.predicted,
        "lesions_true": lesions.true,
        "lesion_sensitivity": lesions.sensitivity,
        "lesion_precision": lesions.precision,
        "lesion_f1": lesions.f1,
    }
    return {key: None if isnan(value) else value for key, value in columns.items()}


def _as_text(name: str) -> str:
    """A cell of one line that a spreadsheet does not take for a formula: with an apostrophe in front."""
    name = one_line(name)
    return f"'{name}" if name.lstrip().startswith(_FORMULA) else name


def csv_text(results: list[CaseResult], settings: Settings) -> str:
    """One row per case and structure. Names that would be formulas in a spreadsheet get an apostrophe."""
    rows = [
        {"case": _as_text(r.name), "structure": structure, **row(score, settings)}
        for r in results
        for structure, score in r.scores.items()
    ]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def json_text(
    results: list[CaseResult],
    summaries: list[Summary],
    differences: list[Difference],
    problems: list[str],
    settings: Settings,
) -> str:
    """Settings, summary, scores by case and structure, and problems; the keys are described in docs/evaluation.md."""
    content = {
        "settings": asdict(settings),
        "summary": [asdict(s) for s in summaries],
        "average_score": average_score(summaries),
        "comparison": [asdict(d) for d in differences],
        "cases": {r.name: {s: row(score, settings) for s, score in r.scores.items()} for r in results},
        "problems": problems,
    }
    return json.dumps(content, indent=2, allow_nan=False) + "\n"
