"""From what a data set looks like to spacing, patch, network, batch and normalisation, for a stated memory.

The rules are nnU-Net's in spirit (Isensee et al., Nature Methods 2021): the median spacing, but the finest tenth's of
an axis that is much coarser than the others; a patch with the median body's proportions as large as memory allows;
pooling until an axis has 4 to 7 voxels left, coarse axes later; a batch that takes the memory left. All triples are
(z, y, x).
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
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
from training.data.memory import training_gb
from training.data.plans import MOST_BATCH, DataPlan, checked_plan
from training.data.survey import Survey

# An axis this much coarser than the finest is neither pooled nor convolved along.
ANISOTROPIC = 2.0
# An axis this much coarser than both others, and with this much fewer voxels, takes the finest tenth's spacing.
COARSE = 3.0
FINEST_PERCENT = 10
# Voxels that are left of an axis at the lowest resolution, where its length allows; never fewer than 3, as oneDNN's
# weight gradients in bfloat16 are wrong for what is 2 deep (training/run/precision.py).
SMALLEST = 4
MOST_FEATURES = 320
# Patches in a batch, where the memory allows; more only up to this share of the data set's voxels.
LEAST_BATCH = 2
MOST_OF_DATA = 0.05
REMEDY = "plan.json in the work folder shows the keys"


@dataclass(frozen=True)
class Fingerprint:
    """Of all cases: the spacing to train with (mm) and the rule it follows; the median and the largest body's box (mm).

    HU in tumours are per channel 0.5 %, 99.5 %, mean, std.
    """

    cases: int
    spacing_zyx: Spacing
    rule: str
    body_mm: Spacing
    largest_mm: Spacing
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
    spacings = np.array([s.spacing_zyx for s in surveys])
    bodies = np.array([s.body_zyx for s in surveys]) * spacings
    spacing, rule = spacing_by_rule(spacings, np.array([s.shape_zyx for s in surveys]))
    return Fingerprint(
        len(surveys),
        spacing,
        rule,
        _three(np.median(bodies, axis=0)),
        _three(bodies.max(axis=0)),
        tuple(columns),
    )


def spacing_by_rule(spacings: np.ndarray, shapes: np.ndarray) -> tuple[Spacing, str]:
    """nnU-Net's: the median over the cases' spacings and shapes (cases, 3), and in words which part of it held.

    Where one axis is much coarser than the others and has far fewer voxels, resampling thin slices to the median would
    lose what is small: that axis takes its 10th percentile, though no less than the others' spacing.
    """
    spacing, shape = np.median(spacings, axis=0), np.median(shapes, axis=0)
    worst = int(spacing.argmax())
    others = np.delete(spacing, worst).max()
    if spacing[worst] > COARSE * others and COARSE * shape[worst] < np.delete(shape, worst).min():
        spacing[worst] = max(others, np.percentile(spacings[:, worst], FINEST_PERCENT))
        name = "zyx"[worst]
        return _three(
            spacing
        ), f"the median, along {name}, which is coarse, the {FINEST_PERCENT}th percentile"
    return _three(spacing), "the median"


def plan_for(
    data: Fingerprint,
    memory_gb: float,
    base_features: int = 32,
    spacing_zyx: Spacing | None = None,
    number_bytes: int = 2,
    *,
    residual: bool = False,
) -> DataPlan:
    """The plan for a data set and the memory of the device that trains, in numbers of so many bytes.

    spacing_zyx replaces the data's. Raises InputError where the memory is too small for any, or the spacing is no CT's.
    """
    spacing = spacing_zyx or data.spacing_zyx
    if not all(SPACING_MM[0] <= mm <= SPACING_MM[1] for mm in spacing):
        shown = ", ".join(f"{mm:g}" for mm in spacing)
        raise InputError(
            "training data", f"the median spacing is {shown} mm", "correct it, or give --spacing"
        )
    body, largest = (
        [max(SMALLEST, round(n / mm)) for n, mm in zip(box, spacing, strict=True)]
        for box in (data.body_mm, data.largest_mm)
    )
    if len(topology(list(map(float, body)), spacing)[1]) < 2:
        fact = f"the median body is {_by(body)} voxels of {_by(spacing)} mm"
        raise InputError("training data", fact, "give a finer --spacing")
    for batch in range(LEAST_BATCH, 0, -1):
        # The largest share of the median body that fits, all axes alike.
        for share in np.linspace(1, 0.02, 99):
            size = [max(SMALLEST, n * share) for n in body]
            kernels, strides = topology(size, spacing)
            if len(strides) < 2:  # no network
                break
            plan = DataPlan(
                spacing,
                patch_near(size, largest, strides),
                batch,
                tuple(min(MOST_FEATURES, base_features * 2**k) for k in range(len(strides))),
                kernels,
                strides,
                _normalisation(data),
                residual,
            )
            if training_gb(plan, number_bytes) <= memory_gb:
                return _filled(plan, data.cases * prod(body), memory_gb, number_bytes)
    raise InputError(
        f"{memory_gb:g} GB", "too little memory to train in", "give more with --memory-gb or fewer features"
    )


def patch_near(size: list[float], largest: list[int], strides: tuple[Triple, ...]) -> Triple:
    """The multiple of the strides next to a size along each axis, the one below where no body is as large."""
    patch = []
    for n, most, stride in zip(size, largest, zip(*strides, strict=True), strict=True):
        step = prod(stride)
        steps = max(1, round(n / step))
        patch.append(step * (steps if steps * step <= most or steps == 1 else steps - 1))
    return triple(patch)


def _filled(plan: DataPlan, voxels: int, memory_gb: float, number_bytes: int) -> DataPlan:
    """With as many patches as the memory has room for, up to a share of the data set's voxels."""
    most = min(MOST_BATCH, round(MOST_OF_DATA * voxels / prod(plan.patch_zyx)))
    for batch in range(plan.batch + 1, most + 1):
        larger = replace(plan, batch=batch)
        if training_gb(larger, number_bytes) > memory_gb:
            break
        plan = larger
    return plan


