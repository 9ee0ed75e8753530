"""What is said and written while a run goes on."""

from dataclasses import replace

import torch

import training.run.reporter
from training.run.processes import Processes
from training.run.reporter import Reporter
from training.run.state import fresh_state

CPU = torch.device("cpu")


def after_one(plan, seconds=1.0):
    state = fresh_state(plan, CPU)
    state.iteration, state.seconds, state.recent = 1, seconds, [(1.0, seconds)]
    return state


def test_a_line_says_on_which_cases_patches_are_scored(tiny_plan, tiny_cases, alone, tmp_path, capsys):
    for held_out, words in ((tiny_cases, "; validation: loss"), ([], "; on training cases: loss")):
        state = after_one(tiny_plan)
        reporter = Reporter(tiny_plan, held_out, tiny_cases, tmp_path, alone, state)
        reporter.report_if_due(state, 0.1)
        line = capsys.readouterr().out.strip()
        assert words in line and (tmp_path / "log.txt").read_text().splitlines()[-1] == line
        assert state.seconds > 1.0 and len(state.history) == 1  # validation counts
        reporter.report_if_due(state, 0.1)
        assert len(state.history) == 1  # once
        reporter.close()
    assert (tmp_path / "best.pt").exists()


def test_other_processes_validate_and_write_nothing(tiny_plan, tiny_cases, tmp_path, monkeypatch):
    monkeypatch.setattr(training.run.reporter, "add_row", None)
    state = after_one(tiny_plan)
    reporter = Reporter(tiny_plan, [], tiny_cases, tmp_path, Processes(1, 2, CPU), state)
    reporter.report_if_due(state, 1.0)
    reporter.save_if_due(replace(state, seconds=1e6))
    reporter.close()
    assert not state.recent and not state.history and not list(tmp_path.iterdir())


def test_a_log_that_cannot_be_written_is_a_failure_for_all_to_know(tiny_plan, tiny_cases, alone, tmp_path):
    state = after_one(tiny_plan)
    reporter = Reporter(tiny_plan, [], tiny_cases, tmp_path / "gone", alone, state)
    assert reporter.failure is None
    reporter.say("a line", state)
    assert "cannot write" in str(reporter.failure)
    reporter.close()
