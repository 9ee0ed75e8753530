"""Compressed DICOM voxels, decompressed by GDCM in a process of its own.

Its decoders end the process on some damaged files, and of others they only print that something is wrong and give
garbage. So a decoder that ends or prints anything has found damage, and nobody else is harmed.
"""

import contextlib
import math
import os
import select
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO

import numpy as np

from model.errors import InputError, reason

# What comes through the pipe: the number of values, and these.
VALUES = np.dtype("<f8")
COUNT_BYTES = 8
# Seconds for one slice, and bytes of address space for the process: far more than the largest slice needs.
PATIENCE, MEMORY = 60, 4 << 30


class Decompressor:
    """Starts its process when it is first asked, and ends it on leaving."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Decompressor":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process:
            self.process.kill()
            self.process.communicate()

    def values(self, path: Path, shape: tuple[int, int]) -> np.ndarray:
        """Of one slice, rescaled by its own slope and intercept, float64 (rows, columns).

        Raises InputError where the file is damaged or cannot be decompressed.
        """
        try:
            name = str(path.absolute()).encode()
        except UnicodeEncodeError:  # ITK would end the process
            raise InputError(path, "compressed, under a name that is not UTF-8", "rename it") from None
        if os.name == "nt":  # where pipes cannot be waited for
            raise _refusal(path, "not on Windows")
        try:
            self.process = self.process or _start()
        except OSError as error:
            raise _refusal(path, f"no decoder can be started: {reason(error)}") from None
        sender, receiver, complaints = self.process.stdin, self.process.stdout, self.process.stderr
        assert sender and receiver and complaints
        with contextlib.suppress(BrokenPipeError):  # it has ended, which is seen below
            sender.write(name + b"\0")
            sender.flush()
        ready, _, _ = select.select([receiver, complaints], [], [], PATIENCE)
        if not ready:
            raise _refusal(path, "its decoder does not come to an end")
        # What is complained of is said before the values come.
        if select.select([complaints], [], [], 0)[0]:
            said = os.read(complaints.fileno(), 2000).decode("utf-8", "replace").strip()
            raise _refusal(path, reason(ValueError(said)) if said else "its decoder broke down")
        count = int.from_bytes(receiver.read(COUNT_BYTES), "little")
        if count != math.prod(shape):
            raise _refusal(path, "of another size than the header says")
        content = receiver.read(count * VALUES.itemsize)
        if len(content) < count * VALUES.itemsize:
            raise _refusal(path, "its decoder broke down")
        return np.frombuffer(content, VALUES).reshape(shape)


def _start() -> "subprocess.Popen[bytes]":
    pipe = subprocess.PIPE
    folder = str(Path(__file__).parents[2])
    command = [sys.executable, "-m", "model.images.decompress"]
    paths = os.pathsep.join(filter(None, (folder, os.environ.get("PYTHONPATH"))))
    env = {**os.environ, "PYTHONPATH": paths}
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env=env)


def _refusal(path: Path, why: str) -> InputError:
    fact = f"its compressed voxels are damaged or not read here ({why})"
    return InputError(path, fact, "write the series as Explicit VR Little Endian")


def _serve(names: BinaryIO, values: BinaryIO) -> None:
    """Answer each file name, which a zero byte ends, with the file's values. Raises what SimpleITK raises."""
    import SimpleITK as sitk

    from model.images.itk import pixels

    _limit_memory()
    rest = b""
    while piece := os.read(names.fileno(), 1 << 16):
        rest += piece
        while b"\0" in rest:
            name, _, rest = rest.partition(b"\0")
            reader = sitk.ImageFileReader()
            reader.SetImageIO("GDCMImageIO")
            reader.SetFileName(os.fsdecode(name))
            array = pixels(reader.Execute())
            values.write(array.size.to_bytes(COUNT_BYTES, "little"))
            values.write(array.astype(VALUES).tobytes())
            values.flush()


def _limit_memory() -> None:
    """To MEMORY, where the system can: macOS knows the limit but may refuse it."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        most = MEMORY if hard == resource.RLIM_INFINITY else min(MEMORY, hard)
        resource.setrlimit(resource.RLIMIT_AS, (most, hard))


if __name__ == "__main__":
    try:
        _serve(sys.stdin.buffer, sys.stdout.buffer)
    except (RuntimeError, MemoryError) as error:
        sys.exit(reason(error))
