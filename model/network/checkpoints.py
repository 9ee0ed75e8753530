"""Files of torch.save that anybody may have written, looked through before torch reads them.

torch checks neither an archive's checksums nor whether the bytes are there that a tensor claims, unpacks what is
compressed, and reads values however many there are.
"""

import io
import pickle
import warnings
import zipfile
from pathlib import Path
from typing import Any, ClassVar

import torch

from model.errors import LONGEST_REASON, reason
from model.network.plain import DEEPEST

# Of pickled values without tensors: nnU-Net's checkpoints have less than 1 MB, after 8000 epochs some more.
MOST_VALUE_BYTES = 8_000_000
# torch's names of storages: bytes an element.
_SIZES = {
    "ComplexDouble": 16, "Double": 8, "Long": 8, "ComplexFloat": 8, "Float": 4, "Int": 4, "Half": 2, "BFloat16": 2,
    "Short": 2, "Char": 1, "Byte": 1, "Bool": 1, "Untyped": 1,
}  # fmt: skip
# Pickles that a stream of torch before 1.6 begins with: magic number, protocol, system, values.
_STREAM_PICKLES = 4


def read_checkpoint(path: Path, known: list[Any] | None = None, *, streams: bool = False) -> Any:
    """The content; no name that a pickle asks for is looked up but torch's own and the known functions and classes.

    streams: also the form before torch 1.6. Raises OSError, or ValueError that says what is wrong in one line.
    """
    check_regular(path)
    try:
        if zipfile.is_zipfile(path):
            _look_through_archive(path)
        elif streams:
            _look_through_stream(path)
        else:
            raise ValueError("no archive of tensors")
        with warnings.catch_warnings(), torch.serialization.safe_globals(known or []):
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # a pickle written for it makes any code fail that reads it, in any way
        raise ValueError(_culprit(error)) from None


def check_regular(path: Path, most_bytes: int | None = None) -> None:
    """Raises OSError where there is nothing to read, ValueError for devices, pipes, folders and what is too large."""
    size = path.stat().st_size
    if not path.is_file():
        raise ValueError("not a regular file")
    if most_bytes is not None and size > most_bytes:
        raise ValueError(f"{size / 1e6:.0f} MB, more than any such file has")


def _look_through_archive(path: Path) -> None:
    """Raises ValueError, BadZipFile and others where the archive is damaged or would grow when it is read."""
    with zipfile.ZipFile(path) as archive:
        records = {info.filename: info for info in archive.infolist()}
        if len(records) < len(archive.infolist()):
            raise ValueError("two records of one name")
        if any(info.compress_type != zipfile.ZIP_STORED for info in records.values()):
            raise ValueError("compressed, which torch's files are not")
        if sum(info.file_size for info in records.values()) > path.stat().st_size:
            raise ValueError("records that overlap")
        pickles = [name for name in records if name.count("/") == 1 and name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise ValueError("no archive of tensors")
        if records[pickles[0]].file_size > MOST_VALUE_BYTES:
            raise ValueError("more plain values in it than any checkpoint has")
        damaged = archive.testzip()
        if damaged is not None:
            raise ValueError(f"{damaged} does not fit its checksum")
        claims = _claims(io.BytesIO(archive.read(pickles[0])), 1)
    folder = pickles[0].removesuffix("data.pkl")
    for key, size in claims.items():
        record = records.get(f"{folder}data/{key}")
        if record is None or record.file_size != size:
            raise ValueError(f"tensor data {key} is not there as a whole")


def _look_through_stream(path: Path) -> None:
    """Raises ValueError and others where the stream holds more values than any, or less than its tensors claim."""
    with path.open("rb") as file:
        head = file.read(MOST_VALUE_BYTES)
    if sum(_claims(io.BytesIO(head), _STREAM_PICKLES).values()) > path.stat().st_size:
        raise ValueError("tensor data is not there as a whole")


def _claims(file: io.BytesIO, pickles: int) -> dict[str, int]:
    """What the pickles claim of each tensor's data: key, bytes."""
    claims: dict[str, int] = {}
    for _ in range(pickles):
        _Inspector(file, claims).load()
    return claims


class _Named:
    """Stands for whatever a pickle asks for by name, and for what that would make: nothing is looked up or done."""

    def __new__(cls, *args: Any) -> "_Named":
        return object.__new__(_Named)

    def __init__(self, name: str = "", count: int = 0) -> None:
        self.name = name
        self.count = count  # of a tensor's data: elements

    def __call__(self, *args: Any) -> "_Named":
        if self.name.startswith("_rebuild_tensor"):
            data, first, sides, strides = args[:4]
            last = first + sum((side - 1) * stride for side, stride in zip(sides, strides, strict=True))
            if (
                last >= max(data.count, 1) or min((first, *sides, *strides)) < 0
            ):  # torch would make the data larger
                raise ValueError("a tensor beyond its data")
        return _Named()

    def ignore(self, *args: Any) -> None:
        pass

    __setitem__ = append = extend = add = __setstate__ = ignore


class BoundedUnpickler(pickle._Unpickler):
    """The one in Python, since that in C takes memory by what numbers a pickle says; and no deep nesting."""

    dispatch: ClassVar[dict[int, Any]] = dict(pickle._Unpickler.dispatch)
    del dispatch[pickle.BYTEARRAY8[0]]  # takes the memory that a pickle says before there is any content

    def begin(self: Any) -> None:
        """What comes next belongs together."""
        if len(self.metastack) > DEEPEST:
            raise ValueError("values lie too deep in each other")
        self.metastack.append(self.stack)
        stack: list[Any] = []
        self.stack, self.append = stack, stack.append

    dispatch[pickle.MARK[0]] = begin


class _Inspector(BoundedUnpickler):
    """Goes through a pickle only to see the claims of its tensors."""

    def __init__(self, file: io.BytesIO, claims: dict[str, int]) -> None:
        super().__init__(file)
        self.claims = claims

    def find_class(self, module: str, name: str) -> Any:
        return _Named(name)

    def persistent_load(self, pid: Any) -> Any:
        _, kind, key, _, count = pid[:5]
        size = _SIZES.get(kind.name.removesuffix("Storage"))
        if size is None or type(count) is not int or count < 0:
            raise ValueError(f"tensors of {kind.name}, which weights are not")
        claim = self.claims.setdefault(key, count * size)
        if claim != count * size:
            raise ValueError(f"tensor data {key} is claimed twice")
        return _Named("data", count)


def _culprit(error: Exception) -> str:
    """The line that names what was refused; torch has it further down."""
    lines = [line.strip() for line in str(error).splitlines() if "GLOBAL" in line]
    return lines[0][:LONGEST_REASON] if lines else reason(error)
