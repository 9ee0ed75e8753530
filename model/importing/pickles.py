"""Reading pickles that other programs wrote, as data: plain values, numpy and torch arrays, and nothing else.

numpy does not look at what it gets from a pickle closely enough to be left alone with it: stand-ins do its work.
"""

import io
import pickle
import re
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np

from model.errors import InputError, reason
from model.network.checkpoints import BoundedUnpickler, check_regular, read_checkpoint
from model.network.plain import plain, quoted

# Of a pickle of plain values; plans for 1000 cases have less than 1 MB.
MOST_BYTES = 4_000_000


class _Dtype:
    """numpy.dtype: numbers, booleans, text; objects come in lists."""

    def __init__(self, code: str, *_: Any) -> None:
        if not re.fullmatch("b1|[iu][1248]|f[248]|U[0-9]{1,4}|O8", code):
            raise ValueError(f"numpy's {quoted(code)} in it")
        self.code, self.order = code, "="

    def __setstate__(self, state: Any) -> None:
        self.order = {"<": "<", ">": ">", "|": "=", "=": "="}[state[1]]

    def read(self, raw: Any) -> np.ndarray:
        """The values in these bytes, in one dimension."""
        return (
            np.array(list(raw), object) if self.code == "O8" else np.frombuffer(raw, self.order + self.code)
        )


class _Array(list[Any]):
    """numpy.ndarray: becomes a list, of lists where it has more than one dimension."""

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, fortran, raw = state
        flat = _Dtype.read(dtype, raw)
        values = flat.reshape(shape, order="F" if fortran is True else "C").tolist() if flat.size else []
        self[:] = values if isinstance(values, list) else [values]  # 10**9 rows of nothing are nothing


def _reconstruct(*_: Any) -> _Array:
    return _Array()


def _scalar(dtype: _Dtype, raw: Any) -> Any:
    return _Dtype.read(dtype, raw).item()


_PLAIN: dict[str, Any] = {
    "numpy.dtype": _Dtype,
    "numpy.ndarray": _Array,
    # Its name before and since numpy 2.
    **{f"numpy.{core}.multiarray._reconstruct": _reconstruct for core in ("core", "_core")},
    **{f"numpy.{core}.multiarray.scalar": _scalar for core in ("core", "_core")},
    "collections.OrderedDict": OrderedDict,
}


def load_tensors(path: Path) -> Any:
    """A torch checkpoint's content. Raises InputError where it cannot be read or holds more than data."""
    try:
        return read_checkpoint(path, [(known, name) for name, known in _PLAIN.items()], streams=True)
    except FileNotFoundError:
        raise InputError(path, "no such checkpoint", "give a trained-model folder with these folds") from None
    except (OSError, ValueError) as error:
        fact = f"not a checkpoint of plain tensors and values ({reason(error)})"
        raise InputError(path, fact, "save it again without other objects") from None


def load_plain(path: Path) -> Any:
    """A pickle's content as Python's own values, numpy's among them turned into these.

    Raises InputError where it cannot be read or refers to anything but plain data.
    """
    try:
        check_regular(path, MOST_BYTES)
        return plain(_Restricted(io.BytesIO(path.read_bytes())).load())
    except FileNotFoundError:
        raise InputError(path, "no such file", "give a trained-model folder") from None
    except Exception as error:  # a pickle written for it makes any code fail that reads it, in any way
        fact = f"not a pickle of plain values ({reason(error)})"
        raise InputError(path, fact, "save it again without other objects") from None


class _Restricted(BoundedUnpickler):
    """Knows the few names that nnU-Net v1's plans need; pickles can call whatever they name."""

    def find_class(self, module: str, name: str) -> Any:
        known = _PLAIN.get(f"{module}.{name}")
        if known is None:
            raise pickle.UnpicklingError(
                f"it refers to {quoted(f'{module}.{name}')}; refused, nothing was executed"
            )
        return known
