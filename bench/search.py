"""What the shortcuts change: python -m bench.search [--cases 5] [--seed 3] [--geometry small].

Per phantom and way of working (same process, one after the other): passes, seconds, and the DSC per structure with the
exhaustive way's result (every window, all mirrors). "search" leaves out windows; "default" spares mirrors as well.
Exits non-zero where an agreement is below its floor.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np

from evaluation.metrics import dsc
from model.images.pair import Pair
from model.inference.predictor import Predictor
from model.inference.shortcuts import DEFAULT, EXHAUSTIVE, Shortcuts
from model.network.bundle import Bundle, load_bundle
from model.structures import LABELS
from phantom import GEOMETRIES, Phantom, make_phantom

# DSC with the exhaustive way.
FLOORS = {"search": 0.999, "default": 0.995}
WAYS = {"exhaustive": EXHAUSTIVE, "search": Shortcuts(mirrors="all"), "default": DEFAULT}


def main(arguments: list[str] | None = None) -> int:
    args = parse_arguments(arguments)
    bundle = load_bundle(args.weights)
    print(
        f"{'case':<6}{'way':<12}{'passes':>8}{'seconds':>9}{'ratio':>7}" + "".join(f"{s:>8}" for s in LABELS)
    )
    ratios: dict[str, list[float]] = {way: [] for way in FLOORS}
    worst = dict.fromkeys(FLOORS, 1.0)
    for k in range(args.cases):
        pair = pair_of(make_phantom(args.seed, k, args.geometry))
        full, passes, slow = timed(bundle, pair, WAYS["exhaustive"])
        print(f"{k:<6}{'exhaustive':<12}{passes:>8}{slow:>9.1f}", flush=True)
        for way in FLOORS:
            labels, passes, quick = timed(bundle, pair, WAYS[way])
            agreement = [dsc(labels == label, full == label) for label in LABELS.values()]
            ratios[way].append(slow / quick)
            worst[way] = min(worst[way], *agreement)
            print(
                f"{k:<6}{way:<12}{passes:>8}{quick:>9.1f}{slow / quick:>7.1f}"
                + "".join(f"{a:>8.4f}" for a in agreement),
                flush=True,
            )
    for way, floor in FLOORS.items():
        print(
            f"{way}: median time ratio {np.median(ratios[way]):.2f}, worst agreement {worst[way]:.4f} (floor {floor})"
        )
    return 0 if all(worst[way] >= floor for way, floor in FLOORS.items()) else 1


def timed(bundle: Bundle, pair: Pair, shortcuts: Shortcuts) -> tuple[np.ndarray, int, float]:
    """Labels, forward passes and seconds of one segmentation, everything but reading and writing."""
    predictor = Predictor(bundle, shortcuts=shortcuts, log=lambda line: None)
    start = time.perf_counter()
    segmentation = predictor.segment(pair)
    return segmentation.labels, segmentation.passes, time.perf_counter() - start


def pair_of(phantom: Phantom) -> Pair:
    """Both CTs as if read from files; a phantom's axes are the patient's."""
    return Pair(phantom.ct, phantom.ce, phantom.spacing_xyz[::-1], phantom.grid)


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=5)
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--geometry", choices=GEOMETRIES, default="small")
    parser.add_argument("--weights", type=Path, default=Path("weights/gtv.pt"))
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
