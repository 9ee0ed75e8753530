"""inputs.json, in which grand-challenge says which file is which."""

import json
from pathlib import Path
from typing import Any

from model.errors import InputError, reason


def sockets_of(root: Path) -> dict[str, dict[str, str]]:
    """From inputs.json, if there: slug → relative_path and image (a name, maybe that before the upload)."""
    path = root / "inputs.json"
    if not path.is_file():
        return {}
    try:
        entries = json.loads(path.read_bytes())
        sockets = {}
        for entry in entries:
            socket: dict[str, Any] = entry.get("socket") or entry["interface"]  # the older name
            image = str((entry.get("image") or {}).get("name", ""))
            sockets[str(socket["slug"])] = {"relative_path": str(socket["relative_path"]), "image": image}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(
            path, f"not as the platform writes it ({reason(error)})", "correct or remove it"
        ) from None
    return sockets
