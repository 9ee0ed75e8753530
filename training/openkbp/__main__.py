"""OpenKBP's CSV files as images: python -m training.openkbp DATA OUT [--targets].

DATA is a download of github.com/ababier/open-kbp. OUT gets a table patients.csv and patients/pt_1/ with image.nii.gz
(HU), PTV70.nii.gz, PTV63.nii.gz and PTV56.nii.gz where prescribed, and organs.nii.gz, cut to the slices around PTV70
where the cross-section is whole. With --targets OUT gets cases for train.py instead: the CT twice, and a label map with
1 = PTV70 and 2 = PTV63 or PTV56; and the official split as nnU-Net's split files, split-validation.json and
split-test.json. These can also be made of a folder that was converted before.

What is wrong with a patient's files is one line at the end; the others are written.
"""

import signal

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a Ctrl-C while all the rest is loaded ends without a word

import csv
import io
import json
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from model.errors import InputError, reason
from model.images.grid import Grid, to_input_grid
from model.images.write import write_image, write_label_map
from model.options import Parser
from model.terminal import STOPPED, log, own_stderr, progress, report, stoppable, take_any_text
from model.writing import write_bytes
from training.openkbp.folders import TABLE, find_converted, find_downloaded, read_targets, write_converted
from training.openkbp.patient import TARGETS, NotUsable, Patient, read_patient, row_of

EXAMPLES = (
    "python -m training.openkbp open-kbp build/openkbp",
    "python -m training.openkbp build/openkbp build/openkbp-cases --targets",
)
EXITS = "0 all patients written, 2 some not, or nothing to be done, 130 stopped"
# A label map's values.
GROSS, OTHER = 1, 2


def main(arguments: list[str] | None = None) -> int:
    take_any_text()
    parser = Parser(prog="python -m training.openkbp", description=__doc__, examples=EXAMPLES, exits=EXITS)
    parser.add_argument("data", type=Path, metavar="DATA", help="the downloaded folder, or a converted one")
    parser.add_argument("out", type=Path, metavar="OUT", help="the folder to write")
    parser.add_argument(
        "--targets", action="store_true", help="cases for train.py with the targets as labels"
    )
    args = parser.parse_args(arguments)
    try:
        with stoppable():
            failures = convert(args.data, args.out, targets=args.targets)
    except InputError as error:
        report(error)
        return 2
    except KeyboardInterrupt:
        log("stopped; patients that are written are whole")
        return STOPPED
    for failure in failures:
        report(failure)
    return 2 if failures else 0


def convert(data: Path, out: Path, *, targets: bool) -> list[InputError]:
    """Returns what is wrong with patients that were left out. Raises InputError where nothing can be done."""
    failures: list[InputError] = []
    splits: dict[str, list[str]] = {}
    rows = []
    if (data / TABLE).exists():
        if not targets:
            raise InputError(data, "is converted already", "give --targets, or the downloaded folder")
        for converted in _shown(find_converted(data)):
            try:
                write_case(out, converted.name, *read_targets(converted))
                splits.setdefault(converted.split, []).append(converted.name)
            except InputError as error:
                failures.append(error)
    else:
        for patient in _read(find_downloaded(data), failures):
            splits.setdefault(patient.split, []).append(patient.name)
            if targets:
                write_case(out, patient.name, patient.hu, patient.targets, patient.grid)
            else:
                write_converted(out, patient)
                rows.append(row_of(patient))
    if targets:
        write_splits(out, splits)
    elif rows:
        write_table(out / TABLE, rows)
    log(
        f"{sum(map(len, splits.values()))} patients: " + ", ".join(f"{len(n)} {s}" for s, n in splits.items())
    )
    return failures


def _read(found: list[tuple[Path, str]], failures: list[InputError]) -> Iterable[Patient]:
    """Those that can be used, one after the other."""
    for folder, split in _shown(found):
        try:
            yield read_patient(folder, split)
        except InputError as error:
            failures.append(error)
        except NotUsable as why:
            log(f"{folder.name} is left out: {why}")


def _shown(items: list) -> Iterable:
    return progress(items, "patient", words="convert")


def write_case(out: Path, name: str, hu: np.ndarray, targets: dict[str, np.ndarray], grid: Grid) -> None:
    """A case in the raw layout: canonical HU twice and the label map. Raises InputError."""
    labels = np.zeros(hu.shape, np.uint8)
    for target, mask in targets.items():
        labels[mask] = GROSS if target == TARGETS[0] else OTHER
    labels[targets[TARGETS[0]]] = GROSS
    for file in ("image", "image_contrast"):
        write_image(out / name / f"{file}.nii.gz", to_input_grid(hu, grid), grid)
    write_label_map(out / name / f"{name}.nii.gz", labels, grid)


def write_splits(out: Path, splits: dict[str, list[str]]) -> None:
    """A file each for validation and test: a list of one split, as nnU-Net's splits_final.json. Raises InputError."""
    for held_out in ("validation", "test"):
        if splits.get("train") and splits.get(held_out):
            content = [{"train": splits["train"], "val": splits[held_out]}]
            _write(out / f"split-{held_out}.json", json.dumps(content, indent=1) + "\n")


def write_table(path: Path, rows: list[dict[str, str]]) -> None:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    _write(path, text.getvalue())


def _write(path: Path, text: str) -> None:
    try:
        write_bytes(path, text.encode())
    except OSError as error:
        fact = f"cannot be written ({reason(error)})"
        raise InputError(path, fact, "free space or choose another folder") from None


if __name__ == "__main__":
    own_stderr()
    sys.exit(main())
