"""Weights files that are damaged, written by somebody else, or hold values that no weights have."""

import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from faults.fault import Fault, fine, refused
from faults.materials import bundle, process, save_pair

from model.network.bundle import CHECKSUM, save_bundle

NAME = "encoder.stages.0.0.convs.0.norm.weight"
NAN, INF = float("nan"), float("inf")


def _case(spoil: Callable[[Path], object]) -> Any:
    """The small weights, spoilt, for a good case."""

    def make(folder: Path) -> list[str]:
        save_pair(folder / "in" / "a")
        path = folder / "w.pt"
        save_bundle(bundle(), path, torch.float32)
        given = spoil(path)
        command = process(folder)
        command[command.index("--weights") + 1] = str(given if isinstance(given, (str, Path)) else path)
        return command

    return make


def _changed(change: Callable[[dict], object], *, checksum: bool = False) -> Any:
    """Other content, without a checksum unless said otherwise."""

    def spoil(path: Path) -> None:
        content = torch.load(path, weights_only=True)
        if not checksum:
            del content[CHECKSUM]
        change(content)
        torch.save(content, path)

    return _case(spoil)


def _bytes(change: Callable[[bytes], bytes]) -> Any:
    return _case(lambda path: path.write_bytes(change(path.read_bytes())) and None)


def _flipped(share: float) -> Callable[[bytes], bytes]:
    def change(data: bytes) -> bytes:
        at = int(len(data) * share)
        return data[:at] + bytes([data[at] ^ 16]) + data[at + 1 :]

    return change


def _record(name: str, data: bytes, compression: int = zipfile.ZIP_STORED) -> Any:
    """An archive with another record of this name."""

    def spoil(path: Path) -> None:
        with zipfile.ZipFile(path) as archive:
            records = {inner: archive.read(inner) for inner in archive.namelist()}
        with zipfile.ZipFile(path, "w", compression) as archive:
            for inner, before in records.items():
                archive.writestr(inner, data if inner.endswith(f"/{name}") else before)

    return _case(spoil)


def _tensor(tensor: Any, name: str = NAME) -> Any:
    return _changed(lambda content: content["states"][0].update({name: tensor}))


def _channel(**changes: Any) -> Any:
    return _changed(lambda content: content["normalisation"][1].update(changes))


def _network(**changes: Any) -> Any:
    return _changed(lambda content: content["network"].update(changes))


def _values(**changes: Any) -> Any:
    return _changed(lambda content: content.update(changes))


class _Malice:
    def __reduce__(self) -> Any:
        return os.mkdir, ("executed",)


def _pipe(path: Path) -> Path:
    os.mkfifo(path.with_name("pipe"))
    return path.with_name("pipe")


def _loop(path: Path) -> Path:
    path.with_name("loop").symlink_to("loop")
    return path.with_name("loop")


def laughs(levels: int) -> list:
    value: list = [0]
    for _ in range(levels):
        value = [value] * 10
    return value


def deep(levels: int) -> list:
    value: list = []
    for _ in range(levels):
        value = [value]
    return value


DAMAGED = refused(r"^error: .*w\.pt: damaged weights file \(.*\); train or import anew$")
UNREADABLE = refused(
    r"^error: .*: not a readable weights file \(.*\); give one that was trained or imported$"
)
CHECKED = refused(r"^error: .*w\.pt: .*checksum.*; ")

