"""Packages that some programs need beside those of requirements.txt."""

import sys
from importlib.util import find_spec

from model.errors import InputError
from model.terminal import report


def require(*names: str) -> None:
    """Raises InputError for the first that is not installed."""
    for name in names:
        if find_spec(name) is None:
            remedy = "python -m pip install -r requirements-dev.txt"
            raise InputError(f"package {name}", "not installed", remedy)


def require_or_end(*names: str) -> None:
    """For entry scripts, before they load what needs the packages: one line and exit code 2, not a traceback."""
    try:
        require(*names)
    except InputError as error:
        report(error)
        sys.exit(2)
