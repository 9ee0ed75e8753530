"""Where patients lie in a download of OpenKBP, and in the converted form.

Download: `train-pats/pt_1/*.csv` and so on, in the folder or in `provided-data` below it. Converted: a table
`patients.csv` and `patients/pt_1/` with `image.nii.gz`, a mask per target where prescribed, and `organs.nii.gz`.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from model.errors import InputError
from model.images.grid import Grid, to_canonical
from model.images.read import read_labels, read_scan
from model.images.write import write_image
from training.openkbp.patient import ORGANS, TARGETS, Patient

# The official ones: a validation and a test set of their own.
SPLITS = ("train", "validation", "test")
TABLE, PATIENTS = "patients.csv", "patients"


@dataclass(frozen=True)
class Converted:
    """A patient in the converted form: the folder, and the row in the table as text by column."""

    name: str
    split: str
    folder: Path
    row: dict[str, str]


def find_downloaded(root: Path) -> list[tuple[Path, str]]:
    """Folders of patients and their splits, in the order of their numbers. Raises InputError where there is none."""
    found = []
    for split in SPLITS:
        for parent in (root / f"{split}-pats", root / "provided-data" / f"{split}-pats"):
            folders = [path for path in parent.glob("pt_*") if path.is_dir()]
            found += [(path, split) for path in sorted(folders, key=lambda path: _number(path.name))]
    if not found:
        raise InputError(
            root, "no patient in train-pats, validation-pats or test-pats", "download the data set"
        )
    names = [path.name for path, _ in found]
    for path, _ in found:
        if names.count(path.name) > 1:
            raise InputError(path, "a patient of this name is there twice", "leave one")
    return found


def find_converted(root: Path) -> list[Converted]:
    """Patients of the converted form in the table's order. Raises InputError: no table, or not a right one."""
    table = root / TABLE
    try:
        with table.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file, restval=""))
    except FileNotFoundError:
        raise InputError(
            table, "no such file", "convert the data set first: python -m training.openkbp"
        ) from None
    except (OSError, UnicodeDecodeError, csv.Error):
        raise InputError(table, "no table that can be read", "convert the data set again") from None
    patients = [Converted(row.get("pt") or "", row.get("split") or "", Path(), row) for row in rows]
    names = [patient.name for patient in patients]
    if not rows or len(set(names)) < len(names):
        raise InputError(table, "no patient, or one twice", "convert the data set again")
    for patient in patients:
        if _number(patient.name) < 0 or patient.split not in SPLITS:
            fact = f"patient {patient.name[:40]!r} of split {patient.split[:40]!r}"
            raise InputError(table, fact, f"a patient is called pt_1, a split is one of {', '.join(SPLITS)}")
    return [Converted(p.name, p.split, root / PATIENTS / p.name, p.row) for p in patients]


def read_targets(patient: Converted) -> tuple[np.ndarray, dict[str, np.ndarray], Grid]:
    """HU int16 and a bool mask per target, those not prescribed empty, canonical (z, y, x); the file's grid.

    Raises InputError, also where PTV70 is missing.
    """
    scan = read_scan(patient.folder / "image.nii.gz")
    masks = {}
    for name in TARGETS:
        path = patient.folder / f"{name}.nii.gz"
        if path.exists() or name == TARGETS[0]:
            masks[name] = read_labels(path, scan.grid, 1) > 0
        else:
            masks[name] = np.zeros(scan.array.shape, bool)
    return to_canonical(scan.array, scan.grid), masks, scan.grid


def write_converted(root: Path, patient: Patient) -> None:
    """Raises InputError where a file cannot be written."""
    folder = root / PATIENTS / patient.name
    write_image(folder / "image.nii.gz", patient.hu, patient.grid)
    for name, mask in patient.targets.items():
        write_image(folder / f"{name}.nii.gz", mask.astype(np.uint8), patient.grid)
    organs = np.zeros(patient.hu.shape, np.uint8)
    for name, mask in patient.organs.items():  # where two overlap, the later one
        organs[mask] = ORGANS.index(name) + 1
    write_image(folder / "organs.nii.gz", organs, patient.grid)


def _number(name: str) -> int:
    """Of a patient's name; -1 where it is none."""
    digits = name.removeprefix("pt_")
    plain = name.startswith("pt_") and digits.isascii() and digits.isdigit() and len(digits) <= 6
    return int(digits) if plain else -1
