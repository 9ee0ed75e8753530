"""From what a data set looks like to spacing, patch, network, normalisation and batch, for a stated memory.

The rules are nnU-Net's in spirit (Isensee et al., Nature Methods 2021): the median spacing, a patch with the median
body's proportions as large as memory allows, pooling until an axis has 4 to 7 voxels left, coarse axes later.
All triples are (z, y, x).
"""

import json
from dataclasses import asdict, dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from model.documents import read_object
from model.errors import InputError
from model.network.bundle import Normalisation
from model.network.plan import Spacing, Triple, triple
from model.options import SPACING_MM
from model.writing import write_bytes
from training.data.plans import DataPlan, checked_plan
from training.data.survey import Survey

# An axis this much coarser than the finest is neither pooled nor convolved along.
ANISOTROPIC = 2.0
# Voxels that are left of an axis at the lowest resolution.
SMALLEST = 4
MOST_FEATURES = 320
# Over the sum of activations: nnU-Net's published plan for 11 GB then counts 9.5 GB.
MEMORY_FACTOR = 2.1
# Libraries and weights.
FIXED_GB = 0.5
REMEDY = "plan.json in the work folder shows the keys"


@dataclass(frozen=True)
class Fingerprint:
    """Medians over the cases: shape, spacing (mm); HU in tumours per channel as 0.5 %, 99.5 %, mean, std."""

    cases: int
    shape_zyx: Triple
    spacing_zyx: Spacing
    tumour_hu: tuple[tuple[float, float, float, float], ...]


def fingerprint(surveys: list[Survey]) -> Fingerprint:
    """Of cases without problems. Raises InputError where none has a tumour."""
    hu = np.concatenate([s.hu for s in surveys if s.hu is not None], axis=1).astype(np.float64)
    if not hu.size:
        raise InputError("training data", "no tumour in any case", "add cases with tumours")
    columns = []
    for channel in hu:
        low, high = np.percentile(channel, (0.5, 99.5))
        columns.append((float(low), float(high), float(channel.mean()), float(channel.std())))
    z, y, x = np.median([s.spacing_zyx for s in surveys], axis=0).tolist()
    return Fingerprint(
        len(surveys),
        triple(round(n) for n in np.median([s.shape_zyx for s in surveys], axis=0).tolist()),
        (z, y, x),
        tuple(columns),
    )


def plan_for(
    data: Fingerprint,
    memory_gb: float,
    base_features: int = 32,
    spacing_zyx: Spacing | None = None,
    number_bytes: int = 2,
) -> DataPlan:
    """The plan for a data set and the memory of the device that trains, in numbers of so many bytes.

    spacing_zyx replaces the median. Raises InputError where the memory is too small for any, or the median is no CT's.
    """
    spacing = spacing_zyx or data.spacing_zyx
    if not all(SPACING_MM[0] <= mm <= SPACING_MM[1] for mm in spacing):
        shown = ", ".join(f"{mm:g}" for mm in spacing)
        raise InputError(
            "training data", f"the median spacing is {shown} mm", "correct it, or give --spacing"
        )
    shape = [
        max(SMALLEST, round(n * s / t))
        for n, s, t in zip(data.shape_zyx, data.spacing_zyx, spacing, strict=True)
    ]
    # The largest share of the median shape that fits, all axes alike.
    for share in np.linspace(1, 0.02, 99):
        size = [max(SMALLEST, n * share) for n in shape]
        kernels, strides = topology(size, spacing)
        step = [prod(axis) for axis in zip(*strides, strict=True)]
        patch = [max(1, round(n / s)) * s for n, s in zip(size, step, strict=True)]
        features = tuple(min(MOST_FEATURES, base_features * 2**k) for k in range(len(strides)))
        plan = DataPlan(spacing, triple(patch), 2, features, kernels, strides, _normalisation(data))
        if training_gb(plan, number_bytes) <= memory_gb:
            return plan
    raise InputError(
        f"{memory_gb:g} GB", "too little memory to train in", "give more with --memory-gb or fewer features"
    )


def topology(patch: list[float], spacing: Spacing) -> tuple[tuple[Triple, ...], tuple[Triple, ...]]:
    """Kernels and strides per stage for about that patch, highest resolution first."""
    left, mm = list(patch), list(spacing)
    kernels: list[Triple] = []
    strides: list[Triple] = [(1, 1, 1)]
    while True:
        fine = min(mm)
        before = kernels[-1] if kernels else (1, 1, 1)
        kernels.append(
            triple([3 if k == 3 or s <= ANISOTROPIC * fine else 1 for k, s in zip(before, mm, strict=True)])
        )
        pooled = [s <= ANISOTROPIC * fine and n >= 2 * SMALLEST - 1 for n, s in zip(left, mm, strict=True)]
        # Where the finest axes are small already, the coarser ones may still go on.
        if not any(pooled):
            pooled = [n >= 2 * SMALLEST - 1 for n in left]
        if not any(pooled):
            return tuple(kernels), tuple(strides)
        stride = triple([2 if p else 1 for p in pooled])
        strides.append(stride)
        left = [n / s for n, s in zip(left, stride, strict=True)]
        mm = [m * s for m, s in zip(mm, stride, strict=True)]


def training_gb(plan: DataPlan, number_bytes: int = 2) -> float:
    """Estimated peak memory of training in GB, from the batch's activations.

    The factor makes nnU-Net's plan for 11 GB fit 11 GB; on a CPU, in float32, the plan of the bundled weights takes
    1.8 GB, for which it gives 1.7. No GPU's memory was measured.
    """
    voxels, elements = float(prod(plan.patch_zyx)), 0.0
    last = len(plan.features) - 1
    for level, (features, stride) in enumerate(zip(plan.features, plan.strides, strict=True)):
        voxels /= prod(stride)
        # Two convolutions on the way down, each kept before and after its norm,
        elements += 4 * features * voxels
        if level < last:
            # and on the way up the concatenation and two convolutions.
            elements += (2 + 4) * features * voxels
    return FIXED_GB + MEMORY_FACTOR * number_bytes * plan.batch * elements / 1e9


def write_plan(plan: DataPlan, path: Path) -> None:
    """As readable JSON."""
    lines = (f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in asdict(plan).items())
    write_bytes(path, ("{\n" + ",\n".join(lines) + "\n}\n").encode())


def read_plan(path: Path) -> DataPlan:
    """A plan from a JSON file with all keys. Raises InputError for what makes no sense."""
    return _plan_from(path, {})


def override(plan: DataPlan, path: Path) -> DataPlan:
    """The plan with what a JSON file of some of the keys says instead. Raises InputError for what makes no sense."""
    return _plan_from(path, asdict(plan))


def _plan_from(path: Path, defaults: dict[str, Any]) -> DataPlan:
    content = read_object(path, REMEDY)
    try:
        return checked_plan(defaults | content)
    except ValueError as error:
        raise InputError(path, str(error), REMEDY) from None


def _normalisation(data: Fingerprint) -> tuple[Normalisation, ...]:
    """HU clipped to where tumours are, then centred and scaled by their mean and deviation, per channel."""
    return tuple(Normalisation(low, high, mean, max(std, 1.0)) for low, high, mean, std in data.tumour_hu)
