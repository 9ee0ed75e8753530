"""Real patients with target volumes: does what is drawn keep to where disease is?

    python -m bench.real_patients CASES [--weights W] [--split validation]

CASES is what python -m training.openkbp writes, or any folder with a folder per patient that holds image.nii.gz and
PTV70.nii.gz, also PTV63.nii.gz, PTV56.nii.gz where prescribed and organs.nii.gz (1: brainstem). Each patient's one CT
is given twice to process.py as a user would run it. A GTV lies inside PTV70 by definition, so what is drawn outside is
wrong; but PTV70 is larger than the GTV, so the figures bound where, not how well. Patients that are done, with the
same weights, are not done again.
"""

import argparse
import sys
from pathlib import Path

from model.installed import BUNDLED, sha256_of
from model.options import Parser, add_device, whole
from training.openkbp.folders import SPLITS, TABLE, Converted, find_converted, read_targets

EXAMPLES = ("python -m bench.real_patients CASES --split validation",)
EXITS = "0 done, 2 bad input, 130 stopped"


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = Parser(prog="python -m bench.real_patients", description=__doc__, examples=EXAMPLES, exits=EXITS)
    add = parser.add_argument
    add("cases", type=Path, metavar="CASES", help="folder of patients")
    add("--weights", type=Path, default=BUNDLED, help="weights file")
    add("--split", choices=SPLITS, help="of the table; all patients if not given")
    add("--limit", type=whole(1, 100_000), metavar="N", help="the first N patients alone")
    add_device(parser)
    add("--work", type=Path, default=Path("runs/real_patients"), help="links, masks and real_patients.json")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    parse_arguments(None)  # --help, and what makes no sense, before what takes seconds to load

import json
import subprocess
from collections.abc import Iterable
from dataclasses import asdict, dataclass

import numpy as np

from bench.runs import ROOT
from model.errors import InputError
from model.images.grid import volume_cm3
from model.images.read import read_labels, read_scan
from model.structures import LABELS
from model.terminal import STOPPED, log, report, stoppable, take_any_text
from model.writing import write_bytes
from training.openkbp.patient import ORGANS, TARGETS, at_nasopharynx_level

# More of GTVp outside PTV70 than a contour's edge explains; less inside than a primary that was found.
STRAY_CM3, FOUND_CM3 = 5.0, 1.0


@dataclass(frozen=True)
class Row:
    """What was drawn in one patient, in cm³: all, GTVp inside PTV70, GTVnd inside any PTV."""

    patient: str
    split: str
    nasopharynx_level: bool | None
    gtvp_cm3: float
    gtvp_in_ptv70_cm3: float
    gtvnd_cm3: float
    gtvnd_in_ptv_cm3: float


def main(arguments: list[str] | None = None) -> int:
    take_any_text()
    args = parse_arguments(arguments)
    try:
        patients = find_patients(args.cases, args.split)[: args.limit]
        write_pairs(args.work / "input", patients)
        with stoppable():
            segment(args.work, args.weights, args.device)
        rows = [measured(patient, args.work / "output" / f"{patient.name}.nii.gz") for patient in patients]
    except InputError as error:
        report(error)
        return 2
    except KeyboardInterrupt:
        log("stopped; the patients that are done stay")
        return STOPPED
    content = {
        "weights": str(args.weights),
        "weights_sha256": sha256_of(args.weights),
        "figures": figures(rows),
        "patients": [asdict(row) for row in rows],
    }
    write_bytes(args.work / "real_patients.json", (json.dumps(content, indent=1) + "\n").encode())
    print("\n".join(lines_of(figures(rows))))
    return 0


def find_patients(root: Path, split: str | None) -> list[Converted]:
    """By the table if there is one, else every folder with a CT and PTV70. Raises InputError where there is none."""
    if (root / TABLE).exists():
        patients = find_converted(root)
    else:
        folders = sorted(path.parent for path in root.glob("*/PTV70.nii.gz"))
        patients = [Converted(folder.name, "", folder, {}) for folder in folders]
    patients = [patient for patient in patients if split in (None, patient.split)]
    if not patients:
        raise InputError(
            root, "no patient with PTV70" + (f" of split {split}" if split else ""), "give others"
        )
    return patients


def write_pairs(folder: Path, patients: list[Converted]) -> None:
    """Links that give each CT twice; what was there of other patients goes."""
    names = {patient.name for patient in patients}
    for other in folder.glob("*/image*.nii.gz"):
        if other.parent.name not in names:
            other.unlink()
    for patient in patients:
        (folder / patient.name).mkdir(parents=True, exist_ok=True)
        for name in ("image", "image_contrast"):
            link = folder / patient.name / f"{name}.nii.gz"
            link.unlink(missing_ok=True)
            link.symlink_to((patient.folder / "image.nii.gz").resolve())


