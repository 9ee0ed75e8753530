"""A trained-model folder of either version."""

from pathlib import Path

from model.errors import InputError
from model.importing.model import Model
from model.importing.v1 import read_v1
from model.importing.v2 import read_v2


def read_model(folder: Path, folds: list[str], checkpoint: str) -> Model:
    """A v2 or v1 folder. Raises InputError where it is neither, unsupported or unreadable."""
    if (folder / "plans.json").is_file():
        return read_v2(folder, folds, checkpoint)
    if (folder / "plans.pkl").is_file():
        return read_v1(folder, folds)
    raise InputError(
        folder, "neither plans.json (nnU-Net v2) nor plans.pkl (v1) in it", "give a trained-model folder"
    )
