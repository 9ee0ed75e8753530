"""How well the confidence tells good masks from bad ones, and its calibration for some weights.

PREDICTIONS is what `process.py --probabilities` wrote for a folder of cases, with its manifest; REFERENCES has their
true masks. Nothing is predicted again. Prints for each structure the reliability curve, the expected calibration error
and Spearman's rank correlation of the confidence with the DSC. Where the weights had no calibration yet, and with
--write, the confidence of each case is that of a calibration on the other cases.
"""

import argparse
import sys
from pathlib import Path

from model.options import MOST_JOBS, Parser, whole

EXAMPLES = (
    "python -m phantom CASES --cases 60 --seed 4242 --geometry small --layout folder",
    "python process.py -i CASES -o MASKS --layout folder --weights W.pt --probabilities",
    "python -m bench.confidence MASKS CASES --write W.pt",
)
EXITS = "0 done, 2 bad input"


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = Parser(prog="python -m bench.confidence", description=__doc__, examples=EXAMPLES, exits=EXITS)
    add = parser.add_argument
    add("predictions", type=Path)
    add("references", type=Path)
    add("--write", type=Path, metavar="WEIGHTS", help="calibrate, and note it in these weights")
    add("--jobs", type=whole(1, MOST_JOBS), default=1, help="cases that are scored at once")
    add("--data", default="phantoms", help="what the cases are, noted in the weights file")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    parse_arguments(None)  # --help, and what makes no sense, before what takes seconds to load

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.stats import spearmanr

from evaluation.run import Settings
from evaluation.scoring import Way, score_all
from model.cohort.manifest import NAME, Manifest
from model.errors import InputError
from model.inference.confidence import calibrated
from model.installed import sha256_of
from model.network.bundle import MOST_CALIBRATION, load_bundle, save_bundle
from model.structures import LABELS
from model.terminal import report, take_any_text

# Of the reliability curve, in each about as many cases.
BINS = 6
FEWEST = 10
# What `calibrated` takes.
Line = tuple[float, ...]
NUMBERS = ("offset", "slope", "by volume", "nothing drawn")
# Cases in which nothing is drawn, for a number of their own.
FEWEST_EMPTY = 3


@dataclasses.dataclass(frozen=True)
class Known:
    """Of a structure in cases that have a reference, one value each: what was expected, drawn, sure of, and came.

    confidence: None where the weights had no calibration. dsc: the true one.
    """

    expected: np.ndarray
    volume_cm3: np.ndarray
    confidence: np.ndarray | None
    dsc: np.ndarray


def main(arguments: list[str] | None = None) -> int:
    take_any_text()
    args = parse_arguments(arguments)
    try:
        known, weights = read(args.predictions, args.references, args.jobs)
        lines = {name: calibrate(values) for name, values in known.items()}
        for name, values in known.items():
            print("\n".join(table(name, values, anew=bool(args.write))))
        if args.write:
            write(args.write, tuple(lines.values()), weights, f"{len(values.dsc)} cases: {args.data}")
            for name, line in lines.items():
                numbers = ", ".join(
                    f"{what} {number:.3f}" for what, number in zip(NUMBERS, line, strict=False)
                )
                print(f"{args.write}: {name}: {numbers}")
    except InputError as error:
        report(error)
        return 2
    return 0


def read(predictions: Path, references: Path, jobs: int) -> tuple[dict[str, Known], str]:
    """By structure what is known of all cases that were done; and the SHA-256 of the weights. Raises InputError."""
    entries = {name: entry for name, entry in Manifest(predictions).read().items() if is_usable(entry)}
    if not entries:
        fact = "no case in it that tells the DSC to expect"
        raise InputError(predictions / NAME, fact, "run process.py on the cases with --probabilities")
    weights = {str(entry.get("weights")) for entry in entries.values()}
    if len(weights) > 1:
        raise InputError(predictions / NAME, "results of several weights", "segment all cases with the same")
    results = score_all(predictions, references, Settings(tuple(LABELS), (1.0,)), Way(jobs)).results
    rows = [
        (entries[r.name], r.scores) for r in results if r.name in entries and set(LABELS) <= set(r.scores)
    ]
    if len(rows) < FEWEST:
        raise InputError(predictions, f"{len(rows)} cases with a reference", f"give {FEWEST} or more")
    known = {}
    for name in LABELS:
        confidences = [(entry.get("confidence") or {}).get(name) for entry, _ in rows]
        known[name] = Known(
            np.array([entry["expected_dsc"][name] for entry, _ in rows], float),
            np.array([entry[f"{name.lower()}_cm3"] for entry, _ in rows], float),
            None if None in confidences else np.array(confidences, float),
            np.array([scores[name].dsc for _, scores in rows]),
        )
    return known, weights.pop()


