"""Plain values out of files that anybody may have written: bounded, copied, and quoted in messages."""

import reprlib
from typing import Any

import numpy as np

# More than any plan, provenance or data set's description has.
MOST_VALUES, DEEPEST, LONGEST_TEXT, MOST_BITS = 300_000, 100, 100_000, 64
_QUOTE = reprlib.Repr()
_QUOTE.maxstring = _QUOTE.maxother = _QUOTE.maxlong = 80
_QUOTE.maxlevel = 2
LONGEST_QUOTE = 120


def quoted(value: Any) -> str:
    """A value as a message shows it: short, however long or deep it is."""
    try:
        return _QUOTE.repr(value)[:LONGEST_QUOTE]
    except ValueError:  # Python writes no numbers of more than 4300 digits
        return "a value too long to show"


def plain(value: Any) -> Any:
    """A copy in Python's own types: dict, list, tuple, str, int, float, bool and None; numpy's become these.

    What a file shares is counted as often as it appears, so that no later look at the copy takes long. Raises
    ValueError for other types and for what is too much, too deep, too long or within itself.
    """
    return _Copy().of(value, 0)


class _Copy:
    def __init__(self) -> None:
        self.count = 0

    def of(self, value: Any, depth: int) -> Any:
        self.count += value.size if isinstance(value, np.ndarray) else 1
        if self.count > MOST_VALUES:
            raise ValueError("more values in it than in any plan")
        if depth > DEEPEST:
            raise ValueError("values lie too deep in each other")
        if isinstance(value, (np.generic, np.ndarray)):
            return self.of(value.tolist(), depth)
        if isinstance(value, dict):
            return {self.of(key, depth + 1): self.of(item, depth + 1) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            items = [self.of(item, depth + 1) for item in value]
            return items if isinstance(value, list) else tuple(items)
        if isinstance(value, str) and len(value) > LONGEST_TEXT:
            raise ValueError(f"a text of {len(value)} characters")
        if type(value) is int and value.bit_length() > MOST_BITS:
            raise ValueError(f"a number of {value.bit_length()} bits")
        if type(value) not in (str, int, float, bool, type(None)):
            raise ValueError(f"a {type(value).__name__} in it, which is no plain value")
        return value


def check_whole(name: str, value: Any, low: int, high: int) -> None:
    """Raises ValueError unless this is a whole number, and no boolean, from low to high."""
    if type(value) is not int or not low <= value <= high:
        raise ValueError(f"{name} is {quoted(value)}, expected a whole number from {low} to {high}")


def check_number(name: str, value: Any, low: float, high: float) -> None:
    """Raises ValueError unless this is a finite number, and no boolean, from low to high."""
    if type(value) not in (int, float) or not low <= value <= high:
        raise ValueError(f"{name} is {quoted(value)}, expected a number from {low:g} to {high:g}")
