"""Our FROC beside picai_eval's on the same detection maps: VENV/bin/python -m bench.froc, with picai_eval in VENV.

The maps are synthetic: separate blobs, each of one confidence, some near a lesion of the reference, some false. In the
first half no two of them meet the same lesion; in the second, some do. picai_eval pairs all candidates of a map at once
and counts those above a confidence; ours pairs anew at each probability what is above it. So both are the same where
nothing competes for a lesion, and picai_eval is told to count candidates without a pair as false, which is not its
default. Exits non-zero where they differ there.
"""

import argparse
import sys

from model.options import Parser, whole

EXAMPLES = ("VENV/bin/python -m bench.froc",)
EXITS = "0 done, 1 they differ where they should not, 2 bad options"


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = Parser(prog="python -m bench.froc", description=__doc__, examples=EXAMPLES, exits=EXITS)
    parser.add_argument("--cases", type=whole(2, 10_000), default=60, metavar="N", help="of each kind")
    parser.add_argument("--seed", type=whole(0, 2**31), default=0, metavar="N", help="of the maps")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    parse_arguments(None)  # --help, and what makes no sense, before what takes seconds to load

import numpy as np

from evaluation.froc import froc
from evaluation.probabilities import PROBABILITIES, lesion_counts
from evaluation.run import CaseResult, Settings

SHAPE = (24, 64, 64)
SPACING = (3.0, 1.0, 1.0)
SETTINGS = Settings(("GTVnd",), (1.0,))
# Of one case: what is to be found, and confidences of 0 to 1.
Case = tuple[np.ndarray, np.ndarray]


def main(arguments: list[str] | None = None) -> int:
    options = parse_arguments(arguments)
    rng = np.random.default_rng(options.seed)
    apart = []
    for competing in (False, True):
        cases = [make_case(rng, competing=competing) for _ in range(options.cases)]
        ours = our_points(cases)
        theirs = their_points(cases, unmatched_are_passed_over=False)
        default = their_points(cases, unmatched_are_passed_over=True)
        apart.append(max(float(np.abs(ours - theirs).max()), 0.0))
        kind = "several candidates for a lesion" if competing else "at most one candidate for a lesion"
        print(f"{kind}, {options.cases} cases: sensitivity and false lesions per case")
        print(f"{'probability':>11}{'ours':>16}{'picai_eval':>16}{'its default':>16}")
        for k in range(1, len(PROBABILITIES), 4):
            columns = (f"{of[k, 0]:.4f} {of[k, 1]:.4f}" for of in (ours, theirs, default))
            print(f"{PROBABILITIES[k]:>11.2f}" + "".join(f"{column:>16}" for column in columns))
        print(f"  largest difference over all {len(PROBABILITIES)} probabilities: {apart[-1]:.2g}")
    return 1 if apart[0] > 1e-9 else 0


def make_case(rng: np.random.Generator, *, competing: bool) -> Case:
    """Boxes on a coarse lattice, so that those of different places never touch."""
    reference, confidence = np.zeros(SHAPE, bool), np.zeros(SHAPE)
    places = [(z, y, x) for z in (2, 13) for y in (4, 24, 44) for x in (4, 24, 44)]
    for place in rng.permutation(places)[: rng.integers(1, 8)]:
        kind, size = rng.choice(["found", "missed", "false"], p=[0.6, 0.2, 0.2]), rng.integers(3, 9, 3)
        box = tuple(slice(int(a), int(a + n)) for a, n in zip(place, size, strict=True))
        if kind != "false":
            reference[box] = True
        if kind == "missed":
            continue
        shift = rng.integers(0, 3, 3) if kind == "found" else np.zeros(3, int)
        moved = tuple(slice(b.start + int(d), b.stop + int(d)) for b, d in zip(box, shift, strict=True))
        confidence[moved] = level(rng)
        if competing and kind == "found" and size[2] >= 5 and rng.random() < 0.6:
            cut = moved[2].start + int(size[2]) // 2
            confidence[moved[0], moved[1], cut] = 0  # in two, of which either may be the surer one
            confidence[moved[0], moved[1], cut + 1 : moved[2].stop] = level(rng)
    return reference, confidence


def level(rng: np.random.Generator) -> float:
    """A confidence that is none of the probabilities at which is counted, and as it is stored in a map."""
    return float(rng.integers(14, 250)) / 255


def our_points(cases: list[Case]) -> np.ndarray:
    """Sensitivity and false lesions per case (probabilities, 2), an IoU of at least 0.1."""
    results = [
        CaseResult(
            str(k), {}, (), probable={"GTVnd": lesion_counts(np.round(255 * c).astype(np.uint8), r, SPACING)}
        )
        for k, (r, c) in enumerate(cases)
    ]
    (found,) = froc(results, SETTINGS)
    return np.array([(p.sensitivity["iou10"], p.false_per_case["iou10"]) for p in found.points])


def their_points(cases: list[Case], *, unmatched_are_passed_over: bool) -> np.ndarray:
    """The same from the candidates that picai_eval lists: whether it is a lesion, its confidence, the overlap."""
    from picai_eval import evaluate

    found = evaluate(
        [c for _, c in cases],
        [r.astype(np.int32) for r, _ in cases],
        min_overlap=0.1,
        allow_unmatched_candidates_with_minimal_overlap=unmatched_are_passed_over,
        num_parallel_calls=1,
    )
    lesion, confidence = np.array([row[:2] for row in found.lesion_results_flat]).T
    points = []
    for probability in PROBABILITIES:
        above = confidence >= np.ceil(255 * probability) / 255 - 1e-6
        points.append(((lesion * above).sum() / lesion.sum(), ((1 - lesion) * above).sum() / len(cases)))
    return np.array(points)


if __name__ == "__main__":
    sys.exit(main())
