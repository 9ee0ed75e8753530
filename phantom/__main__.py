"""Command line: `python -m phantom OUT --cases N --seed S --geometry ... --layout ...`."""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
from tqdm import tqdm

from model.errors import InputError, reason
from model.terminal import report
from phantom.scene import GEOMETRIES, Phantom, case_name, make_phantom
from phantom.write import LAYOUTS, write_exec, write_folder, write_nnunet, write_nnunet_description


def main(arguments: list[str] | None = None) -> int:
    """Generate the cases; case k of seed S is the same whatever the number of cases. Exit code 2: cannot be written."""
    options = _parser().parse_args(arguments)
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=options.out):  # found out now, not after a minute
            pass
        for number in tqdm(range(options.first, options.first + options.cases), desc="phantoms", unit="case"):
            write(make_phantom(options.seed, number, options.geometry), options, number)
        if options.layout == "nnunet":
            write_nnunet_description(options.out, len(list((options.out / "labelsTr").glob("*.nii.gz"))))
    except OSError as error:
        report(InputError(options.out, reason(error), "choose another folder"))
        return 2
    except InputError as error:
        report(error)
        return 2
    return 0


def write(phantom: Phantom, options: argparse.Namespace, number: int) -> None:
    """In the layout that the options name."""
    case = case_name(number)
    if options.layout == "exec":
        names = np.random.default_rng((options.seed, number, 1))
        write_exec(phantom, options.out if options.cases == 1 else options.out / case, names)
    elif options.layout == "folder":
        write_folder(phantom, options.out / case)
    else:
        write_nnunet(phantom, options.out, case)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m phantom",
        description="Make paired head-and-neck CT phantoms with a known GTVp and GTVnd.",
    )
    parser.add_argument("out", type=Path, help="folder to write to")
    parser.add_argument("--cases", type=int, default=1, help="how many (default: 1)")
    parser.add_argument("--first", type=int, default=0, help="number of the first case (default: 0)")
    parser.add_argument(
        "--seed", type=int, default=0, help="with the case's number, fixes everything (default: 0)"
    )
    parser.add_argument(
        "--geometry", choices=GEOMETRIES, default="segrap", help="output grid (default: segrap)"
    )
    parser.add_argument("--layout", choices=LAYOUTS, default="exec", help="files and folders (default: exec)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
