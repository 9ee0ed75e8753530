"""Searching against exhaustive inference: python -m bench.search [--cases 5] [--seed 3] [--geometry small].

Per phantom: passes and seconds of both (same process, one after the other), and the DSC between the two results per
structure. Exits non-zero where an agreement is below 0.999.
"""

import argparse
import re
import sys
import time
from pathlib import Path

import numpy as np

from evaluation.metrics import dsc
from model.bundle import LABELS, Bundle, load_bundle
from model.predict import Predictor
from model.volume import Grid, Pair
from phantom import GEOMETRIES, Phantom, make_phantom

FLOOR = 0.999


def main() -> int:
    args = arguments()
    bundle = load_bundle(args.weights)
    print(f"{'case':<6}{'passes':>14}{'seconds':>16}{'time ratio':>12}" + "".join(f"{s:>8}" for s in LABELS))
    ratios, worst = [], 1.0
    for k in range(args.cases):
        pair = pair_of(make_phantom(np.random.SeedSequence((args.seed, k)), args.geometry))
        searched, few, quick = timed(bundle, pair, search=True)
        full, many, slow = timed(bundle, pair, search=False)
        agreement = [dsc(searched == label, full == label) for label in LABELS.values()]
        ratios.append(slow / quick)
        worst = min(worst, *agreement)
        print(
            f"{k:<6}{few:>6} / {many:>5}{quick:>7.1f} / {slow:>6.1f}{slow / quick:>12.1f}"
            + "".join(f"{a:>8.4f}" for a in agreement),
            flush=True,
        )
    print(f"median time ratio {np.median(ratios):.1f}, worst agreement {worst:.4f} (floor {FLOOR})")
    return 0 if worst >= FLOOR else 1


def timed(bundle: Bundle, pair: Pair, search: bool) -> tuple[np.ndarray, int, float]:
    """Labels, forward passes and seconds of one segmentation, everything but reading and writing."""
    lines: list[str] = []
    predictor = Predictor(bundle, "auto", "auto", True, search, lines.append)
    start = time.perf_counter()
    labels = predictor.segment(pair).labels
    seconds = time.perf_counter() - start
    passes = [int(n) for line in lines for n in re.findall(r"^(?:search|predict): (\d+) passes,", line)]
    return labels, sum(passes), seconds


def pair_of(phantom: Phantom) -> Pair:
    z, y, x = phantom.ct.shape
    grid = Grid((x, y, z), phantom.spacing_xyz, phantom.origin_xyz, phantom.direction)
    return Pair(phantom.ct, phantom.ce, phantom.spacing_xyz[::-1], grid)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=5)
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--geometry", choices=GEOMETRIES, default="small")
    parser.add_argument("--weights", type=Path, default=Path("weights/gtv.pt"))
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
