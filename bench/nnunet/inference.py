"""gtvseg and nnU-Net v2 side by side: python -m bench.nnunet.inference --nnunet-python VENV/bin/python [--case full].

The same weights (a weights file, written as an nnU-Net model and imported back from it), the same case, the same
machine, one after the other, each in a process of its own: seconds per step, forward passes, peak memory, the DSC
between the two results and of each against the truth. --exact compares logits instead: float32, every window, all
mirrors, nnU-Net's sums in float32 as well. --passes 9 is for cases that would take hours: what is missing is computed,
memory is measured. nnU-Net (nnunetv2==2.8.1) wants a virtual environment of its own.
"""

import argparse
import sys
from pathlib import Path

from bench.nnunet.case import FILES, add_options, read_case, write_case
from model.installed import BUNDLED
from model.options import Parser, whole

EXAMPLES = ("python -m bench.nnunet.inference --nnunet-python VENV/bin/python --case small",)
EXITS = "0 done, 1 a floor is missed, 2 bad options"


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = Parser(
        prog="python -m bench.nnunet.inference", description=__doc__, examples=EXAMPLES, exits=EXITS
    )
    add = parser.add_argument
    add("--nnunet-python", type=Path, required=True, help="the Python of a virtual environment with nnunetv2")
    add_options(parser, "full")
    add("--weights", type=Path, default=BUNDLED, help="weights file")
    add("--random-segrap", action="store_true", help="the challenge's baseline plan, random weights instead")
    add("--device", choices=("cpu", "cuda"), default="cpu", help="where both run")
    add(
        "--precision",
        choices=("auto", "fp32"),
        default="auto",
        help="of gtvseg; nnU-Net has float32 on a CPU",
    )
    add(
        "--passes",
        type=whole(2, 10**6),
        metavar="N",
        help="run no more through the networks, whose results are replaced (bench/nnunet/stand_in.py); the seconds of"
        " the others are computed",
    )
    add("--warm", action="store_true", help="both process the case twice; the second time counts")
    add("--exact", action="store_true", help="compare logits in float32, exhaustively")
    add("--verbose", action="store_true", help="print gtvseg's log")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    parse_arguments(None)  # --help, and what makes no sense, before what takes seconds to load

import dataclasses
import json
import os
import subprocess
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import SimpleITK as sitk
import torch

from bench.nnunet.format import write_nnunet
from evaluation.metrics import dsc
from model.importing.convert import to_bundle
from model.importing.read import read_model
from model.inference.predictor import Predictor
from model.inference.shortcuts import EXHAUSTIVE
from model.network.bundle import Bundle, Normalisation, load_bundle, save_bundle
from model.network.plan import NetworkPlan
from model.network.unet import UNet
from model.structures import LABELS

HERE = Path(__file__).parent
# The challenge's published baseline.
SEGRAP_PLAN = NetworkPlan(
    in_channels=2,
    num_classes=3,
    features=(32, 64, 128, 256, 320, 320, 320),
    kernels=((1, 3, 3), (1, 3, 3), *[(3, 3, 3)] * 5),
    strides=((1, 1, 1), (1, 2, 2), (1, 2, 2), (2, 2, 2), (2, 2, 2), (1, 2, 2), (1, 2, 2)),
    encoder_convs=(2,) * 7,
    decoder_convs=(2,) * 6,
)


def main(arguments: list[str] | None = None) -> int:
    args = parse_arguments(arguments)
    bundle = segrap_bundle() if args.random_segrap else load_bundle(args.weights)
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        case = work / "case"
        with ProcessPoolExecutor(1) as pool:  # Linux counts a parent's memory as its children's peak
            truth = pool.submit(write_case, case, args).result()
        model = write_nnunet(dataclasses.replace(bundle, provenance={}), work / "model")
        imported = to_bundle(read_model(model, ["0"], "checkpoint_final.pth"), model)
        save_bundle(imported, work / "imported.pt", torch.float32)
        size = " x ".join(str(n) for n in truth.shape)
        cores = torch.get_num_threads()
        of = args.pair[0] if args.pair else args.case
        print(
            f"case {of}, {size} voxels, {args.device}, {cores} cores, torch {torch.__version__}", flush=True
        )
        if args.exact:
            return exact(args, work)
        return compare(args, work, truth)


def compare(args: argparse.Namespace, work: Path, truth: np.ndarray) -> int:
    """Both as their users run them."""
    ours = run_ours(args, work)
    print_figures("gtvseg", ours)
    print(f"  cold start to the first window: {first_window(args, work):.1f} s", flush=True)
    theirs = run_theirs(args, work, [])
    print_figures("nnU-Net", theirs)
    if args.passes:
        print(f"run: {args.passes} passes; the network's seconds beyond are computed, results are stand-ins")
    results = {
        "gtvseg": sitk.GetArrayFromImage(sitk.ReadImage(work / "ours" / "case.nii.gz")),
        "nnU-Net": sitk.GetArrayFromImage(sitk.ReadImage(work / "theirs.nii.gz")),
    }
    for name, label in LABELS.items():
        masks = {who: labels == label for who, labels in results.items()}
        line = f"{name}: DSC between both {dsc(*masks.values()):.4f}"
        if not args.pair:
            against = ", ".join(f"{who} {dsc(mask, truth == label):.4f}" for who, mask in masks.items())
            line += f"; against the truth {against}"
        volumes = " and ".join(f"{np.count_nonzero(mask)} ({who})" for who, mask in masks.items())
        print(f"{line}; {volumes} voxels")
    print(
        f"nnU-Net / gtvseg: whole case {theirs['total'] / ours['total']:.1f}, network"
        f" {theirs['network'] / ours['network']:.1f}, all but the network {theirs['rest'] / ours['rest']:.1f},"
        f" peak memory {theirs['peak bytes'] / ours['peak bytes']:.1f}"
    )
    return 0


