"""Options on the command line: what makes no sense is one line, as all errors are, and exit code 2."""

import argparse
import math
import re
import textwrap
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from model.errors import InputError
from model.installed import version_lines
from model.terminal import report, show

# A voxel's side that a network's grid may have.
SPACING_MM = (0.1, 20.0)
LARGEST_SEED = 2**32 - 1
MOST_JOBS = 256
# Of a network's first stage.
MOST_FEATURES = 2048
# Of what was given, as it is repeated in an error.
LONGEST_SHOWN = 40
# Names of the option for what a program writes; process.py has --output, too, and takes --out for it.
OUT = ("--out", "--output", "-o")
DEVICES = "auto, cpu, cuda, or cuda:N for one of several GPUs"


class Parser(argparse.ArgumentParser):
    """Prints an error in the one form that all programs have, without the usage in front; has --version.

    examples: command lines, and exits: what its exit codes mean, which --help shows below the options. Defaults are
    shown beside the options.
    """

    def __init__(self, *args: Any, examples: Sequence[str] = (), exits: str = "", **options: Any) -> None:
        parts = ["examples:\n" + "\n".join(f"  {line}" for line in examples)] if examples else []
        parts += [f"exit codes: {exits}"] if exits else []
        usual: dict[str, Any] = {"epilog": "\n\n".join(parts), "formatter_class": _Help}
        super().__init__(*args, **usual | options)
        self.add_argument("--version", action=_ShowVersion, help="show code, weights and their hash, and end")

    def error(self, message: str) -> NoReturn:
        report(_in_one_form(message))
        raise SystemExit(2)


class _ShowVersion(argparse.Action):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options | {"nargs": 0, "default": argparse.SUPPRESS})

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        show(version_lines())
        parser.exit()


class _Help(argparse.ArgumentDefaultsHelpFormatter):
    """Paragraphs are filled, but lines that begin with a space are left as they are. A default of None is not shown."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        parts = []
        for paragraph in re.split(r"\n\s*\n", text.strip("\n")):
            lines = paragraph.splitlines()
            heading = [lines.pop(0)] if len(lines) > 1 and all(line[:1] == " " for line in lines[1:]) else []
            if all(line[:1] == " " for line in lines):
                parts.append("\n".join(heading + lines))
            else:
                parts.append(textwrap.fill(" ".join(paragraph.split()), width))
        return "\n\n".join(parts)

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default is None or action.default is False:
            return action.help
        return super()._get_help_string(action)


def refuse(option: str, fact: str, remedy: str) -> NoReturn:
    """End the program as an option that makes no sense does."""
    report(InputError(option, fact, remedy))
    raise SystemExit(2)


def whole(least: int, most: int) -> Callable[[str], int]:
    """For argparse's type: a whole number in this range."""

    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{_shown(text)}; give a whole number from {least} to {most}")
        return value

    return read


def above(limit: float, most: float) -> Callable[[str], float]:
    """For argparse's type: a number above a limit, which is none of those, and up to another, which is."""

    def read(text: str) -> float:
        value = _number(text)
        if not limit < value <= most:
            raise argparse.ArgumentTypeError(f"{_shown(text)}; give a number above {limit:g}, up to {most:g}")
        return value

    return read


def spacing(text: str) -> tuple[float, float, float]:
    """For argparse's type: a network grid's spacing (z, y, x) in mm."""
    values = [_number(part) for part in text.split(",")]
    least, most = SPACING_MM
    if len(values) != 3 or not all(least <= value <= most for value in values):
        raise argparse.ArgumentTypeError(f"{_shown(text)}; give Z,Y,X in mm, each from {least:g} to {most:g}")
    z, y, x = values
    return (z, y, x)


def device(text: str) -> str:
    """For argparse's type: where the network runs."""
    if not re.fullmatch(r"auto|cpu|cuda(:[0-9]{1,3})?", text):
        raise argparse.ArgumentTypeError(f"{_shown(text)}; give {DEVICES}")
    return text


def add_device(parser: argparse.ArgumentParser) -> None:
    """--device, alike in all programs."""
    words = f"where the network runs: {DEVICES}"
    parser.add_argument("--device", type=device, metavar="D", default="auto", help=words)


def _number(text: str) -> float:
    """NaN where it is none."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def _shown(text: str) -> str:
    return f"{text[:LONGEST_SHOWN]!r} makes no sense"


def _in_one_form(message: str) -> InputError:
    """argparse's message, taken apart."""
    if named := re.match(r"argument ([^:\s]+)(?: [^:]*)?: (.*)", message, re.DOTALL):
        where, (fact, _, remedy) = _one_name(named[1]), named[2].partition("; ")
        return InputError(where, fact, remedy or "see --help")
    for start, fact, remedy in (
        ("the following arguments are required: ", "missing", "give it"),
        ("unrecognized arguments: ", "not known", "see --help"),
    ):
        if message.startswith(start):
            names = message.removeprefix(start)
            if start.startswith("the following"):
                names = ", ".join(map(_one_name, names.split(", ")))
            return InputError(names, fact, remedy)
    if ambiguous := re.match(r"ambiguous option: (\S+) could match (.*)", message, re.DOTALL):
        return InputError(ambiguous[1], f"may be {ambiguous[2]}", "write it out")
    return InputError("options", message, "see --help")


def _one_name(names: str) -> str:
    """Of all names of an option, as argparse joins them, the first long one."""
    return next((name for name in names.split("/") if name.startswith("--")), names)
