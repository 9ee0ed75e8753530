"""The command line of train.py."""

from pathlib import Path

import pytest

from training.options import LOSSES, OPTIMISERS, parse_arguments
from training.run.recipe import Recipe


def parse(*words: str):
    return parse_arguments([*words, "--out", "w.pt"], None)


def test_defaults_are_nnunets_length_and_one_held_out_fifth():
    args = parse("data")
    assert (args.data, args.epochs, args.minutes, args.folds, args.fold) == (
        Path("data"),
        1000,
        None,
        None,
        ("0",),
    )
    assert args.memory_gb is None and args.network == "plain"
    assert args.loss in LOSSES and args.optimiser in OPTIMISERS and args.spacing is None


def test_spacing_is_three_numbers():
    assert parse("data", "--spacing", "3,1,0.5").spacing == (3.0, 1.0, 0.5)


NONSENSE = {
    "--phantoms": ("0", "-1", "nan", "1e9"),
    "--spacing": ("nan,1,1", "-3,1,1", "0,1,1", "1,2", "inf,1,1", "1e5,1,1", "x"),
    "--memory-gb": ("0", "-1", "nan", "inf", "1e30"),
    "--features": ("0", "-4", "1.5", "1000000"),
    "--folds": ("0", "1", "-2", "x"),
    "--fold": ("5", "7", "-1", "x", "1.0", "", "0-5", "0,0", "3-1", "all,1"),
    "--learning-rate": ("0", "-1", "nan", "inf", "1000"),
    "--epochs": ("0", "-1", "1.5", "99999999999"),
    "--minutes": ("0", "-1", "nan", "inf", "1e30"),
    "--seed": ("-1", "1.5", "99999999999", "x"),
    "--jobs": ("0", "-1", "100000", "two"),
    "--loss": ("hinge",),
    "--network": ("swin", ""),
    "--optimiser": ("lion",),
    "--device": ("tpu",),
}


@pytest.mark.parametrize(("option", "text"), [(o, t) for o, texts in NONSENSE.items() for t in texts])
def test_nonsense_is_one_line_that_names_the_option(option, text, capsys):
    data = () if option == "--phantoms" else ("data",)
    with pytest.raises(SystemExit, match="2"):
        parse(*data, f"{option}={text}")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {option}: ") and "; " in line


@pytest.mark.parametrize(
    ("words", "where"),
    [
        ((), "data"),
        (("data", "--phantoms", "3"), "data"),
        (("data", "--minutes", "3", "--epochs", "2"), "--epochs"),
        (("data", "--spacing", "-3,1,1"), "--spacing"),
        (("data", "--folds", "3", "--fold", "3"), "--fold"),
        (("data", "--folds", "3", "--fold", "0-3"), "--fold"),
        (("data", "--folds", "3", "--splits", "s.json"), "--folds"),
    ],
)
def test_what_makes_no_sense_together_ends_alike(words, where, capsys):
    with pytest.raises(SystemExit, match="2"):
        parse(*words)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {where}: ")


def test_folds_are_several_and_a_file_may_have_more_than_five():
    assert parse("data", "--fold", "0-2,4").fold == ("0", "1", "2", "4")
    assert parse("data", "--fold", "9", "--splits", "s.json").fold == ("9",)
    assert parse("data", "--fold", "all").fold == ("all",)


def test_a_recipe_is_read_with_the_options(tmp_path, capsys):
    assert parse("data").recipe == Recipe()
    path = tmp_path / "recipe.json"
    path.write_text('{"sampling": {"foreground_share": 0.33}}')
    assert parse("data", "--recipe", str(path)).recipe.sampling.foreground_share == 0.33
    path.write_text('{"sampling": {"late_share": 0.2}}')
    assert parse("data", "--recipe", str(path)).recipe.sampling.late_growth == (1.0, 1.4, 1.4)
    with pytest.raises(SystemExit, match="2"):
        parse("data", "--recipe", str(path), "--minutes", "3")
    assert "late_share counts iterations" in capsys.readouterr().err
    path.write_text('{"sampling": {"foreground_share": 33}}')
    with pytest.raises(SystemExit, match="2"):
        parse("data", "--recipe", str(path))
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {path}: sampling (foreground_share) is 33") and "; " in line
