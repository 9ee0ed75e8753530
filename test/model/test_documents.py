"""JSON files: an object, or one line."""

import json

import pytest

from model.documents import read_object
from model.errors import InputError


def test_an_object_is_read(tmp_path):
    (tmp_path / "a.json").write_text('{"a": [1, "\u00b3"]}', encoding="utf-8")
    assert read_object(tmp_path / "a.json", "x") == {"a": [1, "\u00b3"]}


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"3", b"[]", b"null", b'"a"', b"\xff\xfe\x00", b'{"a": ' + b"[" * 100_000,
        b'{"a": ' * 100_000, b'{"a": ' + b"9" * 5000 + b"}", b'{"a": 1} x', b"\x00" * 100,
    ],
)  # fmt: skip
def test_anything_else_is_one_line(tmp_path, content):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_object(tmp_path / "a.json", "correct it")
    assert str(caught.value).startswith(f"{tmp_path / 'a.json'}: ") and "\n" not in str(caught.value)
    assert str(caught.value).endswith("; correct it")


def test_what_is_no_file_or_too_large_is_not_read(tmp_path, monkeypatch):
    for path in (tmp_path / "none.json", tmp_path, tmp_path / ("x" * 300)):
        with pytest.raises(InputError, match=r"no such file|cannot be read"):
            read_object(path, "x")
    monkeypatch.setattr("model.documents.LARGEST_MB", 0)
    (tmp_path / "a.json").write_text(json.dumps({"a": 1}))
    with pytest.raises(InputError, match="more than 0 MB"):
        read_object(tmp_path / "a.json", "x")
