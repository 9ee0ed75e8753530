"""Command line: `python -m phantom OUT --cases N --seed S --geometry ... --layout ...`."""

import signal

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a Ctrl-C while all the rest is loaded ends without a word

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np

from model.errors import InputError, reason
from model.options import LARGEST_SEED, Parser, whole
from model.terminal import STOPPED, log, own_stderr, progress, report, stoppable, take_any_text
from phantom.scene import GEOMETRIES, Phantom, case_name, make_phantom
from phantom.write import (
    LAYOUTS,
    whole_case,
    write_exec,
    write_folder,
    write_nnunet,
    write_nnunet_description,
)

MOST_CASES = 100_000
EXAMPLES = ("python -m phantom OUT --cases 10 --seed 1 --geometry small --layout folder",)
EXITS = "0 done, 2 bad options or cannot be written, 130 stopped"


def main(arguments: list[str] | None = None) -> int:
    """Generate the cases; case k of seed S is the same whatever the number of cases.

    Cases are there whole or not at all.
    """
    take_any_text()
    options = _parser().parse_args(arguments)
    try:
        with stoppable():
            generate(options)
    except KeyboardInterrupt:
        log("stopped; the cases that are there are whole")
        return STOPPED
    except OSError as error:
        report(InputError(options.out, f"cannot be written ({reason(error)})", "choose another folder"))
        return 2
    except InputError as error:
        report(error)
        return 2
    return 0


def generate(options: argparse.Namespace) -> None:
    """Raises InputError or OSError where the folder cannot be written to."""
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=options.out):  # found out now, not after a minute
        pass
    numbers = range(options.first, options.first + options.cases)
    for number in progress(numbers, "case", words="phantoms"):
        phantom = make_phantom(options.seed, number, options.geometry)
        with whole_case(options.out, number) as unfinished:
            write(phantom, unfinished, options, number)
    if options.layout == "nnunet":
        write_nnunet_description(options.out, len(list((options.out / "labelsTr").glob("*.nii.gz"))))
    log(f"wrote {options.cases} phantoms: {options.out}")


def write(phantom: Phantom, folder: Path, options: argparse.Namespace, number: int) -> None:
    """In the layout that the options name."""
    case = case_name(number)
    if options.layout == "exec":
        names = np.random.default_rng((options.seed, number, 1))
        write_exec(phantom, folder if options.cases == 1 else folder / case, names)
    elif options.layout == "folder":
        write_folder(phantom, folder / case)
    else:
        write_nnunet(phantom, folder, case)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="python -m phantom",
        description="Make paired head-and-neck CT phantoms with a known GTVp and GTVnd.",
        examples=EXAMPLES,
        exits=EXITS,
    )
    add = parser.add_argument
    add("out", type=Path, help="folder to write to")
    add("--cases", type=whole(1, MOST_CASES), default=1, help="how many")
    add("--first", type=whole(0, MOST_CASES), default=0, help="number of the first case")
    add(
        "--seed",
        type=whole(0, LARGEST_SEED),
        default=0,
        help="with the case's number, fixes everything",
    )
    add("--geometry", choices=GEOMETRIES, default="segrap", help="output grid")
    add("--layout", choices=LAYOUTS, default="exec", help="files and folders")
    return parser


if __name__ == "__main__":
    own_stderr()
    sys.exit(main())
