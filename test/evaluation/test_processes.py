"""Several processes: their order, and what happens where one is killed."""

import multiprocessing
import os
import signal
import time

import numpy as np
import pytest

import evaluation.run as run
from evaluation.cases import CaseFiles, MatchedCase
from evaluation.processes import evaluate_cases
from evaluation.run import CaseResult, Settings
from model.errors import InputError

SETTINGS = Settings(("GTVp", "GTVnd"), (1.0,))


@pytest.fixture
def cases(save, label_map, tmp_path) -> list[MatchedCase]:
    reference = CaseFiles("a", save(label_map, tmp_path / "r.mha"), {})
    moved = CaseFiles("a", save(np.roll(label_map, 1, axis=2), tmp_path / "p.mha"), {})
    return [MatchedCase(name, reference, moved) for name in "cabd"]


@pytest.mark.parametrize("jobs", [1, 2, 50])
def test_results_have_the_order_of_the_cases(cases, jobs):
    assert [result.name for result in evaluate_cases(cases, SETTINGS, jobs)] == list("cabd")
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP, signal.SIGUSR1])
def test_results_until_a_process_is_killed_are_given(cases, monkeypatch, number):
    last_one_begun = multiprocessing.Event()

    def score_or_die(case: MatchedCase, settings: Settings) -> CaseResult:
        if case.name == "b":
            last_one_begun.wait(20)
            time.sleep(0.5)  # its result is with the first process by then
            if number != signal.SIGKILL:
                signal.signal(number, signal.SIG_DFL)  # under nohup it would be ignored
            os.kill(os.getpid(), number)
        if case.name == "d":
            last_one_begun.set()
        return CaseResult(case.name, {}, ())

    monkeypatch.setattr(run, "_evaluate", score_or_die)  # in the forked processes too
    names = []
    with pytest.raises(InputError, match="a process was killed"):
        for result in evaluate_cases(cases, SETTINGS, 2):
            names.append(result.name)
    assert names == list("cad") and not multiprocessing.active_children()


def test_where_nobody_waits_any_more_the_processes_are_gone(cases):
    results = evaluate_cases(cases, SETTINGS, 2)
    next(results)
    results.close()
    assert not multiprocessing.active_children()


def test_a_process_that_cannot_be_started_is_one_line(cases, monkeypatch):
    def no_more(*_: object, **__: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", no_more)
    with pytest.raises(
        InputError, match=r"--jobs: no process can be started \(Resource temporarily unavailable\)"
    ):
        list(evaluate_cases(cases, SETTINGS, 2))
