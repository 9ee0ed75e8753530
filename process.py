"""Segment GTVp and GTVnd on paired head-and-neck CTs: python process.py --input DIR --output DIR."""

import argparse
import signal
import sys
import time
from argparse import ArgumentDefaultsHelpFormatter as DefaultsInHelp
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model.cases import LAYOUTS, Case, find_cases, output_folders
from model.errors import InputError, reason
from model.images.grid import empty_labels, volume_cm3
from model.images.pair import read_pair
from model.images.read import read_grid
from model.images.write import write_channels, write_label_map
from model.network.memory import ask_for_huge_pages, peak_bytes
from model.terminal import log, report, take_any_text

if TYPE_CHECKING:  # torch takes seconds to import: wrong input is reported before
    from model.inference.predictor import Predictor
    from model.inference.shortcuts import Shortcuts

WEIGHTS = Path(__file__).resolve().parent / "weights" / "gtv.pt"
WRITERS = {"label_map": write_label_map, "channels": write_channels}


def main(arguments: list[str] | None = None) -> int:
    """Exit code: 0 all cases done, 2 bad input, 130 interrupted."""
    args = parse_arguments(arguments)
    try:
        if args.serve:
            return serve(args)
        return 2 if run(args, lambda: load_predictor(args)) else 0
    except InputError as error:
        report(error)
        return 2
    except KeyboardInterrupt:
        return 130


def run(args: argparse.Namespace, predictor_of: Callable[[], "Predictor"]) -> list[str]:
    """Segment every case under the input folder; returns one line for each that was left without a result."""
    cases = find_cases(args.input, args.output, args.layout)
    with output_folders(cases):
        predictor = predictor_of()
        failures = []
        for case in cases:
            try:
                segment(case, predictor)
                continue
            except InputError as error:
                failure = error
            except (RuntimeError, MemoryError) as error:
                if len(cases) == 1:
                    raise
                failure = InputError(case.name, f"{type(error).__name__}: {reason(error)}", "run it alone")
            report(failure)
            if args.on_error == "fail" or not write_empty(case):
                failures.append(str(failure))
    return failures


@dataclass(frozen=True)
class Outcome:
    """Time and result of one case: seconds in all and in the network, passes through it, volumes."""

    seconds: float
    network_seconds: float
    passes: int
    gtvp_cm3: float
    gtvnd_cm3: float


def segment(case: Case, predictor: "Predictor") -> Outcome:
    """Read the pair → crop, resample, normalise → network → back to the input grid → write."""
    start = time.perf_counter()
    if case.fault:
        raise case.fault
    pair = read_pair(case.ct, case.ce, log)
    grid, shape = pair.grid, pair.ct.shape
    prepared = predictor.prepare(pair)
    del pair  # half a gigabyte that the network does not need
    segmentation = predictor.predict_and_restore(prepared, shape)
    write_start = time.perf_counter()
    WRITERS[case.kind](case.output, segmentation.labels, grid)
    log(f"write {case.output}: {time.perf_counter() - write_start:.1f} s")
    gtvp_cm3, gtvnd_cm3 = (volume_cm3(segmentation.labels, label, grid) for label in (1, 2))
    seconds, network_seconds = time.perf_counter() - start, segmentation.network_seconds
    log(
        f"{case.name}: GTVp {gtvp_cm3:.1f} cm³, GTVnd {gtvnd_cm3:.1f} cm³, {seconds:.1f} s (network"
        f" {network_seconds:.1f} s, rest {seconds - network_seconds:.1f} s), {peak_memory(predictor)}"
    )
    return Outcome(seconds, network_seconds, segmentation.passes, gtvp_cm3, gtvnd_cm3)


def write_empty(case: Case) -> bool:
    """An all-background result on the CT's grid, or else the contrast CT's; False where neither is known."""
    for path in (case.ct, case.ce):
        try:
            grid = read_grid(path)
            WRITERS[case.kind](case.output, empty_labels(grid), grid)
        except InputError:
            continue
        log(f"{case.name}: empty mask, since the case cannot be segmented")
        return True
    return False


def load_predictor(args: argparse.Namespace) -> "Predictor":
    start = time.perf_counter()
    ask_for_huge_pages()
    from model.inference.predictor import Predictor
    from model.network.bundle import load_bundle

    bundle = load_bundle(args.weights)
    if args.keep_small:
        bundle = replace(bundle, least_cm3=(0.0,) * len(bundle.least_cm3))
    predictor = Predictor(bundle, args.device, args.precision, shortcuts(args), log)
    log(f"load {args.weights.name} for {predictor.device}: {time.perf_counter() - start:.1f} s")
    return predictor


def shortcuts(args: argparse.Namespace) -> "Shortcuts":
    """As the options say. Mirrors by doubt need the search: without it every window gets all of them."""
    from model.inference.shortcuts import Shortcuts

    if not args.tta:
        return Shortcuts(args.search, "one")
    return Shortcuts(args.search, "all" if args.all_mirrors or not args.search else "by doubt")


def serve(args: argparse.Namespace) -> int:
    from model.serve import make_server

    predictor = load_predictor(args)

    def invoke() -> list[str]:
        try:
            return run(args, lambda: predictor)
        except InputError as error:
            report(error)
            return [str(error)]

    with make_server(invoke, args.port) as server:
        log(f"listening on port {args.port}")
        server.serve_forever()
    return 0


def peak_memory(predictor: "Predictor") -> str:
    """Of the whole process so far."""
    text = f"peak memory {peak_bytes() / 1e9:.2f} GB"
    if predictor.device.type == "cuda":
        import torch

        text += f", of the GPU {torch.cuda.max_memory_allocated() / 1e9:.2f} GB"
    return text


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=DefaultsInHelp)
    parser.set_defaults(tta=True, search=True)  # so that --help shows no default for --no-tta and --no-search
    off: dict[str, Any] = {"action": "store_false", "default": argparse.SUPPRESS}
    add = parser.add_argument
    add("--input", type=Path, default=Path("/input"), help="folder with the CTs")
    add("--output", type=Path, default=Path("/output"), help="folder for the masks")
    add("--weights", type=Path, default=WEIGHTS, help="weights file")
    add("--layout", choices=LAYOUTS, default="auto", help="how the files are arranged, see README.md")
    add("--device", choices=("auto", "cuda", "cpu"), default="auto", help="where the network runs")
    add("--precision", choices=("auto", "fp32"), default="auto", help="auto: 16 bit where hardware has it")
    add("--no-tta", dest="tta", **off, help="one pass per window, no mirrors")
    add("--all-mirrors", action="store_true", help="all mirrors of every window, not only of those in doubt")
    add("--no-search", dest="search", **off, help="look at every window, with all mirrors unless --no-tta")
    add("--keep-small", action="store_true", help="keep lesions however small they are")
    add("--on-error", choices=("fail", "empty"), default="fail", help="what a case that cannot be read gets")
    add("--serve", action="store_true", help="invoke mode: GET /health, POST /invoke")
    add("--port", type=int, default=4743, help="of the invoke mode")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    take_any_text()
    signal.signal(
        signal.SIGTERM, signal.default_int_handler
    )  # as process 1 of a container, Python would ignore SIGTERM
    sys.exit(main())
