"""inputs.json of grand-challenge."""

import json

import pytest

from model.errors import InputError
from model.sockets import sockets_of


def test_without_the_file_there_are_none(tmp_path):
    assert sockets_of(tmp_path) == {}


@pytest.mark.parametrize("key", ["socket", "interface"])
def test_both_names_of_a_socket(tmp_path, key):
    entry = {key: {"slug": "a", "relative_path": "images/a"}, "image": {"name": "x.mha"}}
    (tmp_path / "inputs.json").write_text(json.dumps([entry]))
    assert sockets_of(tmp_path) == {"a": {"relative_path": "images/a", "image": "x.mha"}}


@pytest.mark.parametrize("content", ["", "[1]", '[{"socket": {}}]', "[" * 100_000])
def test_anything_else_is_one_line(tmp_path, content):
    (tmp_path / "inputs.json").write_text(content)
    with pytest.raises(InputError, match="inputs.json"):
        sockets_of(tmp_path)
