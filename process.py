"""Segment GTVp and GTVnd on paired head-and-neck CTs: python process.py --input DIR --output DIR.

Masks are label maps on the non-contrast CT's grid: 0 background, 1 GTVp, 2 GTVnd. Research use, not clinical.
"""

import signal

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a Ctrl-C while all the rest is loaded ends without a word

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from model import VERSION
from model.cases import Case, find_cases
from model.cohort.earlier import remove_earlier
from model.cohort.extras import Extras
from model.cohort.manifest import (
    NAME,
    Entry,
    Manifest,
    Origin,
    inputs_of,
    is_finished,
    is_of_others,
)
from model.cohort.options import parse_arguments
from model.cohort.ranks import Rank, this_rank, wait_for_all
from model.cohort.reading import ReadAhead
from model.cohort.segmenting import Outcome, segment_all
from model.errors import InputError, reason
from model.installed import remarks, sha256_of, version_lines
from model.network.memory import ask_for_huge_pages, import_torch
from model.one_patient import into_one_file, is_named, is_one_file, one_patient, with_single_cts
from model.terminal import (
    STOPPED,
    Loudness,
    choose_loudness,
    detail,
    log,
    own_stderr,
    report,
    stoppable,
    take_any_text,
)
from model.writing import output_folders, save

if TYPE_CHECKING:  # torch takes seconds to import: wrong input is reported before
    from model.inference.predictor import Predictor
    from model.inference.shortcuts import Shortcuts


def main(arguments: list[str] | None = None) -> int:
    """Exit code: 0 all cases done, 2 bad input, 130 interrupted."""
    args = parse_arguments(arguments, __doc__)
    choose_loudness(args.loudness)
    try:
        if args.serve:
            return serve(args)
        return 2 if run(args, lambda: load_predictor(args)) else 0
    except InputError as error:
        report(error)
        return 2
    except KeyboardInterrupt:
        if args.serve:
            log("stopped")  # a server has no end of its own
        else:
            fact, remedy = "stopped before all was done", "finished cases are kept, see --resume"
            report(InputError("process.py", fact, remedy))
        return STOPPED


def run(
    args: argparse.Namespace, predictor_of: Callable[[], "Predictor"], origin: Origin | None = None
) -> list[str]:
    """Segment this process's share of the cases; returns one line for each that was left without a result.

    origin: what results depend on, where the weights were loaded before; else as the weights file is now.
    """
    rank = Rank() if args.serve else this_rank()
    all_cases = cases_of(args)
    # A file that is named itself stands alone, and may lie among others' results.
    alone = all_cases[0].kind == "channels" or all_cases[0].output == args.output
    manifest = None if alone else Manifest(args.output)
    if args.json and len(all_cases) > 1:
        raise InputError("--json", f"{len(all_cases)} cases", f"leave it out: {NAME} tells of all of them")
    if args.resume and not manifest:
        raise InputError("--resume", "this layout has one case and no manifest", "leave it out")
    folder = args.output.parent if all_cases[0].output == args.output else args.output
    if args.json:
        check_json_file(args.json, all_cases[0], folder)
    extras = Extras(args.extras or folder, folder, args.preview, args.probabilities, args.uncertainty)
    extras.check(all_cases)
    cases, failures = rank.share(all_cases), []
    if rank.count > 1:
        share = f"{len(cases)} of {len(all_cases)} cases"
        log(f"this is process {rank.number} of {rank.count} (RANK, WORLD_SIZE): {share} are its")
    one_by_one = bool(args.ct) or is_named(all_cases, args.input)
    if one_by_one and manifest:
        refuse_anothers_result(all_cases[0], manifest)
    files = [path for case in cases for path in (case.output, *extras.paths(case))]
    with output_folders(files):
        origin = (origin or origin_of(args)) if manifest or args.json else None
        resume = args.resume or rank.restarted
        if manifest and origin and resume:
            cases = unfinished(cases, manifest, origin, extras)
        if cases:
            reader = ReadAhead(cases[0])  # while torch is imported
            # Where no case can be read, the weights are not needed.
            predictor = None if all(case.fault for case in cases) else predictor_of()
            remove_earlier(cases, extras, manifest)
            # Patients named one by one may follow each other into one folder.
            if manifest and not resume and rank.count == 1 and not one_by_one:
                manifest.start_anew()
            if manifest:
                manifest.check()
            for case, outcome in segment_all(cases, predictor, args.on_error, extras, reader):
                failures += [str(outcome.error)] if outcome.error and not outcome.empty else []
                if origin:
                    # Of a full disk the case's own error has told already.
                    with suppress(*[InputError] if outcome.error else []):
                        record(entry_of(case, outcome, origin, extras), manifest, args.json)
        wait_for_all(rank)
    return failures


def refuse_anothers_result(case: Case, manifest: Manifest) -> None:
    """Raises InputError where a result of the same name is of other CTs: of another patient's, as far as is known."""
    entry = manifest.read().get(case.name, {})
    if entry.get("status") == "done" and case.output.exists() and is_of_others(case, entry):
        fact = "the result of other CTs has this name"
        raise InputError(case.output, fact, "name the file: --output FOLDER/NAME.nii.gz; or delete that one")


