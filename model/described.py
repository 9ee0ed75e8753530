"""dataset.json, in which nnU-Net's raw layout says what its channels are."""

from collections.abc import Sequence
from pathlib import Path

from model.documents import read_object
from model.errors import InputError
from model.images.contrast import role_by_words
from model.structures import numbered, one_word

NAME = "dataset.json"
# nnU-Net takes the normalisation from a channel's name, so that both are often called CT.
_SAYS_NOTHING = ("ct", "image", "zscore", "nonorm", "rescaleto01")
# Written as one word; all others are understood as in DICOM descriptions.
_ONE_WORD = {"ctce": "ce", "noncect": "ct"}
_OF_ROLE = {"plain": "ct", "contrast": "ce"}


def channel_kinds(channels: object) -> list[str | None]:
    """What each channel in a data set's description is: "ct" (no contrast), "ce", "" (it does not say), None (another).

    channels: {number: name}. None, too, where the words for contrast are not clear. Raises ValueError for whatever is
    no names with numbers.
    """
    names = numbered(channels, "channels")
    if sorted(names) != list(range(len(names))):
        raise ValueError(f"channels have the numbers {sorted(names)}")
    return [_kind(names[number]) for number in range(len(names))]


def _kind(name: str) -> str | None:
    word = one_word(name)
    if word in _SAYS_NOTHING:
        return ""
    return _ONE_WORD.get(word) or _OF_ROLE.get(role_by_words(name) or "")


def check_channels(root: Path, folders: Sequence[str]) -> None:
    """Raises InputError where it says that channel 0 is the contrast CT, or 1 the other.

    root: the folder that has it, or the folder of images beside it, called like one of these (in lower case).
    """
    places = [root, root.absolute().parent] if root.absolute().name.lower() in folders else [root]
    for path in (place / NAME for place in places):
        if any(wrong_order(_kinds(names)) for names in _named(path)):
            raise order_error(path)


def _named(path: Path) -> list[object]:
    """As nnU-Net v2 and v1 have them. A file that is not there or no JSON says nothing: only training needs it."""
    try:
        content = read_object(path, "") if path.is_file() else {}
    except InputError:
        return []
    return [content.get("channel_names"), content.get("modality")]


def order_error(path: Path) -> InputError:
    """What to say of such a file."""
    fact = "channels are not first the CT without, then the one with contrast"
    return InputError(path, fact, 'correct the files\' order, or the names to "CT" and "CT with contrast"')


def wrong_order(kinds: list[str | None]) -> bool:
    """Of what channel_kinds says."""
    return kinds[:1] == ["ce"] or kinds[1:2] == ["ct"]


def _kinds(names: object) -> list[str | None]:
    """None of what is not clear: such names say nothing of the order."""
    try:
        return channel_kinds(names)
    except ValueError:
        return []
