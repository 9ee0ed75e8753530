"""A trained-model folder of either version."""

from pathlib import Path

from model.errors import LONGEST_REASON, InputError, reason
from model.importing.model import Model
from model.importing.v1 import read_v1
from model.importing.v2 import read_v2


def read_model(folder: Path, folds: list[str], checkpoint: str, trainer: str | None = None) -> Model:
    """A v2 or v1 folder. trainer: the known one whose network and mirrors the model's own has, if that is not known.

    Raises InputError where it is neither, unsupported or unreadable, in a short line whatever stands in its files.
    """
    try:
        if (folder / "plans.json").exists():
            return read_v2(folder, folds, checkpoint, trainer)
        if (folder / "plans.pkl").exists():
            return read_v1(folder, folds, trainer)
    except InputError as error:
        raise InputError(error.where, error.fact[: 2 * LONGEST_REASON], error.remedy) from None
    except Exception as error:  # whatever plans may hold; what they must hold is checked where it is used
        fact = f"not a complete nnU-Net model ({type(error).__name__}: {reason(error)})"
        raise InputError(folder, fact, "give a trained-model folder") from None
    raise InputError(
        folder, "neither plans.json (nnU-Net v2) nor plans.pkl (v1) in it", "give a trained-model folder"
    )
