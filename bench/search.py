"""What the shortcuts change: python -m bench.search [--cases 5] [--seed 3] [--geometry small].

Per phantom and way of working (same process, one after the other): passes, seconds, and the DSC per structure with the
exhaustive way's result (every window, all mirrors). "search" leaves out windows; "default" spares mirrors as well.
Exits non-zero where an agreement is below its floor.
"""

import argparse
import sys
from pathlib import Path

from model.installed import BUNDLED
from model.options import LARGEST_SEED, Parser, whole
from phantom import GEOMETRIES, Phantom, make_phantom

EXAMPLES = ("python -m bench.search --cases 5",)
EXITS = "0 done, 1 an agreement is below its floor, 2 bad options"


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = Parser(prog="python -m bench.search", description=__doc__, examples=EXAMPLES, exits=EXITS)
    add = parser.add_argument
    add("--cases", type=whole(1, 1000), default=5, help="phantoms")
    add("--seed", type=whole(0, LARGEST_SEED), default=3, help="of phantoms")
    add("--geometry", choices=GEOMETRIES, default="small", help="of phantoms")
    add("--weights", type=Path, default=BUNDLED, help="weights file")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    parse_arguments(None)  # --help, and what makes no sense, before what takes seconds to load

import time

import numpy as np

from evaluation.metrics import dsc
from model.images.pair import Pair
from model.inference.predictor import Predictor
from model.inference.shortcuts import DEFAULT, EXHAUSTIVE, Shortcuts
from model.network.bundle import Bundle, load_bundle
from model.structures import LABELS

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


if __name__ == "__main__":
    sys.exit(main())
