"""The options and the split; nothing is trained here."""

import pytest

from bench.train_vs_nnunet import main, parse_arguments, print_rate

NEEDED = ["data", "--splits", "s.json", "--nnunet-python", "python"]


def test_a_length_is_needed_and_others_go_to_our_training():
    args, further = parse_arguments([*NEEDED, "--iterations", "500", "--features", "16"])
    assert (args.iterations, args.minutes, further) == (500, None, ["--features", "16"])
    for wrong in ([], ["--iterations", "300"], ["--iterations", "250", "--minutes", "1"]):
        with pytest.raises(SystemExit) as end:
            main([*NEEDED, *wrong])
        assert end.value.code == 2


def test_no_data_is_one_line(tmp_path, capsys):
    assert main([str(tmp_path / "none"), *NEEDED[1:], "--minutes", "1"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_rates_are_of_all_that_was_seen(capsys):
    print_rate("gtvseg", 100, 2, 50.0, [10, 100, 100])
    assert "4.00 patches/s, 20 million voxels seen, 0.40 a second" in capsys.readouterr().out
