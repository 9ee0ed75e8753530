"""The command line of process.py."""

from pathlib import Path

import pytest

from model import installed
from model.cohort.options import parse_arguments
from model.terminal import Loudness


def test_without_options_it_is_what_the_challenge_runs():
    args = parse_arguments([])
    assert (args.input, args.output) == (Path("/input"), Path("/output"))
    assert (args.layout, args.device, args.precision, args.on_error) == ("auto", "auto", "auto", "fail")
    assert args.tta and args.search and not (args.single_ct or args.serve or args.all_mirrors)
    assert args.loudness is Loudness.USUAL and args.weights == installed.usual_weights()


def test_uploaded_weights_are_the_default(tmp_path, monkeypatch):
    monkeypatch.setattr(installed, "UPLOADED", tmp_path)
    (tmp_path / "gtv.pt").touch()
    assert parse_arguments([]).weights == tmp_path / "gtv.pt"
    assert parse_arguments(["--weights", "mine.pt"]).weights == Path("mine.pt")


def test_short_names_and_one_patient():
    args = parse_arguments(["-i", "a", "-o", "b", "--quiet"])
    assert (args.input, args.output, args.loudness) == (Path("a"), Path("b"), Loudness.QUIET)
    args = parse_arguments(["--ct", "a", "--single-ct", "--out", "b", "--verbose", "--device", "cuda:1"])
    assert (args.ct, args.ce, args.output) == (Path("a"), None, Path("b"))
    assert (args.loudness, args.device) == (Loudness.VERBOSE, "cuda:1")


@pytest.mark.parametrize(
    ("words", "where"),
    [
        ("--ce b", "--ce"),
        ("--ct a", "--ct"),
        ("--ct a --ce b -i c", "--ct"),
        ("--ct a --ce b --serve", "--ct"),
        ("--ct a --ce b --layout nnunet", "--ct"),
        ("--no-tta --all-mirrors", "--no-tta"),
        ("--quiet --verbose", "--verbose"),
        ("--device cuda:x", "--device"),
        ("--device tpu", "--device"),
        ("-i", "--input"),
        ("--extras a", "--extras"),
        ("--serve --preview", "--serve"),
    ],
)
def test_what_does_not_go_together_is_one_line(capsys, words, where):
    with pytest.raises(SystemExit, match="2"):
        parse_arguments(words.split())
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {where}: ") and "; " in line