GROUPS: list[tuple[str, Any, dict[str, Any]]] = [
    (
        "content",
        DAMAGED,
        {
            "mean NaN": _channel(mean=NAN), "mean text": _channel(mean="30"), "std 0": _channel(std=0),
            "std negative": _channel(std=-70.0), "std infinite": _channel(std=INF), "std true": _channel(std=True),
            "lower above upper": _channel(lower=2000), "lower NaN": _channel(lower=NAN),
            "scheme unknown": _channel(scheme="mri"), "no normalisation": _values(normalisation=[]),
            "spacing None": _values(spacing_zyx=None), "spacing negative": _values(spacing_zyx=[-6.0, 4.0, 4.0]),
            "spacing 0": _values(spacing_zyx=[0, 4.0, 4.0]), "spacing NaN": _values(spacing_zyx=[NAN, 4.0, 4.0]),
            "spacing huge": _values(spacing_zyx=[1e30, 4.0, 4.0]),
            "spacing tiny": _values(spacing_zyx=[1e-9, 4.0, 4.0]),
            "patch 0": _values(patch_zyx=[0, 40, 32]), "patch huge": _values(patch_zyx=[2**40, 2**40, 2**40]),
            "patch of 1 GVoxel": _values(patch_zyx=[1024, 1024, 1024]),
            "patch uneven": _values(patch_zyx=[24, 41, 32]),
            "patch of floats": _values(patch_zyx=[24.0, 40, 32]), "patch of two": _values(patch_zyx=[24, 40]),
            "mirror axis 3": _values(mirror_axes=[3]), "mirror axis twice": _values(mirror_axes=[1, 1]),
            "mirror axis true": _values(mirror_axes=[True]), "mirror axis float": _values(mirror_axes=[0.0]),
            "least volume negative": _values(least_cm3=[-1.0, 0.0]),
            "least volume NaN": _values(least_cm3=[NAN, 0.0]),
            "least volume huge": _values(least_cm3=[1e9, 1e9]), "channel twice": _values(channels=["ct", "ct"]),
            "channel unknown": _values(channels=["ct", "pet"]),
            "labels turned": _values(labels={"GTVp": 2, "GTVnd": 1}),
            "an entry more": _values(more=1), "an entry less": _changed(lambda content: content.pop("least_cm3")),
            "pipeline unknown": _values(pipeline="nnunet-v3"),
            "provenance a tensor": _values(provenance={"x": torch.ones(1)}),
            "provenance of 10**12 values": _values(provenance={"x": laughs(12)}),
            "provenance deep": _values(provenance={"x": deep(300)}),
            "text of 1 MB": _values(provenance={"x": "y" * 10**6}),
            "strides 0": _network(strides=[[1, 1, 1], [0, 2, 2]]),
            "strides huge": _network(strides=[[1, 1, 1], [10**9] * 3]),
            "features huge": _network(features=[2, 10**9]), "features 0": _network(features=[0, 4]),
            "10**9 convolutions": _network(encoder_convs=[1, 10**9]),
            "kernels even": _network(kernels=[[1, 3, 3], [2, 2, 2]]),
            "another network": _network(features=[2, 8]), "network's key unknown": _network(depth=3),
            "no network": _values(states=[]),
            "1000 times one network": _changed(lambda c: c.update(states=c["states"] * 1000)),
        },
    ),
    (
        "tensors",
        DAMAGED,
        {
            "NaN": _tensor(torch.tensor([1.0, NAN])), "infinite": _tensor(torch.tensor([INF, 1.0])),
            "another shape": _tensor(torch.ones(3)), "double": _tensor(torch.ones(2, dtype=torch.float64)),
            "whole numbers": _tensor(torch.ones(2, dtype=torch.int64)), "sparse": _tensor(torch.ones(2).to_sparse()),
            "expanded": _tensor(torch.ones(1).expand(2)), "every second value": _tensor(torch.ones(4)[::2]),
            "of 4 TB from 4 bytes": _tensor(torch.ones(1).expand(2**20, 2**20)), "no tensor": _tensor([1.0, 1.0]),
            "one more": _tensor(torch.ones(2), "more"),
            "one less": _changed(lambda content: content["states"][0].pop(NAME)),
            "shared": _changed(lambda c: c["states"][0].update({NAME.replace("weight",
            "bias"): c["states"][0][NAME]})),
        },
    ),
    (
        "file",
        UNREADABLE,
        {
            "0 bytes": _bytes(lambda data: b""), "cut to half": _bytes(lambda data: data[: len(data) // 2]),
            "cut by a byte": _bytes(lambda data: data[:-1]), "text": _bytes(lambda data: b"version https://git-lfs"),
            "a pickle": _bytes(lambda data: pickle.dumps([1, 2])), "zeros": _bytes(lambda data: bytes(10**6)),
            "an empty zip": _bytes(lambda data: b"PK\x05\x06" + bytes(18)),
            "a folder": _case(lambda path: path.parent), "a pipe": _case(_pipe),
            "/dev/zero": _case(lambda path: "/dev/zero"),
            "a loop of links": _case(_loop),
            "a name of 300 characters": _case(lambda path: path.with_name("n" * 300)),
            "zip bomb of values": _record("data.pkl", bytes(10**8), zipfile.ZIP_DEFLATED),
            "zip bomb of a tensor": _record("0", bytes(10**8), zipfile.ZIP_DEFLATED),
            "10 MB of values": _record("data.pkl", b"]" * 10**7), "deep values": _record("data.pkl", b"(" * 10**6),
            "memo of 2**31": _record("data.pkl", b"\x80\x02]r\xff\xff\xff\x7fe."),
            "tensor data of another size": _record("0", bytes(10)), "executing": _values(provenance={"x": _Malice()}),
        },
    ),
    (
        "checksum",
        CHECKED,
        {
            **{f"bit flipped at {share:.0%}": _bytes(_flipped(share)) for share in (0.05, 0.1, 0.15)},
            "other spacing": _changed(lambda content: content.update(spacing_zyx=[6.0, 4.0, 5.0]), checksum=True),
            "other weights": _changed(lambda content: content["states"][0][NAME].add_(1), checksum=True),
            "other provenance": _changed(lambda content: content.update(provenance={"data": "all"}), checksum=True),
            "another checksum": _changed(lambda content: content.update({CHECKSUM: "0" * 64}), checksum=True),
        },
    ),
    (
        "schema",
        refused(r"^error: .*: weights schema is .*; train or import anew$"),
        {"older": _values(schema="gtvseg-weights-1"), "endless": _values(schema=laughs(12)),
        "none": _values(schema=None)},
    ),
    (
        "read",
        fine(results=("a.nii.gz",)),
        {
            "without a checksum": _values(), "with one": _case(lambda path: None),
            "bfloat16": _changed(lambda content: content["states"][0].update({NAME: torch.ones(2).bfloat16()})),
        },
    ),
]  # fmt: skip
FAULTS = [
    Fault("weights", f"{kind}, {name}", make, expected)
    for kind, expected, faults in GROUPS
    for name, make in faults.items()
]
