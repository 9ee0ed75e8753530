"""Fuzz the readers: make fuzz MINUTES=30, or PYTHONPATH=.:test python -m fuzz --minutes 30 [--targets mha nrrd].

Each target gets its share of the time. What is found is written to build/fuzz/TARGET/finds, and the inputs that reached
new code, from which the next run begins, beside it. Exit code 1 where anything was found. When it is mended, a find
becomes a file in test/fuzz/finds/TARGET/; with --replay these are tried again.
"""

import sys
import time
from pathlib import Path

from fuzz.running import TARGETS, Find, fuzz, replay

from model.options import Parser

LEAST_SECONDS = 2.0
EXAMPLES = ("PYTHONPATH=.:test python -m fuzz --minutes 30 --targets mha nrrd",)
EXITS = "0 nothing found, 1 something was found, 2 bad options"


def main() -> int:
    parser = Parser("python -m fuzz", description=__doc__, examples=EXAMPLES, exits=EXITS)
    parser.add_argument("--minutes", type=float, default=1.0, help="in all")
    parser.add_argument("--targets", nargs="+", choices=TARGETS, default=list(TARGETS), help="which")
    parser.add_argument("--seed", type=int, default=1, help="of the first process of each target")
    parser.add_argument("--out", type=Path, default=Path("build/fuzz"), help="for finds and corpus")
    parser.add_argument("--replay", nargs="*", type=Path, help="only try these files, TARGET/FILE each")
    args = parser.parse_args()
    finds: list[Find] = []
    if args.replay is not None:
        tried = [Find(path, replay(path.parent.name, path)) for path in args.replay]
        finds = [find for find in tried if find.what]
    else:
        seconds = max(LEAST_SECONDS, args.minutes * 60 / len(args.targets))
        for name in args.targets:
            start = time.monotonic()
            inputs, found = fuzz(name, args.out / name, seconds, args.seed)
            print(
                f"{name}: {inputs} inputs, {len(found)} finds, {time.monotonic() - start:.0f} s", flush=True
            )
            finds += found
    for find in finds:
        print(f"find: {find.path}: {find.what}")
    return 1 if finds else 0


if __name__ == "__main__":
    sys.exit(main())
