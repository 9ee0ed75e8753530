"""gtvseg and nnU-Net v2 side by side: python -m bench.inference --nnunet-python VENV/bin/python [--case full].

The same weights (a weights file, written as an nnU-Net model and imported back from it), the same case, the same
machine, one after the other, each in a process of its own: seconds per step, forward passes, peak memory, the DSC
between the two results and of each against the truth. --exact compares logits instead: float32, every window, all
mirrors, nnU-Net's sums in float32 as well. nnU-Net (nnunetv2==2.8.1) wants a virtual environment of its own.
"""

import argparse
import dataclasses
import json
import re
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentDefaultsHelpFormatter as DefaultsInHelp
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import torch

from bench.nnunet_format import write_nnunet
from bench.search import count_passes, pair_of
from evaluation.metrics import dsc
from model.images.pair import Pair
from model.importing.v2 import read_model, to_bundle
from model.inference.predictor import Predictor
from model.network.bundle import Bundle, Normalisation, load_bundle, save_bundle
from model.network.plan import NetworkPlan
from model.network.unet import UNet
from model.structures import LABELS
from phantom import Phantom, make_phantom

ROOT = Path(__file__).parents[1]
CASES = {
    "full": ("segrap", None),
    "small": ("small", None),
    "crop": ("small", (48, 140, 150)),  # voxels around the primary: for comparing logits in minutes
    "segrap-window": ("segrap", (28, 256, 320)),  # two windows of the published plan
}
SEGRAP_PLAN = NetworkPlan(
    2,
    3,
    (32, 64, 128, 256, 320, 320, 320),
    ((1, 3, 3), (1, 3, 3), (3, 3, 3), (3, 3, 3), (3, 3, 3), (3, 3, 3), (3, 3, 3)),
    ((1, 1, 1), (1, 2, 2), (1, 2, 2), (2, 2, 2), (2, 2, 2), (1, 2, 2), (1, 2, 2)),
    (2,) * 7,
    (2,) * 6,
)


def main() -> int:
    args = arguments()
    bundle = segrap_bundle() if args.random_segrap else load_bundle(args.weights)
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        case = work / "case"
        with ProcessPoolExecutor(1) as pool:  # Linux counts a parent's memory as its children's peak
            truth = pool.submit(write_case, case, args).result()
        model = write_nnunet(dataclasses.replace(bundle, provenance={}), work / "model")
        imported = to_bundle(read_model(model, ["0"], "checkpoint_final.pth"), model, None, None)
        save_bundle(imported, work / "imported.pt", torch.float32)
        size = " x ".join(str(n) for n in truth.shape)
        cores = torch.get_num_threads()
        of = args.pair[0] if args.pair else args.case
        print(
            f"case {of}, {size} voxels, {args.device}, {cores} cores, torch {torch.__version__}", flush=True
        )
        if args.exact:
            return exact(args, work, truth)
        return compare(args, work, truth)


def compare(args: argparse.Namespace, work: Path, truth: np.ndarray) -> int:
    """Both as their users run them."""
    ours = run_ours(args, work)
    print_figures("gtvseg", ours)
    print(f"  cold start to the first window: {first_window(args, work):.1f} s", flush=True)
    theirs = run_theirs(args, work, [])
    print_figures("nnU-Net", theirs)
    found = {
        "gtvseg": sitk.GetArrayFromImage(sitk.ReadImage(work / "ours" / "case.nii.gz")),
        "nnU-Net": sitk.GetArrayFromImage(sitk.ReadImage(work / "theirs.nii.gz")),
    }
    for name, label in LABELS.items():
        masks = {who: labels == label for who, labels in found.items()}
        line = f"{name}: DSC between both {dsc(*masks.values()):.4f}"
        if not args.pair:
            against = ", ".join(f"{who} {dsc(mask, truth == label):.4f}" for who, mask in masks.items())
            line += f"; against the truth {against}"
        volumes = " and ".join(f"{np.count_nonzero(mask)} ({who})" for who, mask in masks.items())
        print(f"{line}; {volumes} voxels")
    print(
        f"nnU-Net / gtvseg: whole case {theirs['total'] / ours['total']:.1f}, network"
        f" {theirs['network'] / ours['network']:.1f}, all but the network {theirs['rest'] / ours['rest']:.1f},"
        f" peak memory {theirs['peak'] / ours['peak']:.1f}"
    )
    return 0


def exact(args: argparse.Namespace, work: Path, truth: np.ndarray) -> int:
    """Logits of every window and mirror in float32: largest difference, and time of the network alone."""
    predictor = Predictor(
        load_bundle(work / "imported.pt"), args.device, "fp32", True, False, lambda line: None
    )
    prepared = predictor.prepare(read_back(work))
    assert prepared is not None
    start = time.perf_counter()
    logits = predictor.logits(prepared.image, prepared.corners).cpu().numpy()
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
    """process.py in a process of its own; warm: the case twice, the second counts."""
    given = work / "ours_in"
    for name in ("another", "case") if args.warm else ("case",):
        (given / name).mkdir(parents=True)
        for file in sorted((work / "case").glob("image*")):
            (given / name / file.name).symlink_to(file)
    command = [
        sys.executable,
        str(ROOT / "process.py"),
        "--input",
        str(given),
        "--output",
        str(work / "ours"),
    ]
    command += ["--weights", str(work / "imported.pt"), "--layout", "folder", "--device", args.device]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    if args.verbose:
        print("\n".join(lines), flush=True)
    last = max(k for k, line in enumerate(lines) if line.startswith("read "))
    figures = re.search(
        r"([\d.]+) s \(network ([\d.]+) s, rest ([\d.]+) s.*peak memory ([\d.]+) GB", lines[-1]
    )
    assert figures is not None, lines[-1]
    total, network, rest, peak = figures.groups()
    return {
        "total": float(total),
        "network": float(network),
        "rest": max(0.1, float(rest)),  # its last digit
        "passes": count_passes(lines[last:]),
        "peak": float(peak),
    }


