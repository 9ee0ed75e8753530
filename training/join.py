"""Make one weights file of several folds': python -m training.join --work WORK --out ENSEMBLE.

WORK is train.py's --work: its folds that are done and held cases out are joined. Or name their weights files: python -m
training.join FOLD0.pt FOLD1.pt --out ENSEMBLE. The container then runs every network and averages them, which takes as
many times as long. Network, patch, spacing and normalisation must be the same. The least volumes of lesions are chosen
over all folds' held-out cases together, from the scores kept in WORK: nothing is run again. The challenge's method is
one model without an ensemble: this is for who wants one; `--fold all` is the other way to use every case.
"""

import signal

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a Ctrl-C while all the rest is loaded ends without a word

import datetime
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model.errors import InputError
from model.options import OUT, Parser, refuse
from model.terminal import STOPPED, log, own_stderr, report, show, stoppable, take_any_text

if TYPE_CHECKING:  # these and what functions import load torch, which takes seconds: not for --help
    from model.network.bundle import Bundle
    from training.results import FoldResult

EXAMPLES = (
    "python -m training.join --work runs/train --out weights/ensemble.pt",
    "python -m training.join fold0.pt fold1.pt --work runs/train --out weights/ensemble.pt",
)
EXITS = "0 written, 2 bad input, 130 stopped"

WORK = Path("runs/train")
# What all must have in common, and how it is called.
COMMON = {
    "network": "network",
    "patch_zyx": "patch",
    "spacing_zyx": "spacing",
    "normalisation": "normalisation",
    "channels": "order of channels",
    "mirror_axes": "mirrors",
    "pipeline": "preprocessing",
}


def main(arguments: list[str] | None = None) -> int:
    take_any_text()
    parser = Parser(prog="python -m training.join", description=__doc__, examples=EXAMPLES, exits=EXITS)
    parser.add_argument(
        "weights", type=Path, nargs="*", help="of each fold; those that WORK names if not given"
    )
    help_work = f"with the folds' scores; several times for folds trained apart; {WORK} if not given"
    parser.add_argument("--work", type=Path, action="append", help=help_work)
    parser.add_argument(*OUT, type=Path, required=True, help="the weights file to write")
    args = parser.parse_args(arguments)
    if len(args.weights) == 1:
        refuse("weights", "one file is no ensemble", "give several, or --work alone")
    command = sys.argv if arguments is None else ["-m", "training.join", *arguments]
    try:
        with stoppable():
            join(args.weights, args.work or [WORK], args.out, command)
    except KeyboardInterrupt:
        log("stopped; nothing was written")
        return STOPPED
    except InputError as error:
        report(error)
        return 2
    return 0


def join(weights: list[Path], works: list[Path], out: Path, command: list[str]) -> None:
    """Write the ensemble; prints the table over the folds and the least volumes. Raises InputError."""
    from model.network.bundle import load_bundle, save_bundle
    from training.results import read_results

    kept = [result for work in works for result in read_results(work)]
    taken = [] if weights else [result for result in kept if result.cases]
    check_held_out_once(taken, works)
    weights = weights or [result.weights for result in taken]
    if len(weights) < 2:
        where = ", ".join(map(str, works))
        fact = f"{len(weights)} folds that are done and held cases out"
        raise InputError(where, fact, "train more of them, or name the folds' weights files")
    if out.resolve() in [path.resolve() for path in weights]:
        raise InputError("--out", f"{out} is one of those to join", "choose another")
    if twice := [path for path in weights if weights.count(path) > 1]:
        raise InputError(twice[0], "given twice", "give each once")
    bundles = {path: load_bundle(path) for path in weights}
    check_unchanged(bundles, taken)
    check_fit(bundles)
    results = results_of(bundles, kept)
    first = next(iter(bundles.values()))
    joined = replace(
        first,
        states=tuple(state for bundle in bundles.values() for state in bundle.states),
        provenance=origin(bundles, command),
        least_cm3=(0.0,) * len(first.least_cm3),
        confidence=None,  # of one fold alone
    )
    if results:
        joined = with_scores(joined, results)
    else:
        log("no scores of held-out cases: pieces of any size are kept; python -m training.least chooses")
    save_bundle(joined, out, None)
    log(f"wrote {out}, {len(joined.states)} networks")


