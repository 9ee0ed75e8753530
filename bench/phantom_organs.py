"""Compares the organs of N phantoms with those of real patients.

    python bench/phantom_organs.py ORGANS_CSV [--cases 12] [--seed 0]

ORGANS_CSV has one row per patient and organ: case, organ, volume_cm3 and the centre dx_mm, dy_mm, dz_mm
relative to the brainstem's centre (x right to left, y front to back, z feet to head). An organ passes when its
median volume is within 30 % and its median centre within 10 mm. Lungs and spinal cord are cut off by the field
of view, in the table as here: of the lungs only the sideways position is compared, of the cord the
cross-section. Organs that only one patient has are shown but do not decide the exit code.
"""

import argparse
import csv
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from phantom import organ_sums

VOLUME_TOLERANCE, CENTRE_TOLERANCE_MM = 0.30, 10.0

# Phantom's name -> names in the table; the first group decides, the second is informative.
DECIDING = {
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
INFORMATIVE = {"Thyroid": ("Thyroid",)}
LUNGS = {"Lung_L": ("Lung-Lt", "Lung_Lt"), "Lung_R": ("Lung-Rt", "Lung_Rt")}
CORD = ("Spinal-Cord", "Spinal_Cord")


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
    """Rows (volume, dx, dy, dz, vertical extent) of each organ."""
    columns = ("volume_cm3", "dx_mm", "dy_mm", "dz_mm", "extent_z_mm")
    table: dict[str, list[list[float]]] = {}
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            table.setdefault(row["organ"], []).append([float(row[column]) for column in columns])
    return {organ: np.array(rows) for organ, rows in table.items()}


def measure_phantoms(cases: int, seed: int) -> dict[str, NDArray[np.float64]]:
    """Rows (volume, dx, dy, dz) of each organ over the phantoms, relative to the phantom's brainstem."""
    rows: dict[str, list[list[float]]] = {}
    for k in range(cases):
        organs = organ_sums(np.random.SeedSequence((seed, k)), "small")
        stem = organs["Brainstem"].centre_mm
        for name, organ in organs.items():
            if organ.volume_cm3 > 0:
                rows.setdefault(name, []).append([organ.volume_cm3, *(organ.centre_mm - stem)])
    return {name: np.array(values) for name, values in rows.items()}


def compare(
    names: dict[str, tuple[str, ...]],
    table: dict[str, NDArray[np.float64]],
    phantoms: dict[str, NDArray[np.float64]],
) -> list[Row]:
    """Medians side by side."""
    rows = []
    for name, aliases in names.items():
        real = np.median(np.concatenate([table[alias] for alias in aliases if alias in table]), axis=0)
        made = np.median(phantoms[name], axis=0)
        rows.append(Row(name, real[0], made[0], real[1:4], made[1:4]))
    return rows


def cord_areas_mm2(table: dict[str, NDArray[np.float64]], cases: int, seed: int) -> tuple[float, float]:
    """Median cross-section of the cord (volume by vertical extent), in patients and in phantoms."""
    real = np.concatenate([table[name] for name in CORD if name in table])
    made = []
    for k in range(cases):
        cord = organ_sums(np.random.SeedSequence((seed, k)), "small")["SpinalCord"]
        made.append(cord.volume_cm3 * 1000 / cord.height_mm)
    return float(np.median(real[:, 0] * 1000 / real[:, 4])), float(np.median(made))


def print_rows(title: str, rows: list[Row]) -> None:
    """A table of medians."""
    print(f"\n{title}\n{'organ':<16}{'real cm3':>10}{'phantom':>10}{'ratio':>7}   real centre        phantom centre     shift mm")
    for row in rows:
        real, made = ("(" + ", ".join(f"{v:4.0f}" for v in centre) + ")" for centre in (row.real_mm, row.phantom_mm))
        verdict = "ok" if row.passes else "OUT"
        print(f"{row.organ:<16}{row.real_cm3:>10.2f}{row.phantom_cm3:>10.2f}{row.ratio:>7.2f}   {real:<18} {made:<18} {row.shift_mm:>6.1f}  {verdict}")


def main() -> int:
    """Print the tables; 1 if a deciding organ is out of tolerance."""
    parser = argparse.ArgumentParser(description="Compare the phantoms' organs with those of real patients.")
    parser.add_argument("organs_csv", type=Path)
    parser.add_argument("--cases", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if not options.organs_csv.is_file():
        print(f"{options.organs_csv}: no such table; skipped (see this file's head for the columns it needs)")
        return 0
    table = read_table(options.organs_csv)
    phantoms = measure_phantoms(options.cases, options.seed)
    deciding = compare(DECIDING, table, phantoms)
    print_rows(f"Medians over {options.cases} phantoms; decides", deciding)
    print_rows("One patient only; for information", compare(INFORMATIVE, table, phantoms))
    return 0 if all(row.passes for row in deciding) else 1


if __name__ == "__main__":
    sys.exit(main())
