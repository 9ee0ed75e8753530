"""What a run changes patches by, where it takes them from and what it minimises, from a JSON file, checked by value.

    {"augmentation": {"rotation": 0.3, "scales": [0.8, 1.25]}, "sampling": {"foreground_share": 0.33}}

All parts are optional, and so is each of their keys: the fields of Augmentation, Sampling and, as "loss", LossPlan.
"""

from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from model.documents import read_object
from model.errors import InputError
from model.network.plain import quoted
from training.data.augment import Augmentation
from training.data.patches import Sampling
from training.data.plans import LONGEST_SIDE, Reader, real, three_of
from training.run.loss import LOWER_TARGETS, PUBLISHED, LossPlan

REMEDY = "training/data/augment.py, patches.py and training/run/loss.py list the keys"

PARTS = ("augmentation", "sampling", "loss")


@dataclass(frozen=True)
class Recipe:
    """What a recipe file says; without one, the defaults."""

    augmentation: Augmentation = Augmentation()
    sampling: Sampling = Sampling()
    loss: LossPlan = LossPlan()

    @property
    def changed(self) -> dict[str, dict[str, Any]]:
        """What is not the default, as plain values."""
        parts = {}
        for name in PARTS:
            part = getattr(self, name)
            usual = asdict(type(part)())
            values = {k: _plain(v) for k, v in asdict(part).items() if v != usual[k]}
            if values:
                parts[name] = values
        return parts


def read_recipe(path: Path, loss: LossPlan = PUBLISHED) -> Recipe:
    """From a JSON file; loss: what holds where the file says nothing.

    Raises InputError, with the key, for what makes no sense.
    """
    try:
        return checked_recipe(read_object(path, REMEDY), loss)
    except ValueError as error:
        raise InputError(path, str(error), REMEDY) from None


def checked_recipe(content: dict[str, Any], loss: LossPlan = PUBLISHED) -> Recipe:
    """From plain values. Raises ValueError, with the key, for any that makes no sense."""
    _refuse_unknown(content, set(PARTS), "")
    sampling = Sampling(**_checked(content, "sampling", Sampling))
    if sampling.foreground_share + sampling.tumour_free_share > 1:
        raise ValueError("sampling has foreground_share and tumour_free_share that together exceed 1")
    loss = replace(loss, **_checked(content, "loss", LossPlan))
    if not loss.alpha + loss.beta:
        raise ValueError("loss has alpha and beta that are both 0")
    return Recipe(Augmentation(**_checked(content, "augmentation", Augmentation)), sampling, loss)


def _checked(content: dict[str, Any], part: str, kind: type) -> dict[str, Any]:
    readers = LOSS_READERS if kind is LossPlan else READERS
    values = content.get(part, {})
    if not isinstance(values, dict):
        raise ValueError(f"{part} is {quoted(values)}, not an object")
    _refuse_unknown(values, {field.name for field in fields(kind)}, f" in {part}")
    return {key: readers[key](value, f"{part} ({key})") for key, value in values.items()}


def _refuse_unknown(content: dict[str, Any], known: set[str], where: str) -> None:
    unknown = sorted(content.keys() - known)
    if unknown:
        raise ValueError(f"no such key{where}: {unknown[0]:.40}")


def _two_of(read: Reader, what: str) -> Reader:
    def read_two(value: Any, key: str) -> tuple[Any, Any]:
        if not isinstance(value, (list, tuple)) or len(value) != 2:
            raise ValueError(f"{key} is {quoted(value)}, not two numbers ({what})")
        first, second = (read(item, key) for item in value)
        return (first, second)

    return read_two


def _range(least: float, most: float) -> Reader:
    def read(value: Any, key: str) -> tuple[float, float]:
        low, high = _two_of(real(least, most), "from, to")(value, key)
        if low > high:
            raise ValueError(f"{key} goes from {low:g} to {high:g}")
        return (low, high)

    return read


def _yes_or_no(value: Any, key: str) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{key} is {quoted(value)}, expected true or false")
    return value


def _one_of(names: tuple[str, ...]) -> Reader:
    def read(value: Any, key: str) -> str:
        if value not in names:
            raise ValueError(f"{key} is {quoted(value)}, expected {', '.join(names[:-1])} or {names[-1]}")
        return str(value)

    return read


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


_share = real(0, 1)
_chance = _two_of(_share, "of a sample, of each of its channels")
READERS: dict[str, Reader] = {
    "rotation": _share,
    "degrees": real(0, 180),
    "tilt_degrees": real(0, 180),
    "anisotropic_from": real(1, LONGEST_SIDE),
    "anisotropic_degrees": real(0, 180),
    "scaling": _share,
    "scales": _range(0.25, 4),  # a source of at most four times the patch's sides
    "mirror": _share,
    "noise": _chance,
    "noise_deviation": _range(0, 10),
    "blur": _chance,
    "blur_sigma": _range(0.1, 3),
    "through_plane": _yes_or_no,
    "brightness": _chance,
    "brightness_factor": _range(0, 10),
    "brightness_shift": _range(-10, 10),
    "contrast": _chance,
    "contrast_factor": _range(0, 10),
    "contrast_keeps_range": _yes_or_no,
    "low_resolution": _chance,
    "low_resolution_factor": _range(0.05, 1),
    "gamma_inverted": _chance,
    "gamma": _chance,
    "gamma_exponent": _range(0.1, 10),
    "gamma_keeps_statistics": _yes_or_no,
    "no_contrast": _share,
    "foreground_share": _share,
    "tumour_free_share": _share,
    "jitter": real(0, 0.5),
    "late_share": _share,
    "late_growth": three_of(real(1, 4)),
}
LOSS_READERS: dict[str, Reader] = {
    "alpha": real(0, 10),
    "beta": real(0, 10),
    "gamma": real(0, 10),
    "smooth": real(0, 1e6),
    "absent": real(0, 1e6),
    "focal_weight": real(0, 1000),
    "background": _yes_or_no,
    "lower_target": _one_of(LOWER_TARGETS),
}
