"""The rows of the GPU bench: read from what commands print, and kept whatever becomes of one."""

import json
import sys
from pathlib import Path

import pytest

from bench import gpu
from bench.gpu import Row, estimates, iteration, last_line, loader, passes, ratios, result_of, rows, write


def row(code: str, **options) -> Row:
    return Row("a row", [sys.executable, "-c", code], last_line, **options)


def test_a_row_has_the_figures_of_its_last_line():
    result = result_of(
        row("import os; print('log'); print('{\"network\": %s}' % os.environ['N'])", environment={"N": "3"})
    )
    assert result["figures"].pop("seconds of the whole command") > 0
    assert (result["figures"], result["error"]) == ({"network": 3}, "")


@pytest.mark.parametrize(
    ("code", "options", "error"),
    [
        ("raise SystemExit('no GPU')", {}, "no figures in its output (list index out of range)"),
        ("print('{}'); raise SystemExit('below the floor')", {}, "below the floor"),
        ("print('{}'); raise SystemExit(3)", {}, "exit code 3"),
        ("import time; time.sleep(60)", {"minutes": 0.01}, "longer than 0.01 minutes"),
    ],
)
def test_a_row_that_fails_says_why(code, options, error):
    assert result_of(row(code, **options))["error"] == error


def test_figures_are_read_as_the_benches_print_them():
    assert loader("patches/s: fresh batches 0.61, one cached batch 0.62, share 0.98\n") == {
        "patches/s, fresh batches": 0.61, "patches/s, one cached batch": 0.62, "loader's share": 0.98
    }  # fmt: skip
    table = "part         mean ms  longest ms   share\nforward       120.5       130.0   40.0%\nsum           301.2"
    assert iteration(table) == {"forward": 120.5, "sum": 301.2}
    text = "patch (1, 2), cuda\nfloat16   channels last graph    0.012 s   error 1.0e-02\nmkldnn_convolution   73.0%"
    assert passes(text) == {"seconds, float16 channels last graph": 0.012}
    last = "nnU-Net / gtvseg: whole case 11.2, network 11.3, all but the network 10.8, peak memory 3.4"
    assert list(ratios(last).values()) == [11.2, 11.3, 10.8, 3.4]
    lines = "cube   plain   float32   4 x 32   1.00   1.10   +10%\ncube   plain   bfloat16   4 x 1   1.00   0.95    -5%"
    assert estimates(lines) == {"plans": 2, "farthest estimate, %": 10}
    for read in (loader, passes, ratios, estimates):
        with pytest.raises(ValueError):
            read("nothing")


def test_the_table_holds_every_figure_and_every_failure(tmp_path):
    results = [
        {"name": "one", "command": ["x"], "figures": {"network": 1.5}, "error": ""},
        {"name": "two", "command": ["y"], "figures": {}, "error": "no GPU"},
    ]
    write(tmp_path, {"device": "a card", "memory": ""}, results)
    content = json.loads((tmp_path / "gpu.json").read_text())
    assert content == {"machine": {"device": "a card", "memory": ""}, "rows": results}
    lines = (tmp_path / "gpu.md").read_text().splitlines()
    assert lines[0] == "device a card" and lines[4:] == [
        "| one | network | 1.5 |",
        "| two | failed | no GPU |",
    ]


def test_every_command_is_there_and_twenty_minutes_are_enough(root):
    args = gpu.parse_arguments(["--out", "out", "--nnunet-python", "python"])
    table = rows(Path("work"), args)
    assert len({row.name for row in table}) == len(table) == 10
    for row in table:
        script = row.command[1]
        module = row.command[2].replace(".", "/") + ".py" if script == "-m" else script
        assert (root / module).exists() and "--device" in row.command
    quick = rows(Path("work"), gpu.parse_arguments(["--out", "out", "--device", "cpu", "--quick"]))
    assert {row.name for row in quick} < {row.name for row in table}
