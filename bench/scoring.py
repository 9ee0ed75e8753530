"""Held-out cases scored with some weights, each case kept as soon as it is done."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

import numpy as np
from scipy.stats import wilcoxon

from evaluation.metrics import Lesions, Score
from evaluation.run import CaseResult, Settings
from model.inference.predictor import Predictor
from model.inference.shortcuts import Shortcuts
from model.network.bundle import Bundle
from model.writing import write_bytes
from training.data.sources import TrainingCase, read_training_case
from training.validate import scores_of_counted


def scored(
    bundle: Bundle,
    cases: Iterable[TrainingCase],
    settings: Settings,
    kept: Path,
    shortcuts: Shortcuts,
    device: str,
) -> list[CaseResult]:
    """Whole cases through the container's code, against their labels; those in the file are not done again.

    The file is of these tensors alone: of others it is begun anew. Raises InputError for a case that cannot be read.
    """
    key = {
        "tensors": bundle.fingerprint_of_tensors,
        "settings": json.loads(json.dumps(asdict(settings))),
        "shortcuts": asdict(shortcuts),
    }
    results = read_results(kept, key)
    predictor = Predictor(bundle, device, "auto", shortcuts, lambda line: None)
    for case in cases:
        if case.name in results:
            continue
        pair, label = read_training_case(case)
        labels = predictor.segment(pair).labels
        scores = scores_of_counted(labels, label, pair.spacing_zyx, settings)
        results[case.name] = CaseResult(case.name, scores, ())
        write_results(kept, key, results)
    return [results[case.name] for case in cases]


def read_results(path: Path, key: dict[str, object]) -> dict[str, CaseResult]:
    """By case; none where there is no file, or one of other weights or settings."""
    if not path.exists():
        return {}
    content = json.loads(path.read_bytes())
    if content["of"] != key:
        return {}
    return {
        name: CaseResult(name, {structure: _score(row) for structure, row in scores.items()}, ())
        for name, scores in content["cases"].items()
    }


def write_results(path: Path, key: dict[str, object], results: dict[str, CaseResult]) -> None:
    """Distances that are not defined are written as null."""
    cases = {
        name: {structure: _plain(asdict(of)) for structure, of in result.scores.items()}
        for name, result in results.items()
    }
    write_bytes(path, json.dumps({"of": key, "cases": cases}, indent=1, allow_nan=False).encode())


def _plain(row: dict[str, object]) -> dict[str, object]:
    return {name: None if value != value else value for name, value in row.items()}


def _score(row: dict[str, object]) -> Score:
    values = {name: np.nan if value is None else value for name, value in row.items()}
    values |= {"nsd": tuple(row["nsd"]), "lesions": Lesions(**row["lesions"])}  # type: ignore[arg-type,dict-item]
    return Score(**values)  # type: ignore[arg-type]


def hd95_lines(ours: list[CaseResult], theirs: list[CaseResult], structures: tuple[str, ...]) -> list[str]:
    """Median HD95 of both by structure, where both drew something in a case that has it; paired as the rest."""
    lines = []
    for structure in structures:
        pairs = np.array(
            [
                (a.scores[structure].hd95_mm, b.scores[structure].hd95_mm)
                for a, b in zip(ours, theirs, strict=True)
            ]
        )
        pairs = pairs[~np.isnan(pairs).any(axis=1)]
        if not len(pairs):
            lines.append(f"{structure:10}HD95      no case where both drew it")
            continue
        change = pairs[:, 0] - pairs[:, 1]
        p = float(wilcoxon(change).pvalue) if change.any() else 1.0
        one, other = np.median(pairs, axis=0)
        lines.append(
            f"{structure:10}HD95      {len(pairs)} cases, median {one:.1f} and {other:.1f} mm, p = {p:.3g}"
        )
    return lines
