"""Scores as CSV and JSON."""

import csv
import io
import json
from dataclasses import asdict

from evaluation.findings import Findings
from evaluation.lesions import Matching
from evaluation.rows import row
from evaluation.run import CaseResult, Settings
from evaluation.summary import average_score
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


def json_text(found: Findings) -> str:
    """Settings, summaries, scores by case and structure, problems; the keys are described in docs/evaluation.md."""
    content = {
        "settings": asdict(found.settings),
        "summary": [asdict(s) for s in found.summaries],
        "average_score": average_score(found.summaries),
        "measures": [asdict(s) for s in found.statistics],
        "volume_agreement": [asdict(a) for a in found.volumes],
        "lesions": [asdict(d) for d in found.lesions],
        "comparison": [asdict(d) for d in found.differences],
        "ranking": asdict(found.order) if found.order else None,
        "cases": {r.name: _case(r, found.settings) for r in found.results},
        "notes": found.notes,
        "problems": found.problems,
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
