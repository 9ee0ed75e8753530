"""What all tests share."""

from pathlib import Path

import pytest
from programs import help_of_all


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return Path(__file__).parents[1]


@pytest.fixture(scope="session")
def helps(root) -> dict[str, tuple[object, str]]:
    """What --help of every program prints, and its exit code."""
    return help_of_all(root)
