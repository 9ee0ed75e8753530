"""Reading pickles that other programs wrote, as data: plain values, numpy and torch arrays, and nothing else."""

import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from model.volume import InputError

_FUNCTIONS: list[Any] = [
    np.float64(0).__reduce__()[0],
    np.zeros(0).__reduce__()[0],
]  # that numpy's pickles name
_NUMPY: dict[str, Any] = {
    f"{core}.multiarray.{function.__name__}": function
    for core in ("numpy.core", "numpy._core")  # before and since numpy 2
    for function in _FUNCTIONS
}
_NUMPY |= {"numpy.ndarray": np.ndarray, "numpy.dtype": np.dtype}
_DTYPES = [type(np.dtype(code)) for code in "?bBhHiIlLqQefdU"]
_PLAIN: dict[str, Any] = _NUMPY | {"collections.OrderedDict": OrderedDict}


def load_tensors(path: Path) -> Any:
    """A torch checkpoint's content. Raises InputError where it cannot be read or holds more than data."""
    numpy: list[Any] = [(value, name) for name, value in _NUMPY.items()]
    try:
        with torch.serialization.safe_globals(numpy + _DTYPES):
            return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise InputError(f"{path}: no such checkpoint") from None
    except (
        RuntimeError,
        pickle.UnpicklingError,
        EOFError,
        OSError,
        ValueError,
        KeyError,
        AttributeError,
    ) as error:
        raise InputError(f"{path}: not a checkpoint of plain tensors and values ({_reason(error)})") from None


def load_plain(path: Path) -> Any:
    """A pickle's content. Raises InputError where it cannot be read or refers to anything but plain data."""
    try:
        with path.open("rb") as file:
            return _Restricted(file).load()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (
        pickle.UnpicklingError,
        EOFError,
        OSError,
        ValueError,
        TypeError,
        IndexError,
        AttributeError,
    ) as error:
        raise InputError(f"{path}: not a pickle of plain values ({_reason(error)})") from None


class _Restricted(pickle.Unpickler):
    """Knows the few names that nnU-Net v1's plans need; pickles can call whatever they name."""

    def find_class(self, module: str, name: str) -> Any:
        known = _PLAIN.get(f"{module}.{name}")
        if known is None:
            raise pickle.UnpicklingError(f"it refers to {module}.{name}; refused, nothing was executed")
        return known


def _reason(error: Exception) -> str:
    lines = str(error).splitlines() or [type(error).__name__]
    named = [line.strip() for line in lines if "GLOBAL" in line]  # torch names the culprit further down
    return (named or lines)[0][:160]
