"""Reading pickles that other programs wrote, as data: plain values, numpy and torch arrays, and nothing else."""

import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from model.errors import LONGEST_REASON, InputError, reason


def _known_as(function: Any, module: str, name: str) -> Any:
    """The function under the name by which pickles ask for it, which changed with numpy 2."""

    def call(*args: Any) -> Any:
        return function(*args)

    call.__module__, call.__name__, call.__qualname__ = module, name, name
    return call


_NUMPY: dict[str, Any] = {
    f"{module}.{name}": _known_as(function, module, name)
    for module in ("numpy.core.multiarray", "numpy._core.multiarray")
    for name, function in (
        ("scalar", np.float64(0).__reduce__()[0]),
        ("_reconstruct", np.zeros(0).__reduce__()[0]),
    )
}
_NUMPY |= {"numpy.ndarray": np.ndarray, "numpy.dtype": np.dtype}
_DTYPES = [type(np.dtype(code)) for code in "?bBhHiIlLqQefdU"]
_PLAIN: dict[str, Any] = _NUMPY | {"collections.OrderedDict": OrderedDict}
# What both readers raise for files that are no pickles.
UNREADABLE = (pickle.UnpicklingError, EOFError, OSError, ValueError, AttributeError)


def load_tensors(path: Path) -> Any:
    """A torch checkpoint's content. Raises InputError where it cannot be read or holds more than data."""
    try:
        with torch.serialization.safe_globals([*_NUMPY.values(), *_DTYPES]):
            return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise InputError(path, "no such checkpoint", "give a trained-model folder with these folds") from None
    except (*UNREADABLE, RuntimeError, KeyError) as error:
        fact = f"not a checkpoint of plain tensors and values ({_culprit(error)})"
        raise InputError(path, fact, "save it again without other objects") from None


def load_plain(path: Path) -> Any:
    """A pickle's content. Raises InputError where it cannot be read or refers to anything but plain data."""
    try:
        with path.open("rb") as file:
            return _Restricted(file).load()
    except FileNotFoundError:
        raise InputError(path, "no such file", "give a trained-model folder") from None
    except (*UNREADABLE, TypeError, IndexError) as error:
        fact = f"not a pickle of plain values ({_culprit(error)})"
        raise InputError(path, fact, "save it again without other objects") from None


class _Restricted(pickle.Unpickler):
    """Knows the few names that nnU-Net v1's plans need; pickles can call whatever they name."""

    def find_class(self, module: str, name: str) -> Any:
        known = _PLAIN.get(f"{module}.{name}")
        if known is None:
            raise pickle.UnpicklingError(f"it refers to {module}.{name}; refused, nothing was executed")
        return known


def _culprit(error: Exception) -> str:
    """The line that names what was refused; torch has it further down."""
    lines = [line.strip() for line in str(error).splitlines() if "GLOBAL" in line]
    return lines[0][:LONGEST_REASON] if lines else reason(error)
