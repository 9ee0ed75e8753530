"""Judges one submission on grand-challenge: /input/predictions.json and the ground truth → /output/metrics.json.

The entrypoint of the evaluation image; docs/evaluation.md.
"""

import argparse
import sys
from pathlib import Path

from evaluation.cases import find_cases
from evaluation.run import Settings
from evaluation.submission import METRICS, as_text, match_jobs, metrics, read_jobs
from model.errors import InputError, reason
from model.options import MOST_JOBS, Parser, whole
from model.structures import STRUCTURES
from model.terminal import STOPPED, log, own_stderr, report, stoppable, take_any_text
from model.writing import save

# Of the challenge.
SETTINGS = Settings(STRUCTURES, (1.0,))
EXAMPLES = (
    "python evaluate_submission.py                          # in the container: once",
    "python evaluate_submission.py --serve                  # in the container: whenever the platform asks",
    "python evaluate_submission.py -i DOWNLOADED -o RESULT --ground-truth REFERENCES",
)
EXITS = "0 metrics.json is written, 2 it is not, 130 stopped"


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """Command line; the defaults are the platform's."""
    parser = Parser(description=__doc__, examples=EXAMPLES, exits=EXITS)
    add = parser.add_argument
    add(
        "-i",
        "--input",
        type=Path,
        default="/input",
        help="folder with predictions.json and the jobs' results",
    )
    add("-o", "--output", type=Path, default="/output", help="folder for metrics.json")
    truth = "/opt/ml/input/data/ground_truth"
    add("--ground-truth", type=Path, default=truth, help="folder with references, any layout")
    add("--jobs", type=whole(1, MOST_JOBS), metavar="N", help="processes that score; else what fits")
    add("--serve", action="store_true", help="serve GET /health and POST /invoke")
    add("--port", type=whole(0, 65535), default=4743, help="of the server")
    return parser.parse_args(arguments)


def judge(options: argparse.Namespace) -> None:
    """Write metrics.json. Raises InputError where that cannot be done."""
    jobs = read_jobs(options.input)
    references = find_cases(options.ground_truth, [options.input])
    cases = match_jobs(jobs, references, options.ground_truth)
    content, problems = metrics(cases, SETTINGS, options.jobs)
    for problem in problems:
        log(f"warning: {problem}")
    path = options.output / METRICS
    save(path, as_text(content).encode(), "make the folder writable")
    log(f"{path}: {len(cases)} cases, AVG score {100 * content['aggregates']['average_score']:.2f}")


def serve(options: argparse.Namespace) -> None:
    """Judge whenever /invoke asks for it. Raises InputError where the port cannot be had."""
    from model.serve import make_server

    def invoke() -> list[str]:
        judge(options)
        return []

    with make_server(invoke, options.port) as server:
        log(f"listening on port {options.port}")
        server.serve_forever()


def main(arguments: list[str] | None = None) -> int:
    """Command line entry; returns the exit code."""
    options = parse_arguments(arguments)
    try:
        (serve if options.serve else judge)(options)
    except OSError as error:
        report(InputError(error.filename or "evaluate_submission.py", reason(error), "make it readable"))
        return 2
    except InputError as error:
        report(error)
        return 2
    except KeyboardInterrupt:
        log("stopped")
        return STOPPED
    return 0


if __name__ == "__main__":
    own_stderr()
    take_any_text()
    with stoppable():  # as process 1 of a container, Python would ignore SIGTERM
        sys.exit(main())
