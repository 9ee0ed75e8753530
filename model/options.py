"""Options on the command line: what makes no sense is one line, as all errors are, and exit code 2."""

import argparse
import math
import re
from collections.abc import Callable
from typing import NoReturn

from model.errors import InputError
from model.terminal import report

# A voxel's side that a network's grid may have.
SPACING_MM = (0.1, 20.0)
LARGEST_SEED = 2**32 - 1
MOST_JOBS = 256
# Of what was given, as it is repeated in an error.
LONGEST_SHOWN = 40


class Parser(argparse.ArgumentParser):
    """Prints an error in the one form that all programs have, without the usage in front."""

    def error(self, message: str) -> NoReturn:
        report(_in_one_form(message))
        raise SystemExit(2)


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
    if named := re.match(r"argument (?:-\w/)?([^:\s]+)(?: [^:]*)?: (.*)", message, re.DOTALL):
        where, (fact, _, remedy) = named[1], named[2].partition("; ")
        return InputError(where, fact, remedy or "see --help")
    for start, fact, remedy in (
        ("the following arguments are required: ", "missing", "give it"),
        ("unrecognized arguments: ", "not known", "see --help"),
    ):
        if message.startswith(start):
            return InputError(message.removeprefix(start), fact, remedy)
    if ambiguous := re.match(r"ambiguous option: (\S+) could match (.*)", message, re.DOTALL):
        return InputError(ambiguous[1], f"may be {ambiguous[2]}", "write it out")
    return InputError("options", message, "see --help")
