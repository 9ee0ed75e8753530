"""How the scores fall as scans get worse: python -m bench.robustness [--weights W] [--cases 20] [--seed 4001].

Phantoms that no training has seen, with a pair that fits, are segmented as process.py does by default; then each is
made worse in one way at a time (bench/degrade.py) and segmented again. Prints the mean DSC of each point and its change
from the undisturbed scans, and draws it. What is done, with the same weights, is kept in --work and not done again.
"""

import argparse
import sys
from pathlib import Path

from model.installed import BUNDLED, sha256_of
from model.options import LARGEST_SEED, Parser, add_device, whole
from phantom import GEOMETRIES, make_phantom

EXAMPLES = ("python -m bench.robustness --cases 5 --quick",)
EXITS = "0 done, 1 with --quick: too much is lost, 2 bad input"


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = Parser(prog="python -m bench.robustness", description=__doc__, examples=EXAMPLES, exits=EXITS)
    add = parser.add_argument
    add("--weights", type=Path, default=BUNDLED, help="weights file")
    add("--cases", type=whole(1, 1000), default=20, help="phantoms")
    add("--seed", type=whole(0, LARGEST_SEED), default=4001, help="of phantoms, one that was not trained on")
    add("--geometry", choices=GEOMETRIES, default="small", help="of phantoms")
    add("--quick", action="store_true", help="one amount of each effect")
    add_device(parser)
    add("--work", type=Path, default=Path("runs/robustness"), help="robustness.json and robustness.png")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    parse_arguments(None)  # --help, and what makes no sense, before what takes seconds to load

import json
import zlib
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from bench.degrade import EFFECTS, Scan, scan_of
from evaluation.metrics import dsc
from model.errors import InputError
from model.images.grid import Grid
from model.images.pair import Pair
from model.inference.predictor import Predictor
from model.network.bundle import load_bundle
from model.structures import LABELS
from model.terminal import report, take_any_text
from model.writing import whole_file, write_bytes
from phantom.acquisition import Contrast

UNDISTURBED = "undisturbed"
# In DSC: what a point of --quick may lose.
MOST_LOST = 0.10
Point = tuple[str, float]
# Per case and point: DSC by structure.
Scores = dict[tuple[int, str, float], dict[str, float]]


def main(arguments: list[str] | None = None) -> int:
    take_any_text()
    args = parse_arguments(arguments)
    points = points_of(quick=args.quick)
    try:
        scores = run(args, points)
    except InputError as error:
        report(error)
        return 2
    print(table(scores, points))
    args.work.mkdir(parents=True, exist_ok=True)
    with whole_file(args.work / "robustness.png") as path:
        picture(scores, points).savefig(path, dpi=120)
    return 0


def points_of(*, quick: bool) -> list[Point]:
    """Undisturbed first."""
    points = [
        (name, value) for name, (_, values, few) in EFFECTS.items() for value in (few if quick else values)
    ]
    return [(UNDISTURBED, 0), *points]


def run(args: argparse.Namespace, points: list[Point]) -> Scores:
    """Scores of all cases and points, those of an earlier run read. Raises InputError."""
    key = {"weights_sha256": sha256_of(args.weights), "seed": args.seed, "geometry": args.geometry}
    path = args.work / "robustness.json"
    scores, predictor = read_scores(path, key), None
    for case in range(args.cases):
        left = [point for point in points if (case, *point) not in scores]
        if not left:
            continue
        predictor = predictor or Predictor(load_bundle(args.weights), args.device, log=lambda line: None)
        scan = scan_of(make_phantom(args.seed, case, args.geometry, Contrast()))
        for name, value in left:
            scores[case, name, value] = scored(predictor, degraded(scan, name, value, case))
            write_scores(path, key, scores)
            shown = "  ".join(f"{s} {v:.3f}" for s, v in scores[case, name, value].items())
            print(f"case {case}  {name} {value:g}: {shown}", flush=True)
    wanted = {(case, *point) for case in range(args.cases) for point in points}
    return {key: value for key, value in scores.items() if key in wanted}