def run_theirs(args: argparse.Namespace, work: Path, options: list[str]) -> dict[str, float]:
    files = [str(work / "case" / f"{name}.nii.gz") for name in ("image", "image_contrast")]
    command = [str(args.nnunet_python), str(ROOT / "bench" / "nnunet_side.py"), str(work / "model"), *files]
    command += [str(work / "theirs"), "--device", args.device, *options, *(["--warm"] if args.warm else [])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"nnU-Net failed:\n{done.stderr}")
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    figures["rest"] = figures["read and preprocess"] + figures["restore and write"]
    figures["total"] = figures["network"] + figures["rest"]
    return figures


def first_window(args: argparse.Namespace, work: Path) -> float:
    """Seconds from the start of process.py to the end of its first forward pass."""
    code = (
        "import os, sys; sys.path.insert(0, sys.argv.pop(1)); import process; from model.unet import UNet;"
        "forward = UNet.forward\n"
        "def first(*given):\n forward(*given); os._exit(0)\n"
        "UNet.forward = first; sys.exit(process.main())"
    )
    options = ["--input", str(work / "ours_in"), "--output", str(work / "never"), "--layout", "folder"]
    options += ["--weights", str(work / "imported.pt"), "--device", args.device]
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code, str(ROOT), *options], capture_output=True, check=True)
    return time.perf_counter() - start


def write_case(folder: Path, args: argparse.Namespace) -> np.ndarray:
    """A phantom, or what --pair names, as compressed NIfTI; returns its true labels (z, y, x), none of a pair's."""
    folder.mkdir()
    if args.pair:
        for name, path in zip(("image", "image_contrast"), args.pair, strict=True):
            image = sitk.ReadImage(path)
            sitk.WriteImage(image, folder / f"{name}.nii.gz", useCompression=True)
        return np.zeros(image.GetSize()[::-1], np.uint8)
    geometry, size = CASES[args.case]
    phantom = make_phantom(args.seed, 0, geometry)
    box = (slice(None),) * 3 if size is None else around(phantom, size)
    for name, array in (("image", phantom.ct), ("image_contrast", phantom.ce)):
        image = sitk.GetImageFromArray(np.ascontiguousarray(array[box]))
        image.SetSpacing(phantom.spacing_xyz)
        sitk.WriteImage(image, folder / f"{name}.nii.gz", useCompression=True)
    return np.where(phantom.gtvp, 1, np.where(phantom.gtvnd, 2, 0))[box].astype(np.uint8)


def around(phantom: Phantom, size: tuple[int, int, int]) -> tuple[slice, slice, slice]:
    """A box of this size (z, y, x) around the primary's centre, within the volume."""
    centre = np.argwhere(phantom.gtvp).mean(0)
    starts = [
        int(np.clip(c - n / 2, 0, whole - n))
        for c, n, whole in zip(centre, size, phantom.ct.shape, strict=True)
    ]
    z, y, x = (slice(start, start + n) for start, n in zip(starts, size, strict=True))
    return (z, y, x)


def read_back(work: Path) -> Pair:
    images = [sitk.ReadImage(work / "case" / f"{name}.nii.gz") for name in ("image", "image_contrast")]
    ct, ce = (sitk.GetArrayFromImage(image) for image in images)
    phantom = dataclasses.make_dataclass("Case", ["ct", "ce", "spacing_xyz", "origin_xyz", "direction"])
    first = images[0]
    return pair_of(phantom(ct, ce, first.GetSpacing(), first.GetOrigin(), first.GetDirection()))  # type: ignore[arg-type]


def segrap_bundle() -> Bundle:
    """The challenge's baseline plan with random weights: for time, not for what it finds."""
    torch.manual_seed(0)
    scheme = Normalisation(-160, 240, 40, 60)
    state = UNet(SEGRAP_PLAN).state_dict()
    spacing = (3.0, 0.5416, 0.5416)
    return Bundle(SEGRAP_PLAN, (28, 256, 256), spacing, (scheme, scheme), (0, 1, 2), {}, (state,))


def print_figures(who: str, figures: dict[str, float]) -> None:
    parts = [
        f"{name} {value:.0f}" if name == "passes" else f"{name} {value:.2f} {'GB' if name == 'peak' else 's'}"
        for name, value in figures.items()
    ]
    print(f"{who}: {', '.join(parts)}", flush=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=DefaultsInHelp)
    add = parser.add_argument
    add("--nnunet-python", type=Path, required=True, help="the Python of a virtual environment with nnunetv2")
    add("--case", choices=CASES, default="full")
    add("--seed", type=int, default=2026, help="of the phantom")
    add("--pair", type=Path, nargs=2, metavar=("CT", "CE"), help="these two images instead of a phantom")
    add("--weights", type=Path, default=ROOT / "weights" / "gtv.pt")
    add(
        "--random-segrap",
        action="store_true",
        help="the challenge's baseline plan with random weights instead",
    )
    add("--device", choices=("cpu", "cuda"), default="cpu")
    add("--warm", action="store_true", help="both process the case twice; the second time counts")
    add("--exact", action="store_true", help="compare logits in float32, exhaustively")
    add("--verbose", action="store_true", help="print gtvseg's log")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
