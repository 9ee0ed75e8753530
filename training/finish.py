"""The end of a training run: the weights are written, then scored on the held-out cases."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from evaluation.output import csv_text
from evaluation.summary import summarise, table
from model.errors import InputError
from model.network.bundle import Bundle, save_bundle
from model.terminal import log
from model.writing import write_bytes
from training.data.sources import TrainingCase
from training.provenance import metrics
from training.validate import SETTINGS, choose_least, least_in_words, validate


def finish(bundle: Bundle, out: Path, held_out: list[TrainingCase], device: str, work: Path) -> None:
    """Write the weights; then validate on whole cases, if any, and add their scores and the least volumes they choose.

    The table is printed; validation.csv lies in the work folder. Raises InputError where a file cannot be written.
    """
    # Before the validation, which takes time and may fail.
    try:
        save_bundle(bundle, out)
    except InputError as error:
        remedy = "free space or choose another --out, then --resume: the checkpoint has them"
        raise InputError(error.where, error.fact, remedy) from None
    log(f"wrote {out}")
    if held_out:
        scoring = validate(bundle, held_out, device)
        scored = list(tqdm(scoring, total=len(held_out), desc="validate", unit="case", disable=None))
        results, tables = [result for result, _ in scored], [by_least for _, by_least in scored]
        summaries = summarise(results, SETTINGS, np.random.default_rng(0))
        log(table(summaries, SETTINGS))
        write_bytes(work / "validation.csv", csv_text(results, SETTINGS).encode())
        least = choose_least(tables)
        if any(least):
            volumes = least_in_words(least)
            log(f"pieces below so many cm³ will be left out, which these cases gain by: {volumes}")
        data = f"{len(held_out)} held-out cases of the same data, pieces of any size counted"
        scores = bundle.provenance | {"metrics": metrics(data, summaries)}
        save_bundle(replace(bundle, provenance=scores, least_cm3=least), out)
        log(f"wrote {out} again, with these scores")
