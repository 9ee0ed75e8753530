"""What reading ahead and writing behind gain: python -m bench.cohort CASES [options of process.py].

CASES is a folder in a layout of many cases. process.py runs over it as it is, and with one stage after the other, in
turn, each in a process of its own.
"""

import argparse
import sys
from pathlib import Path

from model.options import Parser, whole

EXAMPLES = ("python -m bench.cohort CASES --runs 1 --no-tta",)
EXITS = "0 done, 2 bad options"


def parse_arguments(arguments: list[str] | None) -> tuple[argparse.Namespace, list[str]]:
    parser = Parser(prog="python -m bench.cohort", description=__doc__, examples=EXAMPLES, exits=EXITS)
    add = parser.add_argument
    add("cases", type=Path, help="folder in a layout of many cases")
    add("--runs", type=whole(1, 1000), default=3, help="of both ways, in turn")
    return parser.parse_known_args(arguments)


if __name__ == "__main__":
    parse_arguments(None)  # --help, and what makes no sense, before what takes seconds to load

import subprocess
import tempfile
import time

ROOT = Path(__file__).resolve().parents[1]
# One case after the other: reading, the network and writing do not overlap.
SERIAL = """
import sys
sys.path.insert(0, sys.argv.pop(1))
import process
from model.cohort import segmenting

def one_by_one(items, read, make, write, expected, begin_reader):
    for item in items:
        yield item, write(item, make(item, read(item)))

segmenting.in_stages = one_by_one
sys.exit(process.main(sys.argv[1:]))
"""


def main(arguments: list[str] | None = None) -> int:
    args, options = parse_arguments(arguments)
    ways = {
        "side by side": [sys.executable, str(ROOT / "process.py")],
        "one by one": [sys.executable, "-c", SERIAL, str(ROOT)],
    }
    ratios = []
    for number in range(args.runs):
        seconds = {name: run(command, args.cases, options) for name, command in ways.items()}
        ratios.append(seconds["one by one"] / seconds["side by side"])
        shown = ", ".join(f"{name} {value:.1f} s" for name, value in seconds.items())
        print(f"run {number + 1}: {shown}, ratio {ratios[-1]:.2f}", flush=True)
    print(f"median ratio {sorted(ratios)[len(ratios) // 2]:.2f}")
    return 0


def run(command: list[str], cases: Path, options: list[str]) -> float:
    """Seconds of the whole process."""
    with tempfile.TemporaryDirectory() as output:
        start = time.perf_counter()
        arguments = ["--input", str(cases), "--output", output, *options]
        subprocess.run([*command, *arguments], check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - start


if __name__ == "__main__":
    sys.exit(main())
