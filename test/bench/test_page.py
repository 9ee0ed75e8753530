"""What a trace of Chromium's says of a page: work within other work counts once, other threads not at all."""

import json

import pytest

from bench import page


def event(name: str, ts: float, dur: float = 0.0, tid: int = 1, **more) -> dict:
    """Times in ms."""
    times = {"ts": 1000 * ts, "dur": 2000 * dur, "tdur": 1000 * dur}  # the clock ran twice as long
    return {"name": name, "pid": 7, "tid": tid, "ph": "X" if dur else "R", "args": {}, **times, **more}


@pytest.fixture
def events():
    return [
        event("navigationStart", 0, args={"data": {"documentLoaderURL": "chrome://newtab"}}),
        event("ThreadControllerImpl::RunTask", 1, 90),
        event("loadEventEnd", 95),
        event("navigationStart", 100, args={"data": {"documentLoaderURL": "file:///a.html"}}),
        event("ThreadControllerImpl::RunTask", 110, 50),
        event("ParseHTML", 112, 30),
        event("EvaluateScript", 114, 10),
        event("Nothing known", 115, 5),
        event("Layout", 500, 20),
        event("Paint", 600, 900, tid=2),
        event("firstContentfulPaint", 590),
        event("loadEventEnd", 580),
        event("Paint", 700, 60),
    ]


def test_each_second_has_one_kind_and_only_what_comes_before_the_end_counts(events):
    found = page.by_kind(events)
    assert found["script"] == pytest.approx(0.010) and found["parse"] == pytest.approx(0.020)
    assert found["style and layout"] == pytest.approx(0.020) and found["paint"] == 0
    assert found[page.REST] == pytest.approx(0.020) and found[page.ALL] == pytest.approx(0.070)
    assert found[page.FIRST_PAINT] == pytest.approx(0.490)


def test_without_the_page_it_is_one_line(tmp_path, capsys):
    assert page.main([str(tmp_path / "none.html")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and "none.html: no such file" in line


def test_events_are_read_out_of_what_the_browser_logs():
    lines = [{"message": json.dumps({"message": {"method": m, "params": {"name": n}}})} for m, n in
             (("Page.loadEventFired", "a"), ("Tracing.dataCollected", "b"))]  # fmt: skip
    assert page.traced(lines) == [{"name": "b"}]
