"""Scores as CSV and JSON."""

import csv
import io
import json
from dataclasses import asdict
from pathlib import Path

from evaluation.findings import Findings
from evaluation.lesions import Matching
from evaluation.rows import row
from evaluation.run import CaseResult, Settings
from evaluation.summary import average_score
from model.errors import one_line
from model.writing import append_bytes, refusing, save

# How formulas begin, also in East Asian width.
_FORMULA = tuple("=+-@＝＋－＠")
# The remedy where a result cannot be written.
ANOTHER_NAME = "free space or choose another name"


def _as_text(name: str) -> str:
    """A cell of one line that a spreadsheet does not take for a formula: with an apostrophe in front."""
    name = one_line(name)
    return f"'{name}" if name.lstrip().startswith(_FORMULA) else name


def csv_text(results: list[CaseResult], settings: Settings) -> str:
    """One row per case and structure. Names that would be formulas in a spreadsheet get an apostrophe."""
    return _lines([row for result in results for row in _rows(result, settings)], titles=True)


def _rows(result: CaseResult, settings: Settings) -> list[dict[str, object]]:
    return [
        {
            "case": _as_text(result.name),
            "structure": structure,
            **row(score, settings, result.lesions.get(structure)),
        }
        for structure, score in result.scores.items()
    ]


def _lines(rows: list[dict[str, object]], *, titles: bool) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    if titles:
        writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def summary_csv_text(found: Findings) -> str:
    """One row per measure and structure: statistics over the cases, in the measure's own unit."""
    rows: list[dict[str, object]] = []
    for s in found.statistics:
        columns: dict[str, object] = asdict(s)
        del columns["quartiles"], columns["ci95"]
        (low, high), (first, third) = s.ci95 or (None, None), s.quartiles or (None, None)
        columns |= {"quartile1": first, "quartile3": third}
        rows.append(columns | {"ci95_low": low, "ci95_high": high})
    return _lines(rows, titles=True)


class GrowingCsv:
    """The CSV while cases are scored: rows as they finish, each on the disk at once.

    It replaces an older one with its first row, so that a run that scores nothing leaves that alone. A device gets
    nothing before the end.
    """

    def __init__(self, path: Path, settings: Settings) -> None:
        self.path = path
        self._settings = settings
        self._begun = False

    def add(self, result: CaseResult) -> None:
        """Raises InputError where it cannot be written."""
        rows = _rows(result, self._settings)
        if not rows or (self.path.exists() and not self.path.is_file()):
            return
        content = _lines(rows, titles=not self._begun).encode()
        if not self._begun:
            save(self.path, content, ANOTHER_NAME)
        else:
            with refusing(self.path, ANOTHER_NAME):
                append_bytes(self.path, content)
        self._begun = True


def json_text(found: Findings) -> str:
    """Settings, summaries, scores by case and structure, problems; the keys are described in docs/evaluation.md."""
    content = {
        "settings": asdict(found.settings),
        "summary": [asdict(s) for s in found.summaries],
        "average_score": average_score(found.summaries),
        "measures": [asdict(s) for s in found.statistics],
        "volume_agreement": [asdict(a) for a in found.volumes],
        "lesions": [asdict(d) for d in found.lesions],
        "froc": [asdict(of) for of in found.froc],
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
