"""Training cases from real CTs with target volumes: python -m training.grafts OPENKBP OUT.

OPENKBP is a folder that training.openkbp wrote. Of each patient of a split, OUT gets in SegRap's raw layout: the CT as
it is, twice; as a pair whose other CT is made up, once, or, where PTV70 takes in the nasopharynx, as often as there are
variants, since those are few; and so many variants with synthetic tumours set in, some with other tissues, too. PTV70
is where all gross disease lies: inside it nothing is counted but what was set in, and all else is background. Without
synthetic tumours, the core of a PTV70 that takes in the nasopharynx counts as GTVp.
"""

import signal

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a Ctrl-C while all the rest is loaded ends without a word

import csv
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from model.errors import InputError, reason
from model.images.write import write_image
from model.options import LARGEST_SEED, MOST_JOBS, Parser, whole
from model.structures import LABELS
from model.terminal import STOPPED, log, own_stderr, report, stoppable, take_any_text
from training.data.sources import IGNORED_MASK
from training.data.workers import on_workers
from training.grafts.case import Case, as_it_is, as_pair, with_tumours
from training.grafts.pair import Scans
from training.grafts.patient import RealPatient, read_patient

SPLITS = ("train", "validation", "test")
MOST_VARIANTS = 100
LEAST_HU, MOST_HU = -1024, 3071


def main(arguments: list[str] | None = None) -> int:
    take_any_text()
    parser = Parser(prog="python -m training.grafts", description=__doc__)
    add = parser.add_argument
    add("openkbp", type=Path)
    add("out", type=Path)
    add("--split", choices=SPLITS, default="train")
    add("--variants", type=whole(0, MOST_VARIANTS), default=2, help="with tumours, of each patient")
    add("--seed", type=whole(0, LARGEST_SEED), default=0)
    add("--jobs", type=whole(1, MOST_JOBS), default=2)
    args = parser.parse_args(arguments)
    try:
        with stoppable():
            patients = of_split(args.openkbp, args.split)
            tasks = [
                (args.openkbp, name, level, args.out, args.seed, args.variants) for name, level in patients
            ]
            on_workers(make, tasks, args.jobs, "patients")
    except KeyboardInterrupt:
        log("stopped; the cases that are there are whole")
        return STOPPED
    except InputError as error:
        report(error)
        return 2
    return 0


def of_split(root: Path, split: str) -> list[tuple[str, bool]]:
    """Names of a split's patients, and whether their PTV70 takes in the nasopharynx. Raises InputError."""
    path = root / "patients.csv"
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if row["split"] == split]
        patients = [(row["pt"], row["nasopharynx_level"] == "1") for row in rows]
    except (OSError, ValueError, KeyError, csv.Error) as error:
        raise InputError(path, reason(error), "give a folder that training.openkbp wrote") from None
    if not patients:
        raise InputError(path, f"no patient of the split {split}", "choose another --split")
    return patients


def make(root: Path, name: str, level: bool, out: Path, seed: int, variants: int) -> None:
    """All cases of one patient; those that are there stay. Raises InputError."""
    makers: dict[str, Callable[[RealPatient, np.random.Generator], Case | None]] = {}
    makers |= {f"{name}_as_it_is": lambda patient, _: as_it_is(patient)}
    makers |= {f"{name}_pair_{k + 1}": as_pair for k in range(variants if level else 1)}
    makers |= {f"{name}_set_{k + 1}": with_tumours for k in range(variants)}
    if all((out / case).exists() for case in makers):
        return
    patient = read_patient(root / "patients" / name, level)
    for case, maker in makers.items():
        made = maker(patient, np.random.default_rng((seed, *case.encode())))
        if made is not None and not (out / case).exists():
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