def check_held_out_once(results: "list[FoldResult]", works: list[Path]) -> None:
    """Raises InputError where two folds held out one case: these are of different divisions, or of overlapping ones."""
    seen: dict[str, FoldResult] = {}
    for result in results:
        for case in result.cases:
            if (other := seen.setdefault(case.name, result)) is not result:
                folds = " and by ".join(f"fold {one.fold} ({one.weights.name})" for one in (other, result))
                fact = f"case {case.name} is held out by {folds}"
                remedy = (
                    "name the weights files to join, or move the folder of the fold that is too much away"
                )
                raise InputError(", ".join(map(str, works)), fact, remedy)


def check_unchanged(bundles: "dict[Path, Bundle]", results: "list[FoldResult]") -> None:
    """Raises InputError where another run has put its weights in the place of a fold's."""
    for result in results:
        if bundles[result.weights].fingerprint_of_tensors != result.fingerprint:
            fact = f"holds other weights than those of fold {result.fold}"
            remedy = "train that fold again with --resume, which writes them anew, and with another --out"
            raise InputError(result.weights, fact, remedy)


def check_fit(bundles: "dict[Path, Bundle]") -> None:
    """Raises InputError where what all must have in common differs, or two are the same network."""
    from model.network.states import fingerprint

    (first_path, first), *others = bundles.items()
    for path, bundle in others:
        for name, words in COMMON.items():
            if getattr(bundle, name) != getattr(first, name):
                raise InputError(path, f"its {words} is not that of {first_path}", "train all with one plan")
    seen: dict[str, Path] = {}
    for path, bundle in bundles.items():
        for state in bundle.states:
            other = seen.setdefault(fingerprint(None, (state,)), path)
            if other is not path:
                raise InputError(path, f"the same network as in {other}", "give each once")


def results_of(bundles: "dict[Path, Bundle]", kept: "list[FoldResult]") -> "list[FoldResult]":
    """What each file's held-out cases scored; of none or of all. Raises InputError where some are missing."""
    by_fingerprint = {result.fingerprint: result for result in kept}
    found = {path: by_fingerprint.get(bundle.fingerprint_of_tensors) for path, bundle in bundles.items()}
    of_cases = [result for result in found.values() if result and result.cases]
    for path, result in found.items():
        if of_cases and not (result and result.cases):
            fact = "no scores of its held-out cases are kept, but others' are"
            raise InputError(path, fact, "give the --work in which it was trained, or train it with --resume")
    return of_cases


def with_scores(bundle: "Bundle", results: "list[FoldResult]") -> "Bundle":
    """The least volumes chosen over all cases, and the scores; both are printed."""
    from evaluation.summary import summarise
    from training.provenance import metrics
    from training.results import folds_table
    from training.validate import SETTINGS, choose_least, least_in_words

    show(folds_table(results))
    cases = [case for result in results for case in result.cases]
    least = choose_least([table for result in results for table in result.by_least])
    log(f"pieces below so many cm³ are left out: {least_in_words(least)}")
    summaries = summarise(cases, SETTINGS)
    data = (
        f"{len(cases)} held-out cases of {len(results)} folds, each scored by its fold's network alone, "
        "not by the ensemble; pieces of any size counted"
    )
    return replace(
        bundle, least_cm3=least, provenance=bundle.provenance | {"metrics": metrics(data, summaries)}
    )


def origin(bundles: "dict[Path, Bundle]", command: list[str]) -> dict[str, Any]:
    """Where the ensemble comes from: all that its files say of themselves, in plain values."""
    from training.provenance import commit

    data = dict.fromkeys(str(bundle.provenance.get("data", "unknown")) for bundle in bundles.values())
    return {
        "data": f"ensemble of {len(bundles)} trained on: {'; '.join(data)}",
        "command": " ".join(["python", *command]),
        "commit": commit(),
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "folds": [{"file": path.name} | bundle.provenance for path, bundle in bundles.items()],
    }


if __name__ == "__main__":
    own_stderr()
    sys.exit(main())
