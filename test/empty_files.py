"""Files of which only the names count."""

from pathlib import Path


def touch(*paths: Path) -> None:
    """Make these, with their folders."""
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def touch_below(root: Path, *names: str) -> None:
    """Make those of these names below a folder."""
    touch(*(root / name for name in names))
