"""The one exception for bad input, and what other libraries' exceptions say, in one line."""

import re
from pathlib import Path

LONGEST_REASON = 160


class InputError(Exception):
    """Bad input. Its text is one line: the file (or case, or option), what is wrong with it, what to do."""

    def __init__(self, where: Path | str, fact: str, remedy: str) -> None:
        super().__init__(where, fact, remedy)  # all three, so that it can be sent from process to process
        self.where = where
        self.fact = fact
        self.remedy = remedy

    def __str__(self) -> str:
        return one_line(f"{self.where}: {self.fact}; {self.remedy}")


def one_line(text: str) -> str:
    """Line ends and other control characters, which file names and damaged headers may have, as they are escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def reason(error: BaseException) -> str:
    """Why an exception was raised, in one short line.

    ITK puts it on the last line, behind the address of the object that raised it; others put it on the first, or, where
    that is a heading, on the last.
    """
    if isinstance(error, OSError) and error.strerror:
        return error.strerror  # without the file's name, which the message has anyway
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    from_itk = "itk::ERROR" in str(error) or "sitk::ERROR" in str(error) or "ITK ERROR" in str(error)
    if from_itk:
        line = re.sub(r"^.*\(0x[0-9a-f]+\): ", "", lines[-1])
    else:
        line = lines[-1] if lines[0].endswith(":") else lines[0]
    return line[:LONGEST_REASON]
