"""Cases in stages: what runs beside what, what comes of failures, how many are held."""

import threading
import time

import pytest

from model.cohort.stages import in_stages


def identity(item, value=None):
    return item


def test_each_item_goes_through_all_stages_in_order():
    outcomes = in_stages(
        "abc", str.upper, lambda item, read: item + read, lambda item, made: made * 2, (ValueError,)
    )
    assert list(outcomes) == [("a", "aAaA"), ("b", "bBbB"), ("c", "cCcC")]
    assert list(in_stages([], identity, identity, identity, ())) == []


def test_the_next_is_read_and_the_last_written_while_one_is_made():
    meeting = threading.Barrier(3, timeout=20)  # passed only when all three stages are in it at once

    def wait_if(item, number):
        if item == number:
            meeting.wait()
        return item

    outcomes = list(
        in_stages(
            range(3),
            lambda item: wait_if(item, 2),
            lambda item, read: wait_if(item, 1),
            lambda item, made: wait_if(item, 0),
            (),
        )
    )
    assert outcomes == [(0, 0), (1, 1), (2, 2)]


def test_the_first_is_read_here_and_all_others_in_a_thread_that_was_prepared():
    here, began, readers = threading.get_ident(), [], []

    def read(item):
        readers.append(threading.get_ident())

    list(in_stages(range(3), read, identity, identity, (), lambda: began.append(threading.get_ident())))
    assert readers[0] == here and began == [readers[1]] and readers[1] == readers[2] != here


@pytest.mark.parametrize("stage", ["read", "make", "write"])
@pytest.mark.parametrize("bad", [{0}, {1}, {2}, {0, 1}, {0, 1, 2}])
def test_what_fails_in_any_stage_does_not_stop_the_others(stage, bad):
    def fail_in(name):
        def work(item, value=None):
            if name == stage and item in bad:
                raise ValueError(item)
            return item

        return work

    outcomes = list(in_stages(range(3), fail_in("read"), fail_in("make"), fail_in("write"), (ValueError,)))
    assert [item for item, _ in outcomes] == [0, 1, 2]
    assert {item for item, outcome in outcomes if isinstance(outcome, ValueError)} == bad


@pytest.mark.parametrize("stage", range(3))
def test_what_is_not_expected_is_raised(stage):
    stages = [identity, identity, identity]
    stages[stage] = lambda *arguments: 1 / 0
    with pytest.raises(ZeroDivisionError):
        list(in_stages(range(3), *stages, (ValueError,)))


def test_no_more_than_one_item_is_in_a_stage():
    """However slow the network is, nobody reads on."""
    held, most = [], []

    def read(item):
        held.append(item)
        most.append(len(held))
        return item

    def write(item, made):
        time.sleep(0.01)
        held.remove(item)

    list(in_stages(range(20), read, lambda item, value: time.sleep(0.005), write, ()))
    assert max(most) <= 4  # one being read, one read, one made, one written
