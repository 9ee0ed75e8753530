"""Compares the organs of N phantoms with those of real patients.

    python -m bench.phantom_organs ORGANS_CSV [--cases 16] [--seed 0]

ORGANS_CSV has one row per patient and organ: case, organ, volume_cm3, the centre dx_mm, dy_mm, dz_mm relative
to the brainstem's centre (x right to left, y front to back, z feet to head) and extent_z_mm. An organ passes
when its median volume is within 30 % and its median centre within 10 mm. Lungs and spinal cord are cut off
by the field of view, in the table as here, so neither their volumes nor their heights compare: of the cord
the cross-section is compared (30 %), of the lungs the distance from the midline (10 mm). Some phantoms'
brains are cut off at the top, as some scans are, and count as they are. Organs that only one patient has
are shown but do not decide the exit code.
"""

import argparse
import sys
from pathlib import Path

from model.options import LARGEST_SEED, Parser, whole

EXAMPLES = ("python -m bench.phantom_organs ORGANS.csv",)
EXITS = "0 done, 1 an organ is out of its tolerance, 2 bad options"


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = Parser(
        prog="python -m bench.phantom_organs", description=__doc__, examples=EXAMPLES, exits=EXITS
    )
    add = parser.add_argument
    add("organs_csv", type=Path, help="table of real patients' organs")
    add("--cases", type=whole(1, 1000), default=16, help="phantoms")
    add("--seed", type=whole(0, LARGEST_SEED), default=0, help="of phantoms")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    parse_arguments(None)  # --help, and what makes no sense, before what takes seconds to load

import csv
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from phantom import organ_sums

VOLUME_TOLERANCE, CENTRE_TOLERANCE_MM = 0.30, 10.0

# Phantom's name -> names in the table; the first group decides, the second is informative.
Names = dict[str, tuple[str, ...]]
DECIDING: Names = {
    "Brain": ("Brain",),
    "Brainstem": ("Brainstem",),
    "Mandible": ("Mandible",),
    "Eye_L": ("Orbit-Lt", "Orbit_Lt"),
    "Eye_R": ("Orbit-Rt", "Orbit_Rt"),
    "Lens_L": ("Lens-Lt", "Lens_Lt"),
    "Lens_R": ("Lens-Rt", "Lens_Rt"),
    "Lacrimal_L": ("Lacrimal-Lt", "Lacrimal_Lt"),
    "Lacrimal_R": ("Lacrimal-Rt", "Lacrimal_Rt"),
    "OpticNerve_L": ("Optic-Nerve-Lt", "Optic_Nerve_Lt"),
    "OpticNerve_R": ("Optic-Nerve-Rt", "Optic_Nerve_Rt"),
    "Parotid_L": ("Parotid-Lt", "Parotid_Lt"),
    "Parotid_R": ("Parotid-Rt", "Parotid_Rt"),
    "Submandibular_L": ("Submandibular-Lt", "Submandibular_Lt"),
    "Submandibular_R": ("Submandibular-Rt", "Submandibular_Rt"),
}
INFORMATIVE: Names = {"Thyroid": ("Thyroid",)}
LUNGS: Names = {"Lung_L": ("Lung-Lt", "Lung_Lt"), "Lung_R": ("Lung-Rt", "Lung_Rt")}
CORD: Names = {"SpinalCord": ("Spinal-Cord", "Spinal_Cord")}


@dataclass(frozen=True)
class Row:
    """One organ's medians: volume (cm3) and centre (x, y, z; mm) in patients and in phantoms."""

    organ: str
    real_cm3: float
    phantom_cm3: float
    real_mm: NDArray[np.float64]
    phantom_mm: NDArray[np.float64]

    @property
    def ratio(self) -> float:
        return self.phantom_cm3 / self.real_cm3

    @property
    def shift_mm(self) -> float:
        return float(np.linalg.norm(self.phantom_mm - self.real_mm))

    @property
    def passes(self) -> bool:
        return abs(self.ratio - 1) <= VOLUME_TOLERANCE and self.shift_mm <= CENTRE_TOLERANCE_MM


