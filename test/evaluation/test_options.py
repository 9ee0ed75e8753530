"""The command line of evaluate.py; what makes no sense is tested in test/test_evaluate.py."""

import pytest

from evaluation.options import parse_arguments
from model.errors import InputError


@pytest.mark.parametrize(("text", "jobs"), [("auto", None), ("3", 3)])
def test_jobs_are_a_number_or_what_fits(tmp_path, text, jobs):
    options, settings = parse_arguments([str(tmp_path), str(tmp_path), "--jobs", text])
    assert options.jobs == jobs and settings.tolerances_mm == (1.0,)


def test_other_words_are_none(tmp_path, capsys):
    with pytest.raises(SystemExit):
        parse_arguments([str(tmp_path), str(tmp_path), "--jobs", "many"])
    assert "error: --jobs: 'many' makes no sense; give" in capsys.readouterr().err


def test_what_cannot_be_written_is_said_before_any_work_and_nothing_is_left(tmp_path):
    (tmp_path / "p").mkdir()
    (tmp_path / "file").touch()
    for name, words in (("p", "Is a directory"), ("file/s.json", "Not a directory")):
        with pytest.raises(InputError, match=rf"{name}: cannot be written \({words}\); choose another name"):
            parse_arguments([str(tmp_path / "p"), str(tmp_path / "p"), "--json", str(tmp_path / name)])
    parse_arguments([str(tmp_path / "p"), str(tmp_path / "p"), "--json", str(tmp_path / "new" / "s.json")])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "p"]


def test_structures_may_have_spaces_between(tmp_path):
    _, settings = parse_arguments([str(tmp_path), str(tmp_path), "--structures", "GTVp, GTVnd"])
    assert settings.structures == ("GTVp", "GTVnd")
