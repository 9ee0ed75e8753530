"""Options that make no sense are one line each."""

import math

import pytest

from model.options import OUT, Parser, above, add_device, device, refuse, spacing, whole


@pytest.fixture
def parser() -> Parser:
    parser = Parser()
    parser.add_argument("data")
    parser.add_argument("-o", "--out", required=True)
    parser.add_argument("--seed", type=whole(0, 10))
    parser.add_argument("--rate", type=above(0, 10))
    parser.add_argument("--spacing", type=spacing, metavar="Z,Y,X")
    parser.add_argument("--space", action="store_true")
    parser.add_argument("--way", choices=("a", "b"))
    return parser


GOOD = ("data", "--out", "x")


def test_what_makes_sense_is_taken(parser):
    options = parser.parse_args([*GOOD, "--seed", "10", "--rate", "1e-3", "--spacing", "3,1,0.5"])
    assert (options.seed, options.rate, options.spacing) == (10, 1e-3, (3.0, 1.0, 0.5))


@pytest.mark.parametrize(
    ("words", "where"),
    [
        *((("--seed", text), "--seed") for text in ("-1", "11", "1.0", "x", "", "nan", "9" * 5000, "1\n2")),
        *((("--rate", text), "--rate") for text in ("0", "-1", "nan", "inf", "11", "1e999", "x", "", "0x1")),
        *(
            ((f"--spacing={text}",), "--spacing")
            for text in ("nan,1,1", "-3,1,1", "0,1,1", "1,1", "1,1,1,1", "inf,1,1", "1e5,1,1", "1e-5,1,1", "", ",,")
        ),
        (("--spacing", "-3,1,1"), "--spacing"),
        (("--seed",), "--seed"),
        (("--way", "c"), "--way"),
        (("--nonsense",), "--nonsense"),
        (("--sp", "1"), "--sp"),
    ],
)  # fmt: skip
def test_what_makes_none_is_one_line_that_names_the_option(parser, capsys, words, where):
    with pytest.raises(SystemExit) as caught:
        parser.parse_args([*GOOD, *words])
    assert caught.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {where}: ") and "; " in line and len(line) < 200


@pytest.mark.parametrize(("words", "where"), [(["data"], "--out"), ([], "data, --out")])
def test_what_is_missing_is_named(parser, capsys, words, where):
    with pytest.raises(SystemExit):
        parser.parse_args(words)
    assert capsys.readouterr().err == f"error: {where}: missing; give it\n"


def test_options_that_make_no_sense_together_end_alike(capsys):
    with pytest.raises(SystemExit) as caught:
        refuse("--fold 7", "there are 5", "give less")
    assert caught.value.code == 2 and capsys.readouterr().err == "error: --fold 7: there are 5; give less\n"


def test_the_limit_itself_is_not_above_it():
    assert above(0, 1)("1") == 1 and math.isclose(above(0, 1)("1e-9"), 1e-9)


def test_help_has_examples_exit_codes_and_each_default_once(capsys):
    text = "Does a thing\nwell.\n\n    python it.py\n\nMore of it."
    parser = Parser("it", description=text, examples=("it -o F   # so", "it --seed 3"), exits="0 done, 2 bad")
    parser.add_argument(*OUT, default="x", help="where")
    parser.add_argument("--quick", action="store_true", help="soon")
    parser.add_argument("--rate", help="how fast")
    with pytest.raises(SystemExit, match="0"):
        parser.parse_args(["--help"])
    shown = capsys.readouterr().out
    assert "Does a thing well.\n\n    python it.py\n\nMore of it.\n" in shown
    assert "examples:\n  it -o F   # so\n  it --seed 3\n\nexit codes: 0 done, 2 bad\n" in shown
    assert shown.count("(default: ") == 1 and "(default: x)" in shown


def test_one_option_has_one_name_in_all_programs():
    parser = Parser()
    parser.add_argument(*OUT)
    for name in ("-o", "--out", "--output"):
        assert parser.parse_args([name, "x"]).out == "x"


@pytest.mark.parametrize("text", ["auto", "cpu", "cuda", "cuda:0", "cuda:12"])
def test_devices(text):
    assert device(text) == text


@pytest.mark.parametrize(
    "text", ["", "tpu", "cuda:", "cuda:x", "cuda:-1", "cuda: 1", "cuda:1234", "CUDA", "cpu:0"]
)
def test_no_devices(text, capsys):
    parser = Parser()
    add_device(parser)
    with pytest.raises(SystemExit, match="2"):
        parser.parse_args(["--device", text])
    assert capsys.readouterr().err.startswith("error: --device: ")
