"""inputs.json, in which grand-challenge says which file is which."""

from pathlib import Path
from typing import Any

from model.documents import read_json
from model.errors import InputError, reason

REMEDY = "correct or remove it"


def sockets_of(root: Path) -> dict[str, dict[str, str]]:
    """From inputs.json, if there: slug → relative_path and image (a name, maybe that before the upload)."""
    path = root / "inputs.json"
    if not path.is_file():
        return {}
    entries, sockets = read_json(path, REMEDY), {}
    try:
        for entry in entries:
            socket: dict[str, Any] = entry.get("socket") or entry["interface"]  # the older name
            image = str((entry.get("image") or {}).get("name", ""))
            sockets[str(socket["slug"])] = {"relative_path": str(socket["relative_path"]), "image": image}
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(path, f"not as the platform writes it ({reason(error)})", REMEDY) from None
    return sockets