def cases_of(args: argparse.Namespace) -> list[Case]:
    """Those that the options name. Raises InputError as find_cases does, and for names that the system refuses."""
    try:
        one_file = is_one_file(args.output)
        folder = args.output.parent if one_file else args.output
        if args.ct:
            cases = [one_patient(args.ct, args.ce or args.ct, args.output)]
        else:
            cases = find_cases(args.input, folder, args.layout)
        cases = into_one_file(cases, args.output) if one_file else cases
        return with_single_cts(cases) if args.single_ct else cases
    except OSError as error:  # a name that is too long, or a folder that may not be entered
        remedy = "give another name, or make it accessible"
        raise InputError(error.filename or "process.py", reason(error), remedy) from None


def unfinished(cases: list[Case], manifest: Manifest, origin: Origin, extras: Extras) -> list[Case]:
    """Those without a result of the same CTs, weights, options and software, or without what is to lie beside it."""
    entries = manifest.read()
    left = [
        case
        for case in cases
        if not is_finished(case, entries.get(case.name), origin)
        or not extras.are_there(case, entries[case.name])
    ]
    log(f"resume: {len(cases) - len(left)} of {len(cases)} cases are finished")
    return left


def entry_of(case: Case, outcome: Outcome, origin: Origin, extras: Extras) -> Entry:
    """The case's line in the manifest."""
    trust = outcome.trust
    status = "done" if outcome.error is None else "empty" if outcome.empty else "failed"
    return Entry(
        case=case.name,
        status=status,
        result=case.output.relative_to(extras.masks).as_posix() if status != "failed" else "",
        sha256=sha256_of(case.output) if status != "failed" else "",
        inputs=outcome.inputs or inputs_of(case),
        seconds=round(outcome.seconds, 2),
        network_seconds=round(outcome.network_seconds, 2),
        gtvp_cm3=outcome.gtvp_cm3,
        gtvnd_cm3=outcome.gtvnd_cm3,
        warnings=outcome.warnings,
        error=str(outcome.error) if outcome.error else None,
        origin=origin,
        expected_dsc=trust.expected_dsc if trust else None,
        confidence=trust.confidence if trust else None,
        extras=extras.names(case) if status == "done" else [],
    )


def record(entry: Entry, manifest: Manifest | None, json_file: Path | None) -> None:
    """Into the manifest, and into the file of --json."""
    if manifest:
        manifest.append(entry)
    if json_file:
        save(json_file, entry.line(), "choose another --json")


def check_json_file(path: Path, case: Case, output: Path) -> None:
    """Raises InputError where it would replace something else: a CT, the mask, the manifest, whatever is no JSON."""
    taken = {os.path.realpath(other) for other in (case.ct, case.ce, case.output, output / NAME)}
    try:
        other = os.path.realpath(path) in taken or path.is_dir()
        if not other and path.is_file() and path.stat().st_size:
            with path.open("rb") as file:
                other = file.read(1) != b"{"
    except (OSError, ValueError) as error:
        raise InputError("--json", f"{path}: {reason(error)}", "choose another file") from None
    if other:
        raise InputError("--json", f"{path} would be replaced", "choose another file")


def origin_of(args: argparse.Namespace) -> Origin:
    """What results depend on besides the CTs. A weights file that cannot be read is refused when it is loaded."""
    names = ("tta", "search", "all_mirrors", "keep_small", "precision")
    options = {name: getattr(args, name) for name in names}
    try:
        return Origin(VERSION, sha256_of(args.weights) if args.weights.is_file() else "", options)
    except OSError:
        return Origin(VERSION, "", options)


def load_predictor(args: argparse.Namespace) -> "Predictor":
    start = time.perf_counter()
    ask_for_huge_pages()
    import_torch()
    import torch

    from model.inference.maps import Wanted
    from model.inference.predictor import Predictor
    from model.network.bundle import load_bundle
    from model.network.placement import use_gpu

    bundle = load_bundle(args.weights)
    if args.keep_small:
        bundle = replace(bundle, least_cm3=(0.0,) * len(bundle.least_cm3))
    wanted = Wanted(args.probabilities, args.uncertainty)
    predictor = Predictor(bundle, args.device, args.precision, shortcuts(args), log, wanted)
    if predictor.device.type == "cuda":
        use_gpu(this_rank().local if predictor.device.index is None else predictor.device.index)
    for remark in remarks(args.weights):
        log(remark)
    if args.loudness is Loudness.VERBOSE:
        for line in version_lines(args.weights).splitlines():
            log(line)
        if not bundle.confidence:
            log("these weights have no calibration, so no confidence is given")
    detail(
        f"Python {platform.python_version()}, torch {torch.__version__}, {torch.get_num_threads()} threads"
    )
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

    origin, predictor = origin_of(args), load_predictor(args)

    def invoke() -> list[str]:
        try:
            return run(args, lambda: predictor, origin)
        except InputError as error:
            report(error)
            return [str(error)]

    with make_server(invoke, args.port) as server:
        log(f"listening on port {args.port}")
        server.serve_forever()
    return 0


if __name__ == "__main__":
    own_stderr()
    take_any_text()
    with stoppable():  # as process 1 of a container, Python would ignore SIGTERM
        sys.exit(main())
