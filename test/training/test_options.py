"""The command line of train.py."""

from pathlib import Path

import pytest

from training.options import LOSSES, OPTIMISERS, parse_arguments


def parse(*words: str):
    return parse_arguments([*words, "--out", "w.pt"], None)


def test_defaults_are_nnunets_length_and_one_held_out_fifth():
    args = parse("data")
    assert (args.data, args.epochs, args.minutes, args.folds, args.fold) == (Path("data"), 1000, None, 5, "0")
    assert args.loss in LOSSES and args.optimiser in OPTIMISERS and args.spacing is None


def test_spacing_is_three_numbers():
    assert parse("data", "--spacing", "3,1,0.5").spacing == (3.0, 1.0, 0.5)


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("data", "--phantoms", "3"),
        ("data", "--fold", "5"),
        ("data", "--fold", "x"),
        ("data", "--epochs", "0"),
        ("data", "--minutes", "-1"),
        ("data", "--minutes", "3", "--epochs", "2"),
        ("data", "--spacing", "1,2"),
    ],
)
def test_what_makes_no_sense_ends_with_two(words, capsys):
    with pytest.raises(SystemExit, match="2"):
        parse(*words)
    assert "error: " in capsys.readouterr().err
