"""Command line of evaluate.py."""

import argparse
import math
import os
from pathlib import Path

from evaluation.run import Settings
from model.errors import InputError
from model.images.read import image_suffix
from model.options import LONGEST_SHOWN, MOST_JOBS, Parser, whole
from model.structures import STRUCTURES
from model.writing import check_writable

EXAMPLES = (
    "python evaluate.py PREDICTIONS REFERENCES --csv scores.csv --report report.html",
    "python evaluate.py PREDICTIONS REFERENCES --compare OTHER_PREDICTIONS",
    "python evaluate.py PREDICTIONS --image CTS --report page.html    a page to look at, nothing to score",
)
EXITS = "0 all fine, 1 some case had a problem, 2 nothing could be evaluated or not all of it, 130 stopped"
# Farther than any head is wide.
LARGEST_TOLERANCE_MM = 1000.0


def parse_arguments(
    arguments: list[str] | None, description: str | None = None
) -> tuple[argparse.Namespace, Settings]:
    """Command line. Raises InputError."""
    parser = Parser(description=description, examples=EXAMPLES, exits=EXITS)
    add = parser.add_argument
    add("predictions", type=Path, help="file or folder with predicted masks, any layout")
    add(
        "references",
        type=Path,
        nargs="?",
        help="the same of reference masks; without, --report is to look at",
    )
    add("--tolerance-mm", default="1", help="NSD tolerance, or several: 1,2")
    add("--structures", default=",".join(STRUCTURES), help="those that count")
    add("--json", type=Path, metavar="F", help="write all scores as JSON")
    add("--csv", type=Path, metavar="F", help="write one row per case and structure")
    add("--summary-csv", type=Path, metavar="F", help="write one row per measure and structure")
    add("--nnunet-json", type=Path, metavar="F", help="write a summary.json as nnU-Net does")
    add("--report", type=Path, metavar="F.html", help="write a self-contained HTML report")
    add("--overlay", type=Path, metavar="F.png", help="draw the first case")
    add(
        "--image",
        type=Path,
        metavar="CT",
        help="CTs of pictures and DICOM references: a file or folder",
    )
    add("--compare", type=Path, metavar="OTHER", help="other predictions: differences, Wilcoxon test")
    add("--rank", type=Path, nargs="+", metavar="TEAM", help="rank PREDICTIONS and these by SegRap's rule")
    add(
        "--probabilities",
        type=Path,
        metavar="FOLDER",
        help="maps of PREDICTIONS' probability: FROC of lesions",
    )
    add("--jobs", type=_jobs, default=1, metavar="N", help="processes that score; auto: cores and memory say")
    add("--resume", action="store_true", help="go on with a run that was stopped (same --csv or --json)")
    options = parser.parse_intermixed_args(arguments)
    asked = [name.strip() for name in options.structures.split(",")]
    if unknown := set(asked) - set(STRUCTURES):
        fact = f"unknown structure {', '.join(sorted(unknown))[:LONGEST_SHOWN]}"
        raise InputError("--structures", fact, f"known are {', '.join(STRUCTURES)}")
    settings = Settings(
        tuple(s for s in STRUCTURES if s in asked), tuple(map(_tolerance, options.tolerance_mm.split(",")))
    )
    if len({f"{t:g}" for t in settings.tolerances_mm}) < len(settings.tolerances_mm):
        raise InputError("--tolerance-mm", f"{options.tolerance_mm} has one twice", "give each once")
    _check_paths(options)
    return options, settings


def _jobs(text: str) -> int | None:
    """For argparse's type: a number of processes; None: whatever fits."""
    return None if text == "auto" else whole(1, MOST_JOBS)(text)


def _tolerance(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= LARGEST_TOLERANCE_MM:
        remedy = f"give 0 to {LARGEST_TOLERANCE_MM:g} mm, or several with commas between"
        raise InputError("--tolerance-mm", f"{text[:LONGEST_SHOWN]!r} makes no sense", remedy)
    return value


def _check_paths(options: argparse.Namespace) -> None:
    """Before any work: what is read is there, what is written is no image and has a name of its own."""
    scoring = (options.csv, options.summary_csv, options.json, options.nnunet_json, options.overlay)
    others = (options.compare, options.rank, options.probabilities)
    if options.references is None and (options.report is None or any(scoring) or any(others)):
        remedy = "give them, or --report alone for a page to look at"
        raise InputError("REFERENCES", "none are given", remedy)
    teams = [options.predictions, *(options.rank or [])]
    for path in (*teams, options.references, options.compare, options.image, options.probabilities):
        if path is not None and not path.exists():
            raise InputError(path, "no such file or folder", "give one with masks, or CTs for --image")
    if len({os.path.realpath(path) for path in teams}) < len(teams) and options.rank:
        raise InputError("--rank", "one of the teams is given twice", "give each once")
    if options.resume and not (options.csv or options.json):
        raise InputError("--resume", "nothing says which run", "give the --csv or --json that it had")
    named = (
        options.csv,
        options.summary_csv,
        options.json,
        options.nnunet_json,
        options.report,
        options.overlay,
    )
    outputs = [path for path in named if path is not None]
    for path in outputs:
        check_writable(path, "choose another name")
        if image_suffix(path):
            raise InputError(
                path, "the name of an image, which the result would replace", "choose another name"
            )
    names = [
        os.path.realpath(path) for path in outputs if path.is_file() or not path.exists()
    ]  # devices may be shared
    if len(set(names)) < len(names):
        raise InputError(outputs[0], "two results would have one name", "give each its own")