def exact(args: argparse.Namespace, work: Path) -> int:
    """Logits of every window and mirror in float32: largest difference, and time of the network alone."""
    bundle = load_bundle(work / "imported.pt")
    predictor = Predictor(bundle, args.device, "fp32", EXHAUSTIVE, lambda line: None)
    prepared = predictor.prepare(read_case(work / "case"))
    assert prepared is not None
    start = time.perf_counter()
    logits = predictor.predict(prepared).logits.cpu().numpy()
    seconds = time.perf_counter() - start
    theirs = run_theirs(args, work, ["--exact-sums", "--logits", str(work / "logits.npy")])
    difference = np.abs(np.load(work / "logits.npy") - logits)
    print(
        f"logits from {logits.min():.1f} to {logits.max():.1f}: largest difference {difference.max():.1e},"
        f" mean {difference.mean():.1e}; network: gtvseg {seconds:.1f} s, nnU-Net {theirs['network']:.1f} s"
    )
    stock = run_theirs(args, work, ["--logits", str(work / "logits.npy")])
    difference = np.abs(np.load(work / "logits.npy") - logits)
    print(
        f"with nnU-Net's own sums in half precision: {difference.max():.1e}, network {stock['network']:.1f} s"
    )
    return 0 if difference.max() < 1 else 1


def run_ours(args: argparse.Namespace, work: Path) -> dict[str, float]:
    """process.py's steps in a process of its own; warm: the case twice, the second counts."""
    given = work / "ours_in"
    for name in ("another", "case") if args.warm else ("case",):
        (given / name).mkdir(parents=True)
        for file in FILES:
            (given / name / file).symlink_to(work / "case" / file)
    environment = {"PASSES": str(args.passes)} if args.passes else {}
    *log, figures = side("gtvseg", ours_command(args, work, "ours"), environment)
    if args.verbose:
        print("\n".join(log), flush=True)
    return dict(json.loads(figures))


def side(who: str, command: list[str], environment: dict[str, str] | None = None) -> list[str]:
    """What one of both prints, line by line. Ends the bench where it fails."""
    everything = os.environ | (environment or {})
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False, env=everything)
    if done.returncode:
        sys.exit(f"{who} failed:\n{done.stderr}")
    return done.stdout.splitlines()


def ours_command(args: argparse.Namespace, work: Path, output: str) -> list[str]:
    command = [sys.executable, str(HERE / "gtvseg_side.py"), "--input", str(work / "ours_in")]
    command += ["--output", str(work / output), "--weights", str(work / "imported.pt")]
    return [*command, "--layout", "folder", "--device", args.device, "--precision", args.precision]


def run_theirs(args: argparse.Namespace, work: Path, options: list[str]) -> dict[str, float]:
    files = [str(work / "case" / name) for name in FILES]
    command = [str(args.nnunet_python), str(HERE / "inference_side.py"), str(work / "model"), *files]
    command += [str(work / "theirs"), "--device", args.device, *options, *(["--warm"] if args.warm else [])]
    command += ["--passes", str(args.passes)] if args.passes else []
    figures: dict[str, float] = json.loads(side("nnU-Net", command)[-1])
    figures["rest"] = figures["read and preprocess"] + figures["restore and write"]
    figures["total"] = figures["network"] + figures["rest"]
    return figures


def first_window(args: argparse.Namespace, work: Path) -> float:
    """Seconds from the start of the process to the end of its first forward pass."""
    start = time.perf_counter()
    command = ours_command(args, work, "never")
    subprocess.run(command, capture_output=True, check=True, env=os.environ | {"FIRST_WINDOW": "1"})
    return time.perf_counter() - start


def segrap_bundle() -> Bundle:
    """The challenge's baseline plan with random weights: for time, not for what it finds."""
    torch.manual_seed(0)
    scheme = Normalisation(-160, 240, 40, 60)
    state = UNet(SEGRAP_PLAN).state_dict()
    spacing = (3.0, 0.5416, 0.5416)
    return Bundle(SEGRAP_PLAN, (28, 256, 256), spacing, (scheme, scheme), (0, 1, 2), {}, (state,))


def print_figures(who: str, figures: dict[str, float]) -> None:
    cells = []
    for name, value in figures.items():
        if name == "passes":
            cells.append(f"{value:.0f} passes")
        elif name == "peak bytes":
            cells.append(f"peak memory {value / 1e9:.2f} GB")
        else:
            cells.append(f"{name} {value:.2f} s")
    print(f"{who}: {', '.join(cells)}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
