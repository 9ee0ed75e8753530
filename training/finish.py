"""The end of a fold's run: the weights are written, then scored on the held-out cases, and what it came to is kept."""

from dataclasses import replace
from pathlib import Path

from evaluation.output import csv_text
from evaluation.summary import summarise, table
from model.errors import InputError
from model.network.bundle import Bundle, as_stored, load_bundle, save_bundle
from model.terminal import log, progress, show
from model.writing import write_bytes
from training.data.sources import TrainingCase
from training.provenance import metrics
from training.results import RESULT, FoldResult, read_result, write_result
from training.validate import SETTINGS, choose_least, least_in_words, validate


def finish(
    fold: str, bundle: Bundle, out: Path, held_out: list[TrainingCase], device: str, folder: Path
) -> None:
    """Write the weights; then validate on whole cases, if any, and add their scores and the least volumes they choose.

    The table is printed; validation.csv and result.json lie in the fold's folder. What was finished before, with the
    same weights and cases, stays as it is. Raises InputError where a file cannot be written.
    """
    tensors = as_stored(bundle).fingerprint_of_tensors
    if _is_finished(tensors, out, held_out, folder):
        log(f"fold {fold} is finished: {out}")
        return
    # Before the validation, which takes time and may fail.
    (folder / RESULT).unlink(missing_ok=True)
    try:
        save_bundle(bundle, out)
    except InputError as error:
        remedy = "free space or choose another --out, then --resume: the checkpoint has them"
        raise InputError(error.where, error.fact, remedy) from None
    log(f"wrote {out}")
    result = FoldResult(fold, out, tensors)
    if held_out:
        log(f"validate: {len(held_out)} held-out cases, whole")
        scoring = validate(bundle, held_out, device)
        scored = list(progress(scoring, "case", total=len(held_out), words="validate"))
        cases, tables = tuple(case for case, _ in scored), tuple(by_least for _, by_least in scored)
        result = replace(result, cases=cases, by_least=tables)
        note_scores(bundle, result, folder)
    write_result(result, folder)


def _is_finished(tensors: str, out: Path, held_out: list[TrainingCase], folder: Path) -> bool:
    """Whether these weights are in their file and have been scored on these cases."""
    try:
        result = read_result(folder / RESULT)
        written = load_bundle(out).fingerprint_of_tensors
    except InputError:
        return False  # not there, or of no use
    names = {case.name for case in held_out}
    scored = {case.name for case in result.cases}
    return result.fingerprint == written == tensors and result.weights == out.resolve() and scored >= names


def note_scores(bundle: Bundle, result: FoldResult, folder: Path) -> None:
    """Scores and least volumes into the weights file, the table of all cases into the folder; both are printed."""
    cases = list(result.cases)
    summaries = summarise(cases, SETTINGS)
    show(table(summaries, SETTINGS))
    write_bytes(folder / "validation.csv", csv_text(cases, SETTINGS).encode())
    least = choose_least(list(result.by_least))
    if any(least):
        volumes = least_in_words(least)
        log(f"pieces below so many cm³ will be left out, which these cases gain by: {volumes}")
    data = f"{len(cases)} held-out cases of the same data, pieces of any size counted"
    scores = bundle.provenance | {"metrics": metrics(data, summaries)}
    save_bundle(replace(bundle, provenance=scores, least_cm3=least), result.weights)
    log(f"wrote {result.weights} again, with these scores")
