"""Command line: `python -m dicom COMMAND ...`.

A command's own options: python -m dicom COMMAND --help.
"""

import signal

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a Ctrl-C while all the rest is loaded ends without a word

import argparse
import importlib
import sys
import warnings

from model.errors import InputError, reason
from model.options import Parser
from model.terminal import STOPPED, log, own_stderr, report, stoppable, take_any_text

# Modules with add_arguments(parser) and run(options) -> exit code, loaded when they are used; and what they do.
COMMANDS = {
    "segment": ("dicom.segment", "a study to contours of GTVp and GTVnd"),
    "to-rtstruct": ("dicom.to_rtstruct", "masks to contours for a planning system"),
    "to-seg": ("dicom.to_seg", "masks to a DICOM segmentation"),
    "from-rtstruct": ("dicom.from_rtstruct", "contours to a label map"),
    "from-seg": ("dicom.from_seg", "a DICOM segmentation to a label map"),
}
EXAMPLES = (
    "python -m dicom segment STUDY_FOLDER --out RTSS.dcm",
    "python -m dicom segment --help                       # a command's own options",
)
EXITS = "0 done, 2 bad options or input, 130 stopped"
NEEDED = "python -m pip install -r dicom/requirements.txt"


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit code. Files are there whole or not at all."""
    take_any_text()
    warnings.simplefilter("ignore")  # pydicom's, of headers that break rules
    try:
        with stoppable():
            options = _parsed(sys.argv[1:] if arguments is None else arguments)
            return int(options.run(options))
    except KeyboardInterrupt:
        log("stopped; what is written is whole")
        return STOPPED
    except OSError as error:
        report(InputError(error.filename or "dicom", reason(error), "make it readable"))
    except InputError as error:
        report(error)
    return 2


def _parsed(arguments: list[str]) -> argparse.Namespace:
    """Of the command that is named, whose module alone is loaded. Raises InputError where packages are missing."""
    parser = Parser(
        prog="python -m dicom",
        description="DICOM in and out. For research use only.",
        examples=EXAMPLES,
        exits=EXITS,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=Parser)
    named = next((word for word in arguments if not word.startswith("-")), "")
    for name, (module, what) in COMMANDS.items():
        if name != named:
            commands.add_parser(name, help=what)
            continue
        try:
            loaded = importlib.import_module(module)
        except ModuleNotFoundError as error:
            raise InputError(f"package {error.name}", "not installed", NEEDED) from None
        shown = {"description": loaded.__doc__, "examples": loaded.EXAMPLES, "exits": EXITS}
        command = commands.add_parser(name, help=what, **shown)
        loaded.add_arguments(command)
        command.set_defaults(run=loaded.run)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    own_stderr()
    sys.exit(main())
