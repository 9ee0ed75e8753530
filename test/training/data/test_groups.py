"""Which cases are of one patient."""

import errno
import json
import os

import pytest

from model.errors import InputError
from training.data.groups import GROUPS, add_groups, read_groups


def test_what_is_written_is_read_and_more_cases_are_added(tmp_path):
    assert read_groups(tmp_path) == {} and read_groups(tmp_path / "absent") == {}
    add_groups(tmp_path / "out", {"b": "pt_1", "a": "pt_1"})
    add_groups(tmp_path / "out", {"c": "pt_2", "a": "pt_1"})
    both = {"a": "pt_1", "b": "pt_1", "c": "pt_2"}
    assert json.loads((tmp_path / "out" / GROUPS).read_text()) == both
    assert read_groups(tmp_path / "out") == read_groups(tmp_path) == both


def test_several_files_below_a_folder_belong_together(tmp_path):
    add_groups(tmp_path / "x", {"a": "pt_1"})
    add_groups(tmp_path / "y", {"b": "pt_1", "a": "pt_1"})
    assert read_groups(tmp_path) == {"a": "pt_1", "b": "pt_1"}
    add_groups(tmp_path / "y", {"a": "pt_2"})
    with pytest.raises(InputError, match=r"y.groups\.json: case 'a' is of another patient"):
        read_groups(tmp_path)


@pytest.mark.parametrize("content", ["", "[]", "{", '{"a": 1}', '{"a": ""}', '{"a": ["b"]}', '{"a": null}'])
def test_a_file_that_makes_no_sense_is_refused_and_stays(tmp_path, content):
    (tmp_path / GROUPS).write_text(content)
    for use in (lambda: read_groups(tmp_path), lambda: add_groups(tmp_path, {"c": "d"})):
        with pytest.raises(InputError) as refused:
            use()
        assert str(refused.value).startswith(f"{tmp_path / GROUPS}: ")
    assert (tmp_path / GROUPS).read_text() == content


def test_on_a_full_disk_the_old_file_stays(tmp_path, monkeypatch):
    add_groups(tmp_path, {"a": "pt_1"})

    def full(number):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match=r"groups\.json: cannot be written \(No space left on device\); "):
        add_groups(tmp_path, {"b": "pt_2"})
    assert read_groups(tmp_path) == {"a": "pt_1"} and len(list(tmp_path.iterdir())) == 1
