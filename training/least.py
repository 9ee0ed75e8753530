"""Choose the least volume of a lesion for a weights file: python -m training.least WEIGHTS DATA.

DATA holds cases that were not trained on, in a layout of train.py's. They go through the container's code, pieces of
any size counted; the mean DSC that each least volume would give is printed, and the best goes into the weights file if
it gains half a percent. For weights trained on every case (`--fold all`), or where too few cases without nodes were
held out to choose well.
"""

import signal

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a Ctrl-C while all the rest is loaded ends without a word

import sys
from dataclasses import replace
from pathlib import Path

from model.errors import InputError
from model.options import Parser, add_device
from model.structures import LABELS
from model.terminal import STOPPED, log, own_stderr, progress, report, stoppable, take_any_text

EXAMPLES = ("python -m training.least weights/mine.pt OTHER_CASES",)
EXITS = "0 done, 2 bad input, 130 stopped"


def main(arguments: list[str] | None = None) -> int:
    take_any_text()
    parser = Parser(prog="python -m training.least", description=__doc__, examples=EXAMPLES, exits=EXITS)
    parser.add_argument("weights", type=Path)
    parser.add_argument("data", type=Path, help="folder of cases, SegRap's raw layout or nnU-Net's")
    add_device(parser)
    args = parser.parse_args(arguments)
    try:
        with stoppable():
            chosen = choose(args.weights, args.data, args.device)
    except KeyboardInterrupt:
        log(f"stopped; {args.weights} is as it was")
        return STOPPED
    except InputError as error:
        report(error)
        return 2
    if not any(chosen):
        print(f"{args.weights}: no least volume gains anything; pieces of any size are kept")
        return 0
    from training.validate import least_in_words

    print(f"{args.weights}: pieces below so many cm³ are left out from now on: {least_in_words(chosen)}")
    return 0


def choose(weights: Path, data: Path, device: str) -> tuple[float, ...]:
    """Score the cases, print the table, write what is best into the weights file. Raises InputError."""
    # They load torch, which takes seconds: not for --help.
    import numpy as np

    from model.network.bundle import load_bundle, save_bundle
    from training.data.sources import find_training_cases
    from training.validate import LEAST_CM3, choose_least, validate

    bundle, cases = load_bundle(weights), find_training_cases(data)
    scoring = validate(bundle, cases, device)
    tables = [gains for _, gains in progress(scoring, "case", total=len(cases), words="validate")]
    print("mean DSC" + "".join(f"{name:>10}" for name in LABELS))
    for least, row in zip(LEAST_CM3, np.mean(tables, axis=0), strict=True):
        print(f"{least:>4g} cm³" + "".join(f"{value:>10.4f}" for value in row))
    chosen = choose_least(tables)
    # A calibration is of the masks as they were.
    confidence = bundle.confidence if chosen == bundle.least_cm3 else None
    save_bundle(replace(bundle, least_cm3=chosen, confidence=confidence), weights, None)
    return chosen


if __name__ == "__main__":
    own_stderr()
    sys.exit(main())