def is_usable(entry: dict[str, Any]) -> bool:
    """Whether a line of the manifest has the DSC to expect of each structure."""
    expected = entry.get("expected_dsc")
    return (
        entry.get("status") == "done"
        and isinstance(expected, dict)
        and all(isinstance(expected.get(name), float) for name in LABELS)
        and all(isinstance(entry.get(f"{name.lower()}_cm3"), (int, float)) for name in LABELS)
    )


def calibrate(known: Known) -> Line:
    """The numbers of `calibrated` whose confidences have the least mean square error; the slope is not below 0."""
    drawn = known.volume_cm3 > 0

    def loss(line: np.ndarray) -> float:
        confidence = calibrated(known.expected[drawn], known.volume_cm3[drawn], *line)
        # A little against extremes, as with few cases all alike.
        return float(np.mean((confidence - known.dsc[drawn]) ** 2) + 1e-4 * np.sum((line - [0, 1, 0]) ** 2))

    most = (-MOST_CALIBRATION, MOST_CALIBRATION)
    line = (
        minimize(loss, [0.0, 1.0, 0.0], bounds=[most, (0, MOST_CALIBRATION), most]).x
        if drawn.any()
        else (0, 1, 0)
    )
    empty = known.dsc[~drawn]
    # As if there were one case more, as good as all are in the mean.
    of_nothing = [(empty.sum() + known.dsc.mean()) / (len(empty) + 1)] if len(empty) >= FEWEST_EMPTY else []
    return tuple(float(number) for number in (*line, *of_nothing))


def by_the_others(known: Known) -> np.ndarray:
    """The confidence of each case, by a calibration on all others."""
    confidence = np.empty(len(known.dsc))
    for one in range(len(known.dsc)):
        rest = np.arange(len(known.dsc)) != one
        line = calibrate(Known(known.expected[rest], known.volume_cm3[rest], None, known.dsc[rest]))
        confidence[one] = calibrated(known.expected[one], known.volume_cm3[one], *line)
    return confidence


def table(name: str, known: Known, *, anew: bool) -> list[str]:
    """What is known of a structure, in words."""
    anew = anew or known.confidence is None
    confidence = by_the_others(known) if anew else known.confidence
    assert confidence is not None
    what = "calibrated on the other cases" if anew else "as the weights say"
    curve = reliability(confidence, known.dsc)
    lines = [f"{name}, {len(known.dsc)} cases, confidence {what}", "  cases  confidence    DSC"]
    lines += [f"  {count:5d}  {mean:10.3f}  {dsc:5.3f}" for count, mean, dsc in curve]
    return [
        *lines,
        f"  expected calibration error {calibration_error(curve):.3f} (uncalibrated"
        f" {calibration_error(reliability(known.expected, known.dsc)):.3f})",
        f"  rank correlation with the DSC {rank_correlation(confidence, known.dsc):.2f}",
    ]


def reliability(confidence: np.ndarray, dsc: np.ndarray) -> list[tuple[int, float, float]]:
    """Cases in the order of their confidence, in bins: how many, their mean confidence, their mean DSC."""
    bins = np.array_split(np.argsort(confidence, kind="stable"), min(BINS, len(dsc)))
    return [(len(one), float(confidence[one].mean()), float(dsc[one].mean())) for one in bins]


def calibration_error(curve: Sequence[tuple[int, float, float]]) -> float:
    """The mean distance of confidence and DSC over the bins of a reliability curve, by the number of cases in each."""
    counts, means, dscs = np.array(curve).T
    return float(np.average(np.abs(means - dscs), weights=counts))


def rank_correlation(values: np.ndarray, dsc: np.ndarray) -> float:
    """Spearman's; 0 where all are alike."""
    if np.ptp(values) == 0 or np.ptp(dsc) == 0:
        return 0.0
    return float(spearmanr(values, dsc).statistic)


def write(path: Path, lines: tuple[Line, ...], weights: str, data: str) -> None:
    """The calibration, and in the provenance what it was made of. Raises InputError where it is of other weights."""
    bundle = load_bundle(path)
    noted = bundle.provenance.get("confidence")
    before = noted.get("weights") if isinstance(noted, dict) else None
    if weights not in (sha256_of(path), before):
        raise InputError(path, "not the weights that made the predictions", "give these, or predict anew")
    provenance = bundle.provenance | {"confidence": {"data": data, "weights": weights}}
    save_bundle(dataclasses.replace(bundle, confidence=lines, provenance=provenance), path, None)


if __name__ == "__main__":
    sys.exit(main())
