"""How long a report takes to open: python -m bench.page REPORT.html.

Headless Chromium opens the page, and its trace says what the page's main thread did until the load's end: processor
seconds by kind of work, which other work on the machine disturbs less than the clock's, and the clock at the first
paint with content. The median of a few openings, each in a new browser with an empty cache. Exits non-zero where it is
more than a second.
"""

import argparse
import sys
from pathlib import Path

from model.options import Parser, whole

EXAMPLES = ("python -m bench.page build/report.html",)
EXITS = "0 done, 1 it takes more than a second, 2 bad options, or no browser"


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = Parser(prog="python -m bench.page", description=__doc__, examples=EXAMPLES, exits=EXITS)
    parser.add_argument("report", type=Path, help="what evaluate.py --report wrote")
    parser.add_argument("--times", type=whole(1, 100), default=5, metavar="N", help="openings")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    parse_arguments(None)  # --help, and what makes no sense, before what takes seconds to load

import json
import shutil
import statistics
import tempfile
from typing import Any

from model.errors import InputError
from model.terminal import report as report_error

SECONDS = 1.0
# Kinds of work of the trace, by the names of its events; what lies within another one counts once, for the inner one.
KINDS = {
    "parse": ("ParseHTML", "ParseAuthorStyleSheet"),
    "script": ("EvaluateScript", "FunctionCall", "v8.compile", "EventDispatch", "TimerFire"),
    "style and layout": ("UpdateLayoutTree", "Layout", "HitTest"),
    "paint": ("PrePaint", "Paint", "Layerize", "Commit", "UpdateLayer", "CompositeLayers"),
}
ALL, REST, FIRST_PAINT = "all of the main thread", "the rest", "first paint, by the clock"
_TASK = ("RunTask", "ThreadControllerImpl::RunTask")

Event = dict[str, Any]


def main(arguments: list[str] | None = None) -> int:
    options = parse_arguments(arguments)
    try:
        opened = [by_kind(trace(options.report)) for _ in range(options.times)]
    except InputError as error:
        report_error(error)
        return 2
    found = {kind: statistics.median(one[kind] for one in opened) for kind in opened[0]}
    for kind, seconds in found.items():
        print(f"{kind:<28}{seconds:>7.3f} s")
    return 0 if found[ALL] <= SECONDS else 1


def trace(page: Path) -> list[Event]:
    """Events of opening a page. Raises InputError without a page or a browser."""
    if not page.is_file():
        raise InputError(page, "no such file", "give what evaluate.py --report wrote")
    binary = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))), None)
    driver_path = shutil.which("chromedriver")
    if not (binary and driver_path):
        raise InputError(
            "chromium", "there is none with its driver", "apt-get install chromium chromium-driver"
        )
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = binary
    with tempfile.TemporaryDirectory() as profile:
        for argument in (
            "--headless=new",
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--window-size=1280,900",
        ):
            options.add_argument(argument)
        options.add_argument(f"--user-data-dir={profile}")
        options.set_capability("goog:loggingPrefs", {"performance": "ALL"})
        categories = "toplevel,devtools.timeline,loading,blink.user_timing,v8"
        options.add_experimental_option("perfLoggingPrefs", {"traceCategories": categories})
        driver = webdriver.Chrome(options, webdriver.ChromeService(driver_path))
        try:
            driver.get(page.resolve().as_uri())
            return traced(driver.get_log("performance"))
        finally:
            driver.quit()


def traced(lines: list[dict[str, Any]]) -> list[Event]:
    """Events among what the driver logged."""
    messages = [json.loads(line["message"])["message"] for line in lines]
    return [m["params"] for m in messages if m["method"] == "Tracing.dataCollected"]


def by_kind(events: list[Event]) -> dict[str, float]:
    """Seconds of a page's main thread, from the start of its navigation to the end of its load, by kind of work."""
    (begun,) = (e for e in events if e["name"] == "navigationStart" and _is_file(e))
    thread, start = (begun["pid"], begun["tid"]), begun["ts"]
    own = [e for e in events if (e["pid"], e.get("tid")) == thread and e["ts"] >= start]
    load, *_ = (e["ts"] for e in own if e["name"] == "loadEventEnd")
    paint, *_ = (e["ts"] for e in own if e["name"] == "firstContentfulPaint")
    end = max(load, paint)
    work = sorted(
        (e for e in own if e["ph"] == "X" and e["ts"] <= end and "tdur" in e),
        key=lambda e: (e["ts"], -e["dur"]),
    )
    seconds = dict.fromkeys((*KINDS, REST), 0.0)
    open_: list[tuple[float, str]] = []  # where what is around ends, and its kind
    for event in work:
        while open_ and open_[-1][0] <= event["ts"]:
            open_.pop()
        kind = kind_of(event["name"])
        if kind is None:
            continue
        seconds[kind] += event["tdur"] / 1e6
        if open_:
            seconds[open_[-1][1]] -= event["tdur"] / 1e6
        open_.append((event["ts"] + event["dur"], kind))
    return {**seconds, ALL: sum(seconds.values()), FIRST_PAINT: (paint - start) / 1e6}


def _is_file(navigation: Event) -> bool:
    return str(navigation["args"].get("data", {}).get("documentLoaderURL")).startswith("file:")


def kind_of(name: str) -> str | None:
    if name in _TASK:
        return REST
    return next((kind for kind, names in KINDS.items() if name in names), None)


if __name__ == "__main__":
    sys.exit(main())
