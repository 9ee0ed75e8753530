"""What a fold came to, kept in its folder: where its weights are, and what each held-out case scored.

With it a table over all folds, and weights made of all of them, need no second look at the cases.
"""

import json
import math
import os
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.metrics import Lesions, Score
from evaluation.run import CaseResult
from evaluation.summary import columns, measures
from model.documents import read_object
from model.errors import InputError
from model.network.plain import quoted
from model.structures import LABELS
from model.writing import write_bytes
from training.validate import LEAST_CM3, SETTINGS

# In a fold's folder.
RESULT = "result.json"


@dataclass(frozen=True)
class FoldResult:
    """A finished fold. fingerprint: of the tensors alone in its weights file, whatever else is noted there later.

    cases and by_least: of each held-out case its scores and its DSC without small pieces (len(LEAST_CM3), labels).
    """

    fold: str
    weights: Path
    fingerprint: str
    cases: tuple[CaseResult, ...] = ()
    by_least: tuple[np.ndarray, ...] = ()


def write_result(result: FoldResult, folder: Path) -> None:
    """Raises OSError."""
    content = {
        "fold": result.fold,
        "weights": str(result.weights.resolve()),
        "fingerprint": result.fingerprint,
        "least_cm3": LEAST_CM3,
        "cases": {
            case.name: {
                "scores": {name: _without_nan(asdict(score)) for name, score in case.scores.items()},
                "dsc_by_least_cm3": table.tolist(),
            }
            for case, table in zip(result.cases, result.by_least, strict=True)
        },
    }
    write_bytes(folder / RESULT, (json.dumps(content, indent=1, allow_nan=False) + "\n").encode())


def read_result(path: Path) -> FoldResult:
    """Raises InputError where it cannot be read, or is of another version of this code."""
    remedy = "delete it and train that fold again with --resume: only its cases are scored anew"
    content = read_object(path, remedy)
    try:
        if content["least_cm3"] != list(LEAST_CM3):
            raise ValueError("of another version")
        cases = content["cases"].items()
        texts = [content[key] for key in ("fold", "weights", "fingerprint")]
        if not all(isinstance(text, str) for text in texts):
            raise ValueError("not what a fold leaves")
        if not texts[0].isalnum() or "\0" in texts[1] or not os.fsencode(texts[1]):
            raise ValueError("its fold or weights have a name that cannot be")
        return FoldResult(
            texts[0],
            Path(texts[1]),
            texts[2],
            tuple(CaseResult(name, _scores(of["scores"]), ()) for name, of in cases),
            tuple(_table(of["dsc_by_least_cm3"]) for _, of in cases),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        fact = f"not a fold's result ({type(error).__name__}: {str(error)[:80]})"
        raise InputError(path, fact, remedy) from None


def read_results(work: Path) -> list[FoldResult]:
    """Of all folds of a work folder that are done, by their number. Raises InputError."""
    results = [read_result(path) for path in work.glob(f"*/{RESULT}")]
    return sorted(results, key=lambda result: (len(result.fold), result.fold))


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value


def _scores(content: dict[str, Any]) -> dict[str, Score]:
    """Raises KeyError, TypeError, ValueError or AttributeError where these are none."""
    if content.keys() != LABELS.keys():
        raise ValueError(f"scores of {quoted(list(content))}")
    return {name: _score(of) for name, of in content.items()}


def _score(content: dict[str, Any]) -> Score:
    """Measures with a default are newer than some files."""
    numbers = [field for field in fields(Score) if field.name not in ("nsd", "lesions")]
    newer = {field.name: None for field in numbers if field.default is not MISSING}
    (nsd,) = (_number(value) for value in content["nsd"])
    counts: dict[str, Any] = {k: int(_number(v)) for k, v in content["lesions"].items() if k != "missing"}
    lesions = Lesions(**counts)
    return Score(nsd=(nsd,), lesions=lesions, **{f.name: _number((newer | content)[f.name]) for f in numbers})


def _number(value: Any) -> float:
    if value is None:
        return math.nan
    if type(value) not in (int, float) or not math.isfinite(value):
        raise ValueError(f"{quoted(value)} is no number")
    return float(value)


def _table(rows: Any) -> np.ndarray:
    table = np.array([[_number(value) for value in row] for row in rows])
    if table.shape != (len(LEAST_CM3), len(LABELS)) or not ((table >= 0) & (table <= 1)).all():
        raise ValueError("DSC by least volume of another shape, or none")
    return table


def folds_table(results: list[FoldResult]) -> str:
    """Mean ± standard deviation [%] over held-out cases, per fold and over all; each case of each fold counts once."""
    scored = [result for result in results if result.cases]
    of_measure = dict(
        zip(measures(SETTINGS), ("DSC", *(f"NSD {t:g} mm" for t in SETTINGS.tolerances_mm)), strict=True)
    )
    titles = [f"{name} {title} [%]" for name in LABELS for title in of_measure.values()]
    lines = [f"{'fold':6}{'n':>5}" + "".join(f"{title:>20}" for title in titles)]
    rows = [(result.fold, list(result.cases)) for result in scored]
    if len(scored) > 1:
        rows.append(("all", [case for result in scored for case in result.cases]))
    for title, cases in rows:
        by_measure = [100 * columns(cases, measure, SETTINGS) for measure in of_measure]
        cells = [
            f"{of[:, k].mean():.2f} ± {of[:, k].std():.2f}" for k in range(len(LABELS)) for of in by_measure
        ]
        lines.append(f"{title:6}{len(cases):>5}" + "".join(f"{cell:>20}" for cell in cells))
    every = [case.name for result in scored for case in result.cases]
    if again := len(every) - len(set(every)):
        lines.append(f"{again} of them held out by another fold before")
    return "\n".join(lines)
