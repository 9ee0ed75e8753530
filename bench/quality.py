"""How often the checks of image quality find something in good cases: python -m bench.quality FOLDER...

Each folder holds one folder per patient, as `python -m phantom OUT --layout folder` writes them, with image and
image_contrast; where there is no image_contrast the one CT is given twice, and that it is the same is not counted.
"""

import argparse
import sys
from pathlib import Path

from model.options import Parser, whole

EXAMPLES = ("python -m bench.quality CASES --limit 20",)
EXITS = "0 done, 2 bad options"


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = Parser(prog="python -m bench.quality", description=__doc__, examples=EXAMPLES, exits=EXITS)
    add = parser.add_argument
    add("folders", type=Path, nargs="+", metavar="FOLDER", help="with a folder for each patient")
    add("--limit", type=whole(1, 100_000), metavar="N", help="N cases of each folder alone, evenly spread")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    parse_arguments(None)  # --help, and what makes no sense, before what takes seconds to load

import time
from collections import Counter

from model.images.pair import read_pair


def main(arguments: list[str] | None = None) -> int:
    args = parse_arguments(arguments)
    for folder in args.folders:
        patients = sorted(path.parent for path in folder.glob("*/image.*"))
        step = max(1, len(patients) // args.limit) if args.limit else 1
        patients = patients[::step][: args.limit]
        counts, alarms, seconds = Counter[str](), 0, 0.0
        for patient in patients:
            start = time.perf_counter()
            found = warnings_of(patient)
            seconds += time.perf_counter() - start
            alarms += bool(found)
            counts.update(line.split(":")[0][:60] for line in found)
            for line in found:
                print(f"{patient.name}: {line}")
        print(
            f"{folder}: {alarms} of {len(patients)} cases with a finding, {seconds / len(patients):.1f} s a case"
        )
        for line, count in counts.most_common():
            print(f"  {count} x {line}")
    return 0


def warnings_of(patient: Path) -> list[str]:
    lines: list[str] = []
    (ct,) = patient.glob("image.*")
    ce = next(patient.glob("image_contrast.*"), ct)
    read_pair(ct, ce, lines.append)
    return [line.removeprefix("warning: ") for line in lines if line.startswith("warning: ")]


if __name__ == "__main__":
    sys.exit(main())
