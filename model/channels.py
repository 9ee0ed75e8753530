"""Names in nnU-Net's raw layout: which case a file is of, and which channel: <case>_0000.nii.gz and so on."""

import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from model.images.read import IMAGE_SUFFIXES

_SUFFIX = "|".join(map(re.escape, IMAGE_SUFFIXES))
_NAME = re.compile(rf"(?P<case>.+)_(?P<channel>[0-9]{{4}})({_SUFFIX})", re.IGNORECASE | re.DOTALL)


def is_channel(file: Path) -> bool:
    """Whether a file is called as a channel of a case."""
    return _NAME.fullmatch(file.name) is not None


def channels_of(files: Sequence[Path]) -> dict[str, dict[str, list[Path]]]:
    """Files by case and channel ("0000"); a name is the same whether its accents are letters of their own or not.

    A result may be called as a channel, a_0001.nii.gz as the mask of case a_0001: what is called after a case is left
    out.
    """
    found = [
        (unicodedata.normalize("NFC", match["case"]), match["channel"], file)
        for file in files
        if (match := _NAME.fullmatch(file.name))
    ]
    names = {name for name, _, _ in found}
    channels: dict[str, dict[str, list[Path]]] = {}
    for name, channel, file in found:
        if f"{name}_{channel}" not in names:
            channels.setdefault(name, {}).setdefault(channel, []).append(file)
    return channels
