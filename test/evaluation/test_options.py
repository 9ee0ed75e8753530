"""The command line of evaluate.py; what makes no sense is tested in test/test_evaluate.py."""

import pytest

from evaluation.options import parse_arguments


@pytest.mark.parametrize(("text", "jobs"), [("auto", None), ("3", 3)])
def test_jobs_are_a_number_or_what_fits(tmp_path, text, jobs):
    options, settings = parse_arguments([str(tmp_path), str(tmp_path), "--jobs", text])
    assert options.jobs == jobs and settings.tolerances_mm == (1.0,)


def test_other_words_are_none(tmp_path, capsys):
    with pytest.raises(SystemExit):
        parse_arguments([str(tmp_path), str(tmp_path), "--jobs", "many"])
    assert "error: --jobs: 'many' makes no sense; give" in capsys.readouterr().err
