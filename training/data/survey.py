"""What a data set holds: every case read wholly, so that whatever is wrong with it shows before training."""

from dataclasses import dataclass

import numpy as np

from model.errors import InputError
from model.preprocessing.gtvseg import find_region
from model.structures import LABELS
from training.data.sources import IGNORED, TrainingCase, read_training_case

# Tumour voxels kept per case and channel for the statistics.
SAMPLES = 2000
# At most this share of the tumour may lie outside the body, which is what training sees.
LOST = 0.01


@dataclass(frozen=True)
class Survey:
    """What one case holds: shape and spacing (z, y, x; mm), volumes in cm³ by structure, HU of tumour voxels.

    body_zyx: voxels of the body's box. hu is int16 (2, n), without and with contrast. problem is empty, or says why the
    case cannot be used; warnings say what is strange about it.
    """

    name: str
    shape_zyx: tuple[int, ...] = ()
    spacing_zyx: tuple[float, ...] = ()
    cm3: tuple[float, ...] = ()
    hu: np.ndarray | None = None
    body_zyx: tuple[int, ...] = ()
    problem: str = ""
    warnings: tuple[str, ...] = ()


def survey_case(case: TrainingCase) -> Survey:
    """Read a case wholly, so that whatever is wrong with it shows before training."""
    messages: list[str] = []
    try:
        pair, label = read_training_case(case, messages.append)
        drawn = (label > 0) & (label != IGNORED)
        # Nobody marks what is not to be counted in a case whose contours were forgotten.
        if not label.any():
            raise InputError(next(iter(case.labels.values())), "no tumour", "leave the case out")
        region = find_region(pair, pair.spacing_zyx)
        if region is None:
            raise InputError(case.ct, "nothing denser than air", "leave the case out")
        whole = np.count_nonzero(drawn)
        lost = whole - np.count_nonzero(drawn[region.box])
        if lost > LOST * whole:
            fact = f"{lost / whole:.0%} of the tumour lies outside the body"
            raise InputError(case.ct, fact, "correct its contours")
    except InputError as error:
        return Survey(case.name, problem=str(error))
    tumour = np.flatnonzero(drawn)
    kept = tumour[:: max(1, len(tumour) // SAMPLES)]
    voxel_cm3 = float(np.prod(pair.spacing_zyx)) / 1000
    warnings = [line for line in messages if line.startswith("warning")]
    if ignored := _cm3(label == IGNORED, voxel_cm3):
        warnings.append(f"{ignored:.3g} cm³ are not counted")
    return Survey(
        case.name,
        pair.ct.shape,
        pair.spacing_zyx,
        tuple(_cm3(label == value, voxel_cm3) for value in LABELS.values()),
        np.stack([np.asarray(array).reshape(-1)[kept] for array in (pair.ct, pair.ce)]),
        region.network_shape,
        warnings=tuple(warnings),
    )


def _cm3(mask: np.ndarray, voxel_cm3: float) -> float:
    return np.count_nonzero(mask) * voxel_cm3


def survey_table(surveys: list[Survey]) -> str:
    """One line per case, what it holds or what is wrong, and one for each warning."""
    width = max(len(s.name) for s in surveys)
    head = "".join(f"{name + ' cm³':>12}" for name in LABELS)
    lines = [f"{'case':{width}}{'voxels (x, y, z)':>20}{'spacing [mm]':>20}{head}"]
    for s in surveys:
        if s.problem:
            lines.append(f"{s.name:{width}}  {s.problem}")
            continue
        shape = " x ".join(str(n) for n in reversed(s.shape_zyx))
        spacing = " x ".join(f"{mm:.3g}" for mm in reversed(s.spacing_zyx))
        lines.append(f"{s.name:{width}}{shape:>20}{spacing:>20}" + "".join(f"{v:>12.1f}" for v in s.cm3))
        lines += [f"{s.name:{width}}  {warning}" for warning in s.warnings]
    return "\n".join(lines)
