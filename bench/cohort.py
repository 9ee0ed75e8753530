"""What reading ahead and writing behind gain: python -m bench.cohort CASES [options of process.py].

CASES is a folder in a layout of many cases. process.py runs over it as it is, and with one stage after the other, in
turn, each in a process of its own.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

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
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", type=Path)
    parser.add_argument("--runs", type=int, default=3)
    args, options = parser.parse_known_args(arguments)
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
