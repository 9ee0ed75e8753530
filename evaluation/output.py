"""Scores as CSV and JSON."""

import csv
import io
import json
from dataclasses import asdict

from evaluation.agreement import agreement
from evaluation.detection import detection
from evaluation.lesions import Matching
from evaluation.ranking import Ranking
from evaluation.rows import row
from evaluation.run import CaseResult, Settings
from evaluation.statistics import caveats, statistics
from evaluation.summary import Difference, Summary, average_score
from model.errors import one_line

# How formulas begin, also in East Asian width.
_FORMULA = tuple("=+-@＝＋－＠")


def _as_text(name: str) -> str:
    """A cell of one line that a spreadsheet does not take for a formula: with an apostrophe in front."""
    name = one_line(name)
    return f"'{name}" if name.lstrip().startswith(_FORMULA) else name


def csv_text(results: list[CaseResult], settings: Settings) -> str:
    """One row per case and structure. Names that would be formulas in a spreadsheet get an apostrophe."""
    rows = [
        {"case": _as_text(r.name), "structure": structure, **row(score, settings, r.lesions.get(structure))}
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
    order: Ranking | None = None,
) -> str:
    """Settings, summaries, scores by case and structure, problems; the keys are described in docs/evaluation.md."""
    content = {
        "settings": asdict(settings),
        "summary": [asdict(s) for s in summaries],
        "average_score": average_score(summaries),
        "measures": [asdict(s) for s in statistics(results, settings)],
        "volume_agreement": [asdict(a) for a in agreement(results, settings)],
        "lesions": [asdict(d) for d in detection(results, settings)],
        "comparison": [asdict(d) for d in differences],
        "ranking": asdict(order) if order else None,
        "cases": {r.name: _case(r, settings) for r in results},
        "notes": caveats(results, settings),
        "problems": problems,
    }
    return json.dumps(content, indent=2, allow_nan=False) + "\n"


def _case(result: CaseResult, settings: Settings) -> dict[str, object]:
    """By structure the columns and, where they were matched, the lesions."""
    content: dict[str, object] = {}
    for structure, score in result.scores.items():
        matching = result.lesions.get(structure)
        content[structure] = row(score, settings, matching) | (_lesions(matching) if matching else {})
    return content


def _lesions(matching: Matching) -> dict[str, object]:
    lesions = [asdict(lesion) for lesion in matching.lesions]
    return {"lesions": lesions, "false_lesions_cm3": list(matching.false_cm3)}
