"""What is segmented: the structures in their order, and the label of each in a label map (0 is background).

And how data sets of others call them: the one rule by which names of labels are understood, for training data as for
imported models.
"""

LABELS = {"GTVp": 1, "GTVnd": 2}
STRUCTURES = tuple(LABELS)
# Folders beside masks, with files called as these, that hold no masks but maps of grey values.
PROBABILITY_FOLDERS = {name: f"probability_{name}" for name in STRUCTURES}
UNCERTAINTY_FOLDER = "uncertainty"
MAP_FOLDERS = (*PROBABILITY_FOLDERS.values(), UNCERTAINTY_FOLDER)


def structure_of(name: str) -> str | None:
    """GTVp or GTVnd, however it is spelled (gtvp, GTV_nd, "GTV-ND"); None for any other name."""
    plain = one_word(name)
    return next((structure for structure in STRUCTURES if one_word(structure) == plain), None)


def named_labels(labels: object) -> dict[str, int]:
    """Values by name, without background and ignore, of the labels in a data set's description.

    labels: {name: value} as nnU-Net v2 has it, or {value: name} as v1. Structures get the names they have here, other
    labels keep their own. Raises ValueError for whatever is not clear.
    """
    values: dict[str, int] = {}
    for value, name in numbered(labels, "labels").items():
        structure, background = structure_of(name), one_word(name) == "background"
        if background if value else structure:
            raise ValueError(f"{name} has label {value}")
        if not value or one_word(name) == "ignore":
            continue
        if (structure or name) in values:
            raise ValueError(f"two labels are called {structure or name}")
        values[structure or name] = value
    return values


def ignored_value(labels: object) -> int | None:
    """The value of nnU-Net's label "ignore", which marks what is not counted, if there is one. Raises ValueError."""
    values = [value for value, name in numbered(labels, "labels").items() if one_word(name) == "ignore"]
    return values[0] if values else None


def one_word(name: str) -> str:
    """A name without case and separators."""
    return "".join(c for c in name.lower() if c.isalnum())


def numbered(content: object, what: str) -> dict[int, str]:
    """{number: name} of a dictionary that has the numbers as keys, or else as values. Raises ValueError."""
    if not isinstance(content, dict) or not content:
        raise ValueError(f"{what} are no names with numbers")
    if any(isinstance(value, (list, tuple)) for value in content.values()):
        raise ValueError(f"region-based {what} are not supported")
    items = list(content.items())
    if not all(_is_number(key) for key, _ in items):
        items = [(value, key) for key, value in items]
    if not all(
        _is_number(number) and isinstance(name, str) and not _is_number(name) for number, name in items
    ):
        raise ValueError(f"{what} are no names with whole numbers")
    numbered = {int(number): name for number, name in items}
    if len(numbered) < len(items):
        raise ValueError(f"two {what} have one number")
    return numbered


def _is_number(value: object) -> bool:
    """A whole number of at most three digits, which JSON may have as text."""
    text = str(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else ""
    return text.isascii() and text.isdigit() and len(text) <= 3
