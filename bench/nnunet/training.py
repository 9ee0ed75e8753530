"""nnU-Net's training, by train_side.py in an environment of its own; its weights come back as ours."""

import argparse
import json
import os
from pathlib import Path
from typing import Any

from bench.nnunet.train_side import FORMAT
from bench.runs import run_once
from model.errors import InputError
from model.images.grid import to_input_grid
from model.images.write import write_image, write_label_map
from model.importing.convert import to_bundle
from model.importing.read import read_model
from model.network.bundle import Bundle
from model.structures import LABELS
from model.writing import write_bytes
from training.data.sources import IGNORED, TrainingCase, read_training_case

DATASET = "Dataset001_Compared"


def train_theirs(
    args: argparse.Namespace,
    cases: dict[str, TrainingCase],
    split: tuple[tuple[str, ...], tuple[str, ...]],
    like: dict[str, Any] | None,
) -> tuple[Bundle, dict[str, Any]]:
    """Weights and figures (iterations, seconds, batch, patch); with our plan, if it is given, in place of its own.

    args: those of bench.train_vs_nnunet. Raises InputError where nothing has been trained that could be scored.
    """
    work = (args.work / "nnunet").resolve()
    result = work / "figures.json"
    if not args.evaluate_only:
        raw = work / "raw" / DATASET
        if not (raw / "dataset.json").exists():  # written last
            write_raw(raw, cases, args.second)
        write_bytes(work / "split.json", json.dumps([{"train": split[0], "val": split[1]}]).encode())
        write_bytes(work / "like.json", json.dumps(like).encode())
        length = ["--minutes", args.minutes] if args.minutes else ["--iterations", args.iterations]
        command = [args.nnunet_python, Path(__file__).parent / "train_side.py", work, *length]
        if result.exists() and json.loads(result.read_bytes()).get("format") != FORMAT:
            result.unlink()
        run_once([str(part) for part in (*command, "--device", args.device)], result, environment(work, args))
    if not result.exists():
        raise InputError(result, "no such file", "train first, without --evaluate-only")
    figures = json.loads(result.read_bytes())
    model = Path(figures["folder"])
    return to_bundle(read_model(model, ["0"], "checkpoint_final.pth"), model), figures


def environment(work: Path, args: argparse.Namespace) -> dict[str, str]:
    """What nnU-Net is told by variables."""
    folders = {"nnUNet_raw": "raw", "nnUNet_preprocessed": "preprocessed", "nnUNet_results": "results"}
    variables = os.environ | {name: str(work / folder) for name, folder in folders.items()}
    compiled = "f" if args.device == "cpu" else "t"
    return variables | {"nnUNet_n_proc_DA": str(args.workers), "nnUNet_compile": compiled}


def write_raw(folder: Path, cases: dict[str, TrainingCase], second: str) -> None:
    """All cases as our own training reads them: both CTs on one grid, and the label map, with what is not counted."""
    ignored = len(LABELS) + 1
    for kind in ("imagesTr", "labelsTr"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    any_ignored = False
    for name, case in cases.items():
        pair, label = read_training_case(case)
        for channel, hu in enumerate((pair.ct, pair.ce)):
            path = folder / "imagesTr" / f"{name}_{channel:04d}.nii.gz"
            write_image(path, to_input_grid(hu, pair.grid), pair.grid)
        any_ignored |= bool((label == IGNORED).any())
        label[label == IGNORED] = ignored
        write_label_map(folder / "labelsTr" / f"{name}.nii.gz", label, pair.grid)
    description = {
        "channel_names": {"0": "CT", "1": second},
        "labels": {"background": 0} | LABELS | ({"ignore": ignored} if any_ignored else {}),
        "numTraining": len(cases),
        "file_ending": ".nii.gz",
    }
    write_bytes(folder / "dataset.json", json.dumps(description).encode())
