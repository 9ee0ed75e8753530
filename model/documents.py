"""JSON files that others wrote."""

import json
from pathlib import Path
from typing import Any

from model.errors import InputError, reason

LARGEST_MB = 64


def read_object(path: Path, remedy: str) -> dict[str, Any]:
    """The object in a JSON file. Raises InputError, with the remedy, where there is none or it cannot be read."""
    content = read_json(path, remedy)
    if not isinstance(content, dict):
        raise InputError(path, "holds no JSON object", remedy)
    return content


def read_json(path: Path, remedy: str) -> Any:
    """The value in a JSON file of bounded size. Raises InputError, with the remedy, where it cannot be read."""
    try:
        if not path.is_file():
            raise InputError(path, "no such file", remedy)
        if path.stat().st_size > LARGEST_MB * 1e6:
            raise InputError(path, f"more than {LARGEST_MB} MB", remedy)
        return json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(path, f"cannot be read as JSON ({reason(error)})", remedy) from None
