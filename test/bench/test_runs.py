"""A bench's training is run once."""

import sys

from bench.runs import run_once


def test_the_same_command_is_not_run_again(tmp_path):
    """Another command is, and so is the same one when its result is gone."""
    result, count = tmp_path / "result", tmp_path / "count"

    def command(text: str) -> list[str]:
        code = f"open({str(count)!r}, 'a').write('x'); open({str(result)!r}, 'w').write({text!r})"
        return [sys.executable, "-c", code]

    assert run_once(command("a"), result) and not run_once(command("a"), result)
    assert run_once(command("b"), result) and result.read_text() == "b"
    result.unlink()
    assert run_once(command("b"), result)
    assert count.read_text() == "xxx"