def with_larger_patches(
    plan: DataPlan, growth: Spacing, largest_zyx: Triple, memory_gb: float | None = None
) -> DataPlan:
    """The plan with each side of the patch up to so many times as long, and as large a batch as memory allows.

    Sides are multiples of the strides, and not longer than those of the largest case (voxels). Without memory_gb it may
    take as much memory as the plan does. Raises InputError where no side becomes longer, or not even one such patch
    fits.
    """
    patch = []
    for side, factor, most, step in zip(
        plan.patch_zyx, growth, largest_zyx, plan.network.total_stride_zyx, strict=True
    ):
        patch.append(max(side, step * int(min(side * factor, most) / step + 1e-9)))
    if patch == list(plan.patch_zyx):
        fact = f"patches of {_by(patch)} voxels cannot become larger by that little, or are as large as the cases"
        raise InputError("late_growth", fact, "give more, or leave late_share out")
    allowed = max(training_gb(plan), memory_gb or 0.0)
    for batch in range(plan.batch, 0, -1):
        larger = replace(plan, patch_zyx=triple(patch), batch=batch)
        if training_gb(larger) <= allowed:
            return larger
    fact = f"one patch of {_by(patch)} voxels takes {training_gb(larger):.1f} GB, of {allowed:.1f} GB"
    raise InputError("late_growth", fact, "give less, more --memory-gb, or a plan with a larger batch")


def explained(plan: DataPlan, data: Fingerprint, memory_gb: float, number_bytes: int) -> list[str]:
    """Why the plan for a data set is as it is, line by line."""
    rule = data.rule if plan.spacing_zyx == data.spacing_zyx else "as --spacing says"
    body = [round(n / mm) for n, mm in zip(data.body_mm, plan.spacing_zyx, strict=True)]
    batch = f"batch of {plan.batch}"
    if plan.batch < LEAST_BATCH:
        batch += f": the memory is too small for {LEAST_BATCH}, which train better"
    return [
        f"spacing (z, y, x) {_by(plan.spacing_zyx)} mm: {rule}",
        f"patch {_by(plan.patch_zyx)} voxels of a median body of {_by(body)}, {batch}",
        f"about {training_gb(plan, number_bytes):.1f} GB of {memory_gb:.1f} GB",
    ]


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


def _three(values: np.ndarray) -> Spacing:
    z, y, x = (float(value) for value in values)
    return (z, y, x)


def _by(values: Sequence[float]) -> str:
    return " x ".join(f"{n:.4g}" for n in values)
