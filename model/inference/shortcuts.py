"""What a prediction may leave out to be faster, as one value."""

from dataclasses import dataclass
from typing import Literal

Mirrors = Literal["by doubt", "all", "one"]


@dataclass(frozen=True)
class Shortcuts:
    """search: only windows where tumour is conceivable, not all. mirrors: of each window.

    "by doubt": one at first, more for as long as much of a structure is in doubt in the window; this needs the search,
    which finds where. "all": of all the axes that the weights name (8 for three axes). "one": the window as it is.
    """

    search: bool = True
    mirrors: Mirrors = "by doubt"

    def __post_init__(self) -> None:
        if self.mirrors == "by doubt" and not self.search:
            raise ValueError("mirrors by doubt need the search")


DEFAULT = Shortcuts()
EXHAUSTIVE = Shortcuts(search=False, mirrors="all")
