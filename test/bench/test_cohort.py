"""Both ways of running the same cases run."""

import subprocess
import sys

from bench.cohort import ROOT, SERIAL, main


def test_the_way_without_overlap_is_a_program():
    command = [sys.executable, "-c", SERIAL, str(ROOT), "--help"]
    done = subprocess.run(command, capture_output=True, check=True, text=True, encoding="utf-8")
    assert "process.py" in done.stdout and not done.stderr


def test_ratios_are_of_both_ways(monkeypatch, tmp_path, capsys):
    seconds = iter([2.0, 3.0, 2.0, 5.0])
    monkeypatch.setattr("bench.cohort.run", lambda command, cases, options: next(seconds))
    assert main([str(tmp_path), "--runs", "2"]) == 0
    *_, last = capsys.readouterr().out.splitlines()
    assert last == "median ratio 2.50"
