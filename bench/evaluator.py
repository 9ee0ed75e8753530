"""The evaluator's speed and memory: python -m bench.evaluator.

Two structures of the published example masks' size (GTVp 51 cm³, GTVnd 22 cm³ in two nodes) are scored on one core:
every measure that evaluate.py gives, at 914 x 464 x 127 and 0.523 x 0.523 x 3 mm; and on whole 1024 x 1024 x 127 masks,
beside DSC and NSD from the surface-distance package. With --peers-python, also beside all that MONAI, seg-metrics and
surface-distance have of it, each in a process and with a limit of its own. Times are processor seconds, which other
work on the machine disturbs less than the clock's. Exits non-zero where a bound is missed.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before numpy: one core

import argparse
import sys
from pathlib import Path

from model.options import Parser, whole

EXAMPLES = ("python -m bench.evaluator", "python -m bench.evaluator --peers-python VENV/bin/python")
EXITS = "0 done, 1 a bound is missed, 2 bad options"


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = Parser(prog="python -m bench.evaluator", description=__doc__, examples=EXAMPLES, exits=EXITS)
    add = parser.add_argument
    add(
        "--peers-python", type=Path, metavar="P", help="a Python with monai, seg-metrics and surface-distance"
    )
    add("--limit", type=whole(1, 86400), default=300, metavar="S", help="processor seconds of each peer")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    parse_arguments(None)  # --help, and what makes no sense, before what takes seconds to load

import json
import multiprocessing
import statistics
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import SimpleITK as sitk
import surface_distance
from scipy import ndimage

from bench.peers import PEERS
from bench.runs import ROOT
from evaluation.cases import CaseFiles, MatchedCase
from evaluation.lesions import match_lesions
from evaluation.metrics import Score, dsc, score
from evaluation.run import Settings, evaluate_case
from model.network.memory import peak_bytes

SPACING_ZYX = (3.0, 0.523, 0.523)
PUBLISHED_ZYX = (127, 464, 914)
FULL_ZYX = (127, 1024, 1024)
BLOBS = {"GTVp": ((0.0, -30.0, 0.0, 51.0),), "GTVnd": ((-40.0, 10.0, 45.0, 14.0), (-20.0, 15.0, -50.0, 8.0))}
SECONDS, GIGABYTES, RATIO = 1.0, 1.5, 2.0
REPEATS = 5

Masks = dict[str, np.ndarray]


def main(arguments: list[str] | None = None) -> int:
    options = parse_arguments(arguments)
    reference, prediction = masks(PUBLISHED_ZYX, 0), masks(PUBLISHED_ZYX, 1)
    for name, mask in reference.items():
        print(
            f"{name}: {mask.sum() * np.prod(SPACING_ZYX) / 1000:.0f} cm³, DSC {dsc(prediction[name], mask):.3f}"
        )
    seconds = median_seconds(lambda: all_measures(prediction, reference))
    above = in_process(memory_above_masks)
    print(
        f"914 x 464 x 127, every measure of both structures: {seconds:.2f} s, {above:.2f} GB above the masks"
    )
    files = median_seconds(from_files(prediction, reference))
    print(f"the same from two compressed label maps, reading included: {files:.2f} s")

    reference, prediction = masks(FULL_ZYX, 0), masks(FULL_ZYX, 1)
    ours = median_seconds(lambda: all_measures(prediction, reference))
    theirs = median_seconds(lambda: reference_package(prediction, reference))
    pairs = zip(all_measures(prediction, reference), reference_package(prediction, reference), strict=True)
    apart = max(abs(a - b) for a, b in pairs)
    print(
        f"1024 x 1024 x 127: every measure of both {ours:.2f} s, surface-distance's DSC and NSD {theirs:.2f} s, "
        f"ratio {theirs / ours:.1f}, DSC and NSD apart at most {apart:.0e}"
    )
    if options.peers_python:
        beside_peers(options.peers_python, options.limit, prediction, reference, ours)
    return 0 if seconds <= SECONDS and above <= GIGABYTES and theirs / ours >= RATIO and apart < 1e-6 else 1


def masks(shape_zyx: tuple[int, int, int], seed: int) -> Masks:
    """Irregular ellipsoids around the centre of the grid; another seed gives another outline of the same tumours."""
    made = {}
    for name, blobs in BLOBS.items():
        made[name] = np.zeros(shape_zyx, bool)
        for z_mm, y_mm, x_mm, cm3 in blobs:
            radius_mm = (3000 * cm3 / (4 * np.pi)) ** (1 / 3)
            centre = np.array(shape_zyx) / 2 + np.array([z_mm, y_mm, x_mm]) / SPACING_ZYX
            half = np.ceil(1.5 * radius_mm / np.array(SPACING_ZYX)).astype(int)
            box = tuple(slice(int(c) - h, int(c) + h) for c, h in zip(centre, half, strict=True))
            offsets = np.meshgrid(*(np.arange(-h, h) for h in half), indexing="ij")
            squared_mm = sum((o * mm) ** 2 for o, mm in zip(offsets, SPACING_ZYX, strict=True))
            rough = np.random.default_rng(seed).standard_normal(offsets[0].shape)
            rough = ndimage.gaussian_filter(rough, [4 / mm for mm in SPACING_ZYX])
            made[name][box] |= np.sqrt(squared_mm) + 2 * rough / rough.std() < radius_mm
    return made


def all_measures(prediction: Masks, reference: Masks) -> list[float]:
    """All that evaluate.py computes; of it, DSC and NSD of each structure."""
    scores = []
    for name in BLOBS:
        scores.append(score(prediction[name], reference[name], SPACING_ZYX, (1.0,)))
        match_lesions(prediction[name], reference[name], SPACING_ZYX)
    return [value for s in scores for value in (s.dsc, *s.nsd)]


def beside_peers(python: Path, limit_s: int, prediction: Masks, reference: Masks, ours_s: float) -> None:
    """Prints each peer's seconds and values, and how far these are from ours."""
    ours = {name: score(prediction[name], reference[name], SPACING_ZYX, (1.0,)) for name in BLOBS}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "masks.npz"
        sides = {"prediction": prediction, "reference": reference}
        arrays = {f"{name}/{side}": made[name] for side, made in sides.items() for name in BLOBS}
        np.savez(path, allow_pickle=False, spacing_zyx=np.array(SPACING_ZYX), **arrays)
        for peer in PEERS:
            command = [str(python), str(ROOT / "bench" / "peers.py"), peer, str(path), str(limit_s)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode < 0:
                print(f"{peer}: ended after {limit_s} s of processor time")
            elif done.returncode:
                print(f"{peer}: failed: {(done.stderr.strip() or 'without a word').splitlines()[-1]}")
            else:
                print_peer(peer, json.loads(done.stdout.splitlines()[-1]), ours, ours_s)


def print_peer(peer: str, found: dict[str, Any], ours: dict[str, Score], ours_s: float) -> None:
    print(f"{peer}: {found['seconds']:.2f} s, {found['seconds'] / ours_s:.1f} times ours; largest difference")
    by_measure: dict[str, float] = {}
    for structure, values in found["values"].items():
        for measure, value in values.items():
            own = ours[structure].nsd[0] if measure == "nsd" else getattr(ours[structure], measure)
            by_measure[measure] = max(by_measure.get(measure, 0.0), abs(value - own))
    print("  " + ", ".join(f"{measure} {difference:.1g}" for measure, difference in by_measure.items()))


def reference_package(prediction: Masks, reference: Masks) -> list[float]:
    """DSC and NSD of each structure from surface-distance."""
    values = []
    for name in BLOBS:
        distances = surface_distance.compute_surface_distances(reference[name], prediction[name], SPACING_ZYX)
        values.append(surface_distance.compute_dice_coefficient(reference[name], prediction[name]))
        values.append(surface_distance.compute_surface_dice_at_tolerance(distances, 1.0))
    return values


def from_files(prediction: Masks, reference: Masks) -> Callable[[], object]:
    """Scoring of the two, written as label maps, through what evaluate.py calls for a case."""
    folder = Path(tempfile.mkdtemp())
    cases = []
    for name, made in (("prediction", prediction), ("reference", reference)):
        image = sitk.GetImageFromArray(np.where(made["GTVp"], 1, 2 * made["GTVnd"]).astype(np.uint8))
        image.SetSpacing(SPACING_ZYX[::-1])
        path = folder / f"{name}.nii.gz"
        sitk.WriteImage(image, str(path), useCompression=True)
        cases.append(CaseFiles("case", path, {}))
    case = MatchedCase("case", cases[1], cases[0])
    return lambda: evaluate_case(case, Settings(tuple(BLOBS), (1.0,)))


def memory_above_masks() -> float:
    """Peak resident memory of scoring, in GB, above that of a process that holds the masks."""
    reference, prediction = masks(PUBLISHED_ZYX, 0), masks(PUBLISHED_ZYX, 1)
    before = peak_bytes()
    all_measures(prediction, reference)
    return (peak_bytes() - before) / 1e9


def in_process(function: Callable[[], float]) -> float:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function)


def median_seconds(function: Callable[[], object]) -> float:
    seconds = []
    for _ in range(REPEATS):
        start = time.process_time()
        function()
        seconds.append(time.process_time() - start)
    return statistics.median(seconds)


if __name__ == "__main__":
    warnings.simplefilter("ignore", DeprecationWarning)
    sys.exit(main())