def read_table(path: Path) -> dict[str, NDArray[np.float64]]:
    """Rows (volume cm3, dx, dy, dz mm, mean cross-section mm2) of each organ."""
    columns = ("volume_cm3", "dx_mm", "dy_mm", "dz_mm")
    table: dict[str, list[list[float]]] = {}
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            values = [float(row[column]) for column in columns]
            area = values[0] * 1000 / float(row["extent_z_mm"])
            table.setdefault(row["organ"], []).append([*values, area])
    return {organ: np.array(rows) for organ, rows in table.items()}


def measure_phantoms(cases: int, seed: int) -> dict[str, NDArray[np.float64]]:
    """Rows as in `read_table`, of the phantoms, relative to their own brainstem."""
    rows: dict[str, list[list[float]]] = {}
    for k in range(cases):
        organs = organ_sums(seed, k, "small")
        stem = organs["Brainstem"].centre_mm
        for name, organ in organs.items():
            if organ.slices:
                rows.setdefault(name, []).append(
                    [organ.volume_cm3, *(organ.centre_mm - stem), organ.area_mm2]
                )
    return {name: np.array(values) for name, values in rows.items()}


def medians(
    names: Names, table: dict[str, NDArray[np.float64]], phantoms: dict[str, NDArray[np.float64]]
) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Median rows of the real and of the phantoms' organs, by the phantoms' names."""
    pairs = {}
    for name, aliases in names.items():
        real = np.concatenate([table[alias] for alias in aliases if alias in table])
        pairs[name] = np.median(real, axis=0), np.median(phantoms[name], axis=0)
    return pairs


def print_rows(title: str, rows: list[Row]) -> None:
    """A table of medians."""
    print(f"\n{title}")
    print(
        f"{'organ':<16}{'real cm3':>9}{'phantom':>9}{'ratio':>7}   {'real centre':<19}{'phantom':<19}shift mm"
    )
    for row in rows:
        real, made = (
            "(" + ", ".join(f"{v:4.0f}" for v in centre) + ")" for centre in (row.real_mm, row.phantom_mm)
        )
        volumes = f"{row.real_cm3:>9.2f}{row.phantom_cm3:>9.2f}{row.ratio:>7.2f}"
        print(
            f"{row.organ:<16}{volumes}   {real:<19}{made:<19}{row.shift_mm:>8.1f}  {verdict(passes=row.passes)}"
        )


def verdict(*, passes: bool) -> str:
    """How a row ends."""
    return "ok" if passes else "OUT"


def compare_cut_organs(
    table: dict[str, NDArray[np.float64]], phantoms: dict[str, NDArray[np.float64]]
) -> bool:
    """Print what is comparable of the organs that the field of view cuts; whether all pass."""
    print("\nCut off by the field of view; decides")
    real, made = medians(CORD, table, phantoms)["SpinalCord"]
    results = [abs(made[4] / real[4] - 1) <= VOLUME_TOLERANCE]
    print(
        f"{'SpinalCord':<16}cross-section {real[4]:.0f} mm2, phantom {made[4]:.0f} mm2  {verdict(passes=results[0])}"
    )
    for name, (real, made) in medians(LUNGS, table, phantoms).items():
        results.append(abs(made[1] - real[1]) <= CENTRE_TOLERANCE_MM)
        print(f"{name:<16}sideways {real[1]:.0f} mm, phantom {made[1]:.0f} mm  {verdict(passes=results[-1])}")
    return all(results)


def main(arguments: list[str] | None = None) -> int:
    """Print the tables; 1 if a deciding organ is out of tolerance."""
    options = parse_arguments(arguments)
    if not options.organs_csv.is_file():
        print(f"{options.organs_csv}: no such table; skipped (see this file's head for the columns it needs)")
        return 0
    table = read_table(options.organs_csv)
    phantoms = measure_phantoms(options.cases, options.seed)
    deciding, single = (
        [Row(name, real[0], made[0], real[1:4], made[1:4]) for name, (real, made) in pairs.items()]
        for pairs in (medians(DECIDING, table, phantoms), medians(INFORMATIVE, table, phantoms))
    )
    print_rows(f"Medians over {options.cases} phantoms; decides", deciding)
    cut_organs_pass = compare_cut_organs(table, phantoms)
    print_rows("One patient only; for information", single)
    return 0 if cut_organs_pass and all(row.passes for row in deciding) else 1


if __name__ == "__main__":
    sys.exit(main())
