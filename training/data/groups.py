"""Which cases are of one patient: groups.json in the folder of cases, {"case": "patient"}.

Whoever makes several cases of one patient says so there: a network would score itself on patients it has seen, if some
of them were trained on and the others held out.
"""

import json
from pathlib import Path

from model.documents import read_object
from model.errors import InputError
from model.network.plain import quoted
from model.writing import save
from training.data.files import files_below

GROUPS = "groups.json"
REMEDY = 'give {"case": "patient", ...}, or call it otherwise'


def read_groups(root: Path) -> dict[str, str]:
    """Patient by case, out of every such file in a folder or below it: cases are looked for there, too.

    Empty where there is none. Raises InputError.
    """
    patient_of: dict[str, str] = {}
    files = files_below(root) if root.is_dir() else ()
    for path in sorted(path for path in files if path.name == GROUPS):
        for case, patient in _read(path).items():
            if patient_of.setdefault(case, patient) != patient:
                fact = f"case {quoted(case)} is of another patient in another {GROUPS}"
                raise InputError(path, fact, "correct one of them")
    return patient_of


def add_groups(folder: Path, patient_of: dict[str, str]) -> None:
    """Write the file, whole or not at all; what it says of other cases stays. Raises InputError."""
    path = folder / GROUPS
    known = _read(path) if path.exists() else {}
    content = json.dumps(known | patient_of, indent=1, sort_keys=True) + "\n"
    save(path, content.encode(), "free space or choose another folder")


def _read(path: Path) -> dict[str, str]:
    content = read_object(path, REMEDY)
    for case, patient in content.items():
        if not isinstance(patient, str) or not patient:
            raise InputError(
                path, f"the patient of case {quoted(case)} is {quoted(patient)}, no name", REMEDY
            )
    return content