def degraded(scan: Scan, name: str, value: float, case: int) -> Scan:
    """The same for the same case, whatever else is done: the same direction for each amount of one effect."""
    if name == UNDISTURBED:
        return scan
    return EFFECTS[name][0](scan, value, np.random.default_rng((case, zlib.crc32(name.encode()))))


def scored(predictor: Predictor, scan: Scan) -> dict[str, float]:
    """DSC by structure, on the scan's own grid."""
    z, y, x = scan.spacing_zyx
    depth, height, width = scan.ct.shape
    identity = tuple(float(value) for value in np.eye(3).ravel())
    grid = Grid((width, height, depth), (x, y, z), (0.0, 0.0, 0.0), identity)
    labels = predictor.segment(Pair(scan.ct, scan.ce, scan.spacing_zyx, grid)).labels
    return {name: dsc(labels == label, scan.truth == label) for name, label in LABELS.items()}


def read_scores(path: Path, key: dict[str, Any]) -> Scores:
    """None of them where there is no file. Raises InputError where it is of other weights or phantoms."""
    if not path.exists():
        return {}
    content = json.loads(path.read_bytes())
    if content["of"] != key:
        raise InputError(path, "is of other weights or phantoms", "give another --work")
    return {(row["case"], row["effect"], row["value"]): row["dsc"] for row in content["rows"]}


def write_scores(path: Path, key: dict[str, Any], scores: Scores) -> None:
    rows = [{"case": c, "effect": n, "value": v, "dsc": dsc_by} for (c, n, v), dsc_by in scores.items()]
    write_bytes(path, json.dumps({"of": key, "rows": rows}, indent=1).encode())


def means(scores: Scores, point: Point) -> dict[str, float]:
    """Mean DSC over cases by structure."""
    of_point = [by for (_, *at), by in scores.items() if tuple(at) == point]
    return {name: float(np.mean([by[name] for by in of_point])) for name in LABELS}


def table(scores: Scores, points: list[Point]) -> str:
    """In percent; a point that loses too much is marked."""
    whole = means(scores, points[0])
    lines = ["| | | " + " | ".join(f"DSC {name} [%] | change" for name in LABELS) + " |", "|---" * 6 + "|"]
    for name, value in points:
        cells = []
        for structure, mean in means(scores, (name, value)).items():
            change = mean - whole[structure]
            cells.append(f"{100 * mean:.1f} | {100 * change:+.1f}{' !' if change < -MOST_LOST else ''}")
        lines.append(f"| {name} | {value:g} | {' | '.join(cells)} |")
    cases = len({case for case, *_ in scores})
    return "\n".join([*lines, f"{cases} phantoms; ! loses more than {100 * MOST_LOST:.0f} points"])


def picture(scores: Scores, points: list[Point]) -> Figure:
    """A panel per effect: mean DSC against its amount, undisturbed scans as a dashed line."""
    names = list(dict.fromkeys(name for name, _ in points[1:]))
    columns = 5
    rows = -(-len(names) // columns)
    figure = Figure(figsize=(3 * columns, 2.6 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, sharey=True, squeeze=False).ravel()
    whole = means(scores, points[0])
    for panel, name in zip(panels, names, strict=False):
        values = sorted(value for other, value in points if other == name)
        for structure, colour in zip(LABELS, ("tab:red", "tab:blue"), strict=True):
            heights = [100 * means(scores, (name, value))[structure] for value in values]
            panel.plot(values, heights, "o-", color=colour, label=structure)
            panel.axhline(100 * whole[structure], color=colour, linestyle="--", linewidth=0.8)
        panel.set(xlabel=name, ylim=(0, 100))
        panel.grid(alpha=0.3)
    for panel in panels[len(names) :]:
        panel.set_visible(False)
    panels[0].set_ylabel("DSC [%]")
    panels[0].legend()
    return figure


if __name__ == "__main__":
    sys.exit(main())
