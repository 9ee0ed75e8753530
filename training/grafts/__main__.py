"""Training cases from real CTs with target volumes: python -m training.grafts OPENKBP OUT.

OPENKBP is a folder that training.openkbp wrote. Of each patient of a split, OUT gets in SegRap's raw layout: the CT as
it is, twice; once as a pair whose other CT is made up; and so many variants with synthetic tumours set in, some with
other tissues, too. PTV70 is where all gross disease lies: inside it nothing is counted but what was set in, and all
else is background. Without synthetic tumours, the core of a PTV70 that takes in the nasopharynx counts as GTVp.
OUT/groups.json says which cases are of one patient: train.py then holds patients out, not single cases.
"""

import signal

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a Ctrl-C while all the rest is loaded ends without a word

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from model.errors import InputError, reason
from model.images.write import write_image
from model.options import LARGEST_SEED, MOST_JOBS, Parser, whole
from model.structures import LABELS
from model.terminal import STOPPED, log, own_stderr, report, stoppable, take_any_text
from training.data.groups import add_groups
from training.data.sources import IGNORED_MASK
from training.data.workers import on_workers
from training.grafts.case import Case, as_it_is, as_pair, with_tumours
from training.grafts.pair import Scans
from training.grafts.patient import RealPatient, read_patient
from training.openkbp.folders import SPLITS, Converted, find_converted

EXAMPLES = ("python -m training.grafts build/openkbp build/grafts --split train",)
EXITS = "0 done, 2 bad input, 130 stopped"
MOST_VARIANTS = 100
LEAST_HU, MOST_HU = -1024, 3071


def main(arguments: list[str] | None = None) -> int:
    take_any_text()
    parser = Parser(prog="python -m training.grafts", description=__doc__, examples=EXAMPLES, exits=EXITS)
    add = parser.add_argument
    add("openkbp", type=Path, metavar="OPENKBP", help="the folder that training.openkbp wrote")
    add("out", type=Path, metavar="OUT", help="the folder to write; cases that are there stay")
    add("--split", choices=SPLITS, default="train", help="whose patients")
    add("--variants", type=whole(0, MOST_VARIANTS), default=2, help="with tumours, of each patient")
    add("--seed", type=whole(0, LARGEST_SEED), default=0, help="fixes everything")
    add("--jobs", type=whole(1, MOST_JOBS), default=2, help="processes that prepare cases")
    args = parser.parse_args(arguments)
    try:
        with stoppable():
            patients = of_split(args.openkbp, args.split)
            # Before the cases: one that is there while nobody knows whose it is would be held out by itself.
            names = [patient.name for patient in patients]
            add_groups(args.out, {case: name for name in names for case in makers_of(name, args.variants)})
            tasks = [(patient, args.out, args.seed, args.variants) for patient in patients]
            on_workers(make, tasks, args.jobs, "patients")
    except KeyboardInterrupt:
        log("stopped; the cases that are there are whole")
        return STOPPED
    except InputError as error:
        report(error)
        return 2
    return 0


def of_split(root: Path, split: str) -> list[Converted]:
    """A split's patients. Raises InputError."""
    patients = [patient for patient in find_converted(root) if patient.split == split]
    if not patients:
        raise InputError(root, f"no patient of the split {split}", "choose another --split")
    return patients


def makers_of(
    name: str, variants: int
) -> dict[str, Callable[[RealPatient, np.random.Generator], Case | None]]:
    """What makes each case of a patient, by the case's name."""
    makers: dict[str, Callable[[RealPatient, np.random.Generator], Case | None]] = {}
    makers |= {f"{name}_as_it_is": lambda patient, _: as_it_is(patient)}
    makers |= {f"{name}_pair_1": as_pair}
    makers |= {f"{name}_set_{k + 1}": with_tumours for k in range(variants)}
    return makers


def make(converted: Converted, out: Path, seed: int, variants: int) -> None:
    """All cases of one patient; those that are there stay. Raises InputError."""
    patient, makers = read_patient(converted), makers_of(converted.name, variants)
    missing = {case: maker for case, maker in makers.items() if not (out / case).exists()}
    for case, maker in missing.items():
        if made := maker(patient, np.random.default_rng((seed, *case.encode()))):
            write(made[0], made[1], patient, out / case)


def write(scans: Scans, ignored: np.ndarray, patient: RealPatient, folder: Path) -> None:
    """A case's files, whole or not at all: the folder takes its name last. Raises InputError."""
    unfinished = folder.with_name(f".{folder.name}")
    for name, array in (("image", scans.ct), ("image_contrast", scans.ce)):
        hu = np.rint(np.clip(array, LEAST_HU, MOST_HU)).astype(np.int16)
        write_image(unfinished / f"{name}.nii.gz", hu, patient.grid)
    for name, value in LABELS.items():
        write_image(unfinished / f"{name}.nii.gz", (scans.label == value).astype(np.uint8), patient.grid)
    write_image(unfinished / f"{IGNORED_MASK}.nii.gz", ignored.astype(np.uint8), patient.grid)
    try:
        unfinished.replace(folder)
    except OSError as error:
        raise InputError(folder, f"cannot be written ({reason(error)})", "choose another folder") from None


if __name__ == "__main__":
    own_stderr()
    sys.exit(main())
