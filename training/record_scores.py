"""Put an evaluation's summary into a weights file's provenance: python -m training.record_scores WEIGHTS JSON "DATA".

JSON is what `evaluate.py --json` wrote; DATA says in words what was scored.
"""

import signal

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a Ctrl-C while all the rest is loaded ends without a word

import dataclasses
import math
import sys
from pathlib import Path

from model.documents import read_object
from model.errors import InputError
from model.options import Parser
from model.terminal import own_stderr, report, take_any_text

EXAMPLES = ('python -m training.record_scores weights/mine.pt scores.json "20 phantoms, seed 2"',)
EXITS = "0 done, 2 bad input"
REMEDY = "give what evaluate.py --json wrote"


def main(arguments: list[str] | None = None) -> int:
    take_any_text()
    parser = Parser(
        prog="python -m training.record_scores", description=__doc__, examples=EXAMPLES, exits=EXITS
    )
    parser.add_argument("weights", type=Path)
    parser.add_argument("scores", type=Path)
    parser.add_argument("data", help="what was scored, in words")
    args = parser.parse_args(arguments)
    from model.network.bundle import load_bundle, save_bundle  # torch, which takes seconds: not for --help

    try:
        summary = read_summary(args.scores)
        bundle = load_bundle(args.weights)
        scores = {"metrics": {"data": args.data, "summary": summary}}
        bundle = dataclasses.replace(bundle, provenance=bundle.provenance | scores)
        save_bundle(bundle, args.weights, None)
    except InputError as error:
        report(error)
        return 2
    print(f"recorded {len(summary)} figures in {args.weights}")
    return 0


def read_summary(path: Path) -> list[dict[str, object]]:
    """The rows of an evaluation's summary. Raises InputError where the file is no such."""
    rows = read_object(path, REMEDY).get("summary")
    if (
        not isinstance(rows, list)
        or not rows
        or not all(isinstance(row, dict) and is_number(row.get("mean")) for row in rows)
    ):
        raise InputError(path, "no summary of an evaluation in it", REMEDY)
    if not all(is_figure(value) for row in rows for value in row.values()):
        raise InputError(path, "its summary holds more than figures", REMEDY)
    return rows


def is_figure(value: object) -> bool:
    """A name, a number, or some of these, as an interval has."""
    inner = value if isinstance(value, list) else [value]
    return all(item is None or isinstance(item, str) or is_number(item) for item in inner)


def is_number(value: object) -> bool:
    """Not true or false, which Python counts among them, nor NaN and infinities, which its JSON has."""
    return type(value) in (int, float) and math.isfinite(value)  # type: ignore[arg-type]


if __name__ == "__main__":
    own_stderr()
    sys.exit(main())
