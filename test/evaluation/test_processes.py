"""Several processes: their order, and what happens where one is killed."""

import multiprocessing
import os
import signal
import time

import numpy as np
import pytest

import evaluation.processes as processes
import evaluation.run as run
from evaluation.cases import CaseFiles, MatchedCase
from evaluation.processes import evaluate_cases, fitting_jobs
from evaluation.run import CaseResult, Settings
from model.errors import InputError

SETTINGS = Settings(("GTVp", "GTVnd"), (1.0,))


@pytest.fixture
def cases(save, label_map, tmp_path) -> list[MatchedCase]:
    reference = CaseFiles("a", save(label_map, tmp_path / "r.mha"), {})
    moved = CaseFiles("a", save(np.roll(label_map, 1, axis=2), tmp_path / "p.mha"), {})
    return [MatchedCase(name, reference, moved) for name in "cabd"]


@pytest.mark.parametrize("jobs", [1, 2, 50, None])
def test_every_case_has_its_result(cases, jobs):
    assert sorted(result.name for result in evaluate_cases(cases, SETTINGS, jobs)) == list("abcd")
    assert not multiprocessing.active_children()


def test_results_come_as_cases_finish(cases, monkeypatch):
    others_done = multiprocessing.Event()

    def score_or_wait(case: MatchedCase, settings: Settings) -> CaseResult:
        if case.name == "c":
            others_done.wait(20)
        if case.name == "d":
            others_done.set()
        return CaseResult(case.name, {}, ())

    monkeypatch.setattr(run, "_evaluate", score_or_wait)
    names = [result.name for result in evaluate_cases(cases, SETTINGS, 2)]
    assert names[:2] == ["a", "b"] and sorted(names) == list("abcd")


@pytest.mark.parametrize(
    ("cores", "memory_bytes", "fitting"), [(8, 1e12, 8), (8, 1e9, 4), (8, 1e6, 1), (1, 1e12, 1)]
)
def test_as_many_processes_as_cores_and_memory_allow(cases, monkeypatch, cores, memory_bytes, fitting):
    monkeypatch.setattr(processes, "usable_cores", lambda: cores)
    monkeypatch.setattr(processes, "available_bytes", lambda: int(memory_bytes))
    assert fitting_jobs(cases) == fitting


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
    assert sorted(names) == list("acd") and not multiprocessing.active_children()  # as they finish


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