def segment(work: Path, weights: Path, device: str) -> None:
    """process.py in a process of its own, with nothing but its defaults. Raises InputError where it fails."""
    command = [sys.executable, str(ROOT / "process.py"), "--input", str(work / "input")]
    command += ["--output", str(work / "output"), "--layout", "folder", "--resume"]
    command += ["--weights", str(weights), "--device", device]
    if subprocess.run(command).returncode:
        raise InputError("process.py", "failed", "see above")


def measured(patient: Converted, result: Path) -> Row:
    """What is drawn in a patient, and where. Raises InputError."""
    _, targets, grid = read_targets(patient)
    labels = read_labels(result, grid, len(LABELS))
    any_target = np.logical_or.reduce([targets[name] for name in TARGETS])
    inside = np.where(targets[TARGETS[0]], labels == LABELS["GTVp"], False)
    in_any = np.where(any_target, labels == LABELS["GTVnd"], False)
    return Row(
        patient.name,
        patient.split,
        level_of(patient, targets[TARGETS[0]]),
        volume_cm3(labels, LABELS["GTVp"], grid),
        volume_cm3(inside, 1, grid),
        volume_cm3(labels, LABELS["GTVnd"], grid),
        volume_cm3(in_any, 1, grid),
    )


def level_of(patient: Converted, target: np.ndarray) -> bool | None:
    """Whether PTV70 reaches the nasopharynx: as the table says, else by geometry; None without a brainstem."""
    if said := patient.row.get("nasopharynx_level"):
        return said == "1"
    path = patient.folder / "organs.nii.gz"
    if not path.exists():
        return None
    scan = read_scan(patient.folder / "image.nii.gz")
    brainstem = read_labels(path, scan.grid, len(ORGANS)) == 1
    spacing_zyx = scan.grid.canonical_spacing_zyx
    return at_nasopharynx_level(target, brainstem, spacing_zyx) if brainstem.any() else None


def figures(rows: list[Row]) -> dict[str, float | int | None]:
    """Over all patients; a share is None where nothing was drawn at all."""
    level = [row for row in rows if row.nasopharynx_level]
    gtvp = [(row.gtvp_in_ptv70_cm3, row.gtvp_cm3) for row in rows]
    gtvnd = [(row.gtvnd_in_ptv_cm3, row.gtvnd_cm3) for row in rows]
    return {
        "patients": len(rows),
        "with GTVp": sum(row.gtvp_cm3 > 0 for row in rows),
        "with GTVnd": sum(row.gtvnd_cm3 > 0 for row in rows),
        "GTVp in all [cm3]": sum(row.gtvp_cm3 for row in rows),
        "GTVnd in all [cm3]": sum(row.gtvnd_cm3 for row in rows),
        "share of GTVp inside PTV70, pooled": pooled(gtvp),
        "share of GTVp inside PTV70, median of patients": median(gtvp),
        "share of GTVnd inside any PTV, pooled": pooled(gtvnd),
        "share of GTVnd inside any PTV, median of patients": median(gtvnd),
        "patients with stray GTVp": sum(row.gtvp_cm3 - row.gtvp_in_ptv70_cm3 > STRAY_CM3 for row in rows),
        "patients of nasopharynx level": len(level),
        "of these with GTVp in PTV70": sum(row.gtvp_in_ptv70_cm3 >= FOUND_CM3 for row in level),
    }


def pooled(volumes: Iterable[tuple[float, float]]) -> float | None:
    """Share of (part, all) by volume."""
    parts, wholes = np.sum(list(volumes), axis=0)
    return float(parts / wholes) if wholes else None


def median(volumes: Iterable[tuple[float, float]]) -> float | None:
    """Of the shares of (part, all), where there is anything."""
    shares = [part / whole for part, whole in volumes if whole]
    return float(np.median(shares)) if shares else None


def lines_of(values: dict[str, float | int | None]) -> list[str]:
    """The table, and what it does not say."""
    rows = []
    for name, value in values.items():
        shown = "-" if value is None else f"{value:.2f}" if isinstance(value, float) else str(value)
        rows.append(f"| {name} | {shown} |")
    return [
        "| figure | |",
        "|---|---|",
        *rows,
        f"Stray: more than {STRAY_CM3:g} cm³ outside PTV70; found in PTV70: at least {FOUND_CM3:g} cm³.",
        "PTVs bound where tumour may be, not how well it is drawn.",
    ]


if __name__ == "__main__":
    sys.exit(main())
