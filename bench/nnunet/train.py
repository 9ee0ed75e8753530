"""nnU-Net v2's default trainer and ours, same data, split and minutes, on the same machine.

    python -m bench.nnunet.train DATA --nnunet-python VENV/bin/python [--minutes 30] [options of train.py]

Each trains for so many minutes of wall-clock time (planning and preprocessing not counted), the learning rate falling
to zero over them. The held-out cases are then segmented by gtvseg with either's weights (every window, all mirrors,
each with its own preprocessing), so that only the training differs, and scored by the evaluator. nnU-Net
(nnunetv2==2.8.1) wants a virtual environment of its own.
"""

import argparse
import json
import os
import sys
from argparse import ArgumentDefaultsHelpFormatter as DefaultsInHelp
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from bench.runs import ROOT, run_once
from evaluation.metrics import score
from evaluation.run import CaseResult, Settings
from evaluation.summary import compare, comparison_table, summarise, table
from model.images.write import write_label_map
from model.importing.convert import to_bundle
from model.importing.read import read_model
from model.inference.predictor import Predictor
from model.inference.shortcuts import EXHAUSTIVE
from model.network.bundle import Bundle, load_bundle
from model.structures import LABELS
from training.data.sources import TrainingCase, find_training_cases, read_training_case
from training.splits import cut

DATASET = "Dataset001_Compared"


def main(arguments: list[str] | None = None) -> int:
    args, further = parse_arguments(arguments)
    cases = {case.name: case for case in find_training_cases(args.data)}
    split = cut(list(cases), args.folds, args.fold, 0)
    chosen, held_out = list(split.training), list(split.held_out)
    print(f"{len(chosen)} cases to train on, {len(held_out)} held out", flush=True)
    train_ours(args, further)
    ours = load_bundle(args.work / "ours.pt")
    provenance = ours.provenance
    plan = json.loads((args.work / "ours" / "plan.json").read_bytes())
    print_rate(
        "gtvseg", provenance["iterations"], plan["batch"], 60 * provenance["minutes"], plan["patch_zyx"]
    )
    theirs = train_theirs(args, cases, chosen, held_out)
    results = {}
    settings = Settings(tuple(args.structures.split(",")), (1.0,))
    for who, bundle in (("gtvseg", ours), ("nnU-Net", theirs)):
        results[who] = [scored(bundle, cases[name], settings, args.device) for name in held_out]
        print(
            f"{who}\n{table(summarise(results[who], settings, np.random.default_rng(0)), settings)}",
            flush=True,
        )
    print("gtvseg minus nnU-Net")
    print(comparison_table(compare(results["gtvseg"], results["nnU-Net"], settings)))
    return 0


def train_ours(args: argparse.Namespace, further: list[str]) -> None:
    command = [sys.executable, str(ROOT / "train.py"), str(args.data), "--work", str(args.work / "ours")]
    command += ["--folds", str(args.folds), "--fold", str(args.fold), "--minutes", str(args.minutes)]
    command += ["--out", str(args.work / "ours.pt"), "--device", args.device, "--no-validation"]
    command += ["--overwrite", *further]
    run_once(command, args.work / "ours.pt")


def train_theirs(
    args: argparse.Namespace, cases: dict[str, TrainingCase], chosen: list[str], held_out: list[str]
) -> Bundle:
    """nnU-Net plans, preprocesses and trains; its checkpoint comes back as our weights."""
    work = (args.work / "nnunet").resolve()
    raw = work / "raw" / DATASET
    if not (raw / "dataset.json").exists():
        write_raw(raw, cases, args.second)
    folders = {"nnUNet_raw": "raw", "nnUNet_preprocessed": "preprocessed", "nnUNet_results": "results"}
    environment = os.environ | {name: str(work / folder) for name, folder in folders.items()}
    environment |= {
        "nnUNet_n_proc_DA": str(args.workers),
        "nnUNet_compile": "f" if args.device == "cpu" else "t",
    }
    split_file, result = work / f"split-{args.fold}-of-{args.folds}.json", work / "figures.json"
    split_file.write_text(json.dumps([{"train": chosen, "val": held_out}]))
    command = [str(args.nnunet_python), str(Path(__file__).parent / "train_side.py"), str(split_file)]
    command += [str(result), "--minutes", str(args.minutes), "--device", args.device]
    run_once(command, result, environment)
    figures = json.loads(result.read_bytes())
    print_rate("nnU-Net", figures["iterations"], figures["batch"], figures["seconds"], figures["patch"])
    model = Path(figures["folder"])
    return to_bundle(read_model(model, ["0"], "checkpoint_final.pth"), model)


def write_raw(folder: Path, cases: dict[str, TrainingCase], second: str) -> None:
    """All cases as nnU-Net wants them; the label map is what our own training reads."""
    for kind in ("imagesTr", "labelsTr"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    for name, case in cases.items():
        for channel, path in enumerate((case.ct, case.ce)):
            sitk.WriteImage(sitk.ReadImage(path), folder / "imagesTr" / f"{name}_{channel:04d}.nii.gz")
        pair, label = read_training_case(case)
        write_label_map(folder / "labelsTr" / f"{name}.nii.gz", label, pair.grid)
    description = {
        "channel_names": {"0": "CT", "1": second},
        "labels": {"background": 0} | LABELS,
        "numTraining": len(cases),
        "file_ending": ".nii.gz",
    }
    (folder / "dataset.json").write_text(json.dumps(description))


def scored(bundle: Bundle, case: TrainingCase, settings: Settings, device: str) -> CaseResult:
    pair, label = read_training_case(case)
    labels = Predictor(bundle, device, "auto", EXHAUSTIVE, lambda line: None).segment(pair).labels
    scores = {
        name: score(labels == LABELS[name], label == LABELS[name], pair.spacing_zyx, settings.tolerances_mm)
        for name in settings.structures
    }
    return CaseResult(case.name, scores, ())


def print_rate(who: str, iterations: int, batch: int, seconds: float, patch: list[int]) -> None:
    size = " x ".join(map(str, patch))
    voxels = iterations * batch * np.prod(patch) / seconds / 1e6
    print(
        f"{who}: {iterations} iterations of {batch} x {size} in {seconds:.0f} s: "
        f"{iterations * batch / seconds:.2f} patches/s, {voxels:.2f} million voxels/s",
        flush=True,
    )


def parse_arguments(arguments: list[str] | None) -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=DefaultsInHelp)
    add = parser.add_argument
    add("data", type=Path, help="folder of cases in SegRap's layout, a mask per structure")
    add("--nnunet-python", type=Path, required=True, help="the Python of a virtual environment with nnunetv2")
    add("--minutes", type=float, default=30)
    add("--folds", type=int, default=5)
    add("--fold", type=int, default=0, help="the one held out")
    add("--structures", default="GTVp,GTVnd", help="those that the data has contours of")
    add("--device", choices=("cpu", "cuda"), default="cpu")
    add("--second", default="PET", help="nnU-Net's name for the second channel; it normalises CT its own way")
    cores = os.cpu_count() or 1
    workers = min(12, max(1, cores - 2))
    add("--workers", type=int, default=workers, help="processes of nnU-Net that prepare batches")
    add("--work", type=Path, default=Path("runs/beside_nnunet"))
    return parser.parse_known_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
