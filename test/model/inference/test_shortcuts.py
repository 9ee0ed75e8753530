"""Which shortcuts can be combined."""

import pytest

from model.inference.shortcuts import DEFAULT, EXHAUSTIVE, Shortcuts


def test_without_the_search_nobody_knows_what_is_in_doubt():
    with pytest.raises(ValueError, match="search"):
        Shortcuts(search=False, mirrors="by doubt")


def test_default_and_exhaustive_are_the_two_ends():
    assert (DEFAULT.search, DEFAULT.mirrors) == (True, "by doubt")
    assert (EXHAUSTIVE.search, EXHAUSTIVE.mirrors) == (False, "all")
