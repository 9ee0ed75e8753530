"""Pickles are read as data: whatever they would execute is refused."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet

from model.documents import read_object
from model.errors import InputError
from model.importing.pickles import load_plain, load_tensors
from model.network.plain import plain


class Malice:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("where", ["v2 checkpoint", "v1 plans", "v1 checkpoint", "v1 description"])
def test_malicious_pickle_is_refused_unexecuted(
    v1_network, v1_folder, v2_network, v2_folder, imported, where, tmp_path
):
    mark, folder = tmp_path / "executed", tmp_path / "m"
    if where.startswith("v2"):
        path = v2_folder(folder, [v2_network(PlainConvUNet)]) / "fold_0" / "checkpoint_final.pth"
        torch.save({"network_weights": {}, "x": Malice(mark)}, path)
    else:
        v1_folder(folder, v1_network())
        name = {"plans": "plans.pkl", "checkpoint": "fold_0/model_final_checkpoint.model"}.get(
            where.split()[1], "fold_0/model_final_checkpoint.model.pkl"
        )
        path = folder / name
        if where == "v1 checkpoint":
            torch.save({"state_dict": {}, "x": Malice(mark)}, path)
        else:
            path.write_bytes(pickle.dumps({"x": Malice(mark)}))
    with pytest.raises(InputError, match=rf"{path.name}.*(refer|plain).*mkdir"):
        imported(folder)
    assert not mark.exists()


def test_plain_values_and_arrays_are_read(tmp_path):
    content = {"a": [1, 2.5, "x"], "b": (None, True)}
    (tmp_path / "plain.pkl").write_bytes(pickle.dumps(content))
    assert load_plain(tmp_path / "plain.pkl") == content
    torch.save({"w": torch.arange(3), "n": 4}, tmp_path / "w.pth")
    loaded = load_tensors(tmp_path / "w.pth")
    assert loaded["n"] == 4 and torch.equal(loaded["w"], torch.arange(3))


@pytest.mark.parametrize("load", [load_plain, load_tensors])
@pytest.mark.parametrize("content", [None, b"", b"no pickle at all", b"\x80\x04"])
def test_what_is_no_pickle_is_refused_in_one_line(load, content, tmp_path):
    path = tmp_path / "file.pkl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match="file.pkl: .+; ") as refused:
        load(path)
    assert "\n" not in str(refused.value)


def test_numpys_values_become_pythons(tmp_path):
    content = {
        "a": np.arange(6).reshape(2, 3), "f": np.asfortranarray([[1.5, 2], [3, 4]]), "big": np.array([1, 2], ">i2"),
        "s": np.float32(2.5), "b": np.bool_(True), "u": np.array(["x", "yz"]), "o": np.array([1, "x"], object),
    }  # fmt: skip
    for protocol in (3, 4):
        (tmp_path / "p.pkl").write_bytes(pickle.dumps(content, protocol))
        loaded = load_plain(tmp_path / "p.pkl")
        assert loaded == {name: value.tolist() for name, value in content.items()}
    torch.save(content, tmp_path / "w.pth")
    assert load_tensors(tmp_path / "w.pth")["f"] == [[1.5, 2], [3, 4]]


def numpy_pickle(shape: bytes, code: bytes = b"f8", raw: bytes = bytes(16)) -> bytes:
    """An array of this claimed shape and type."""
    return (
        b"\x80\x03cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R(K\x01" + shape
        + b"cnumpy\ndtype\nX" + len(code).to_bytes(4, "little") + code
        + b"\x89\x88\x87R(K\x03X\x01\x00\x00\x00<NNNJ\xff\xff\xff\xff"
        + b"J\xff\xff\xff\xffK\x00tb\x89C" + bytes([len(raw)]) + raw + b"tb."
    )  # fmt: skip


@pytest.mark.parametrize(
    "pickled",
    [
        numpy_pickle(b"K\x03\x85"), numpy_pickle(b"\x8a\x06\x00\x00\x00\x00\x00\x10\x85"),
        numpy_pickle(b"J\xff\xff\xff\xff\x85"),
        numpy_pickle(b"K\x02\x85", b"V8"), numpy_pickle(b"K\x02\x85", b"O8"), numpy_pickle(b"K\x02\x85", b"f99"),
        numpy_pickle(b"K\x02\x85", b"M8"), numpy_pickle(b"N"), numpy_pickle(b"X\x01\x00\x00\x00x"),
        b"\x80\x02r\xff\xff\xff\x7f.", b"\x80\x02]r\xff\xff\xff\xffe.", b"(" * 10**6,
        b"]" * 10**5 + b"a" * (10**5 - 1) + b".",
        b"\x80\x05\x96\x00\x00\x00\x00\x02\x00\x00\x00.",
        b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\x7f", b"\x8b\xff\xff\xff\x7f1.", b"I" + b"9" * 10**5 + b"\n.",
        b"cnumpy\ndtype\n.", b"cnumpy\nndarray\n(tR.", b"cnumpy.core.multiarray\nscalar\n(K\x01K\x01tR.",
        b"cos\nsystem\n.",
        b"c" + b"x" * 10**6 + b"\nx\n.", b"}}}u.", b"N}b.", b"Q.", b"K\x01K\x01R.", b"\x82\x01.", bytes(20_000_000),
        b"ccollections\nOrderedDict\n)R}X\x08\x00\x00\x00__init__K\x01sbc.", b"(lp0\ng0\na.",
    ],
    ids=lambda pickled: repr(pickled[:24]),
)  # fmt: skip
def test_hostile_pickles_are_one_line_or_harmless(pickled, tmp_path):
    path = tmp_path / "plans.pkl"
    path.write_bytes(pickled)
    for load in (load_plain, load_tensors):
        try:
            assert plain(load(path)) in (None, [], [0.0, 0.0])
        except InputError as refused:
            assert str(path) in str(refused) and "\n" not in str(refused)
            assert len(str(refused)) < 500 + len(str(path))


def test_arrays_are_what_is_there_of_them(tmp_path):
    path = tmp_path / "plans.pkl"
    path.write_bytes(numpy_pickle(b"K\x02\x85"))
    assert load_plain(path) == [0.0, 0.0]
    path.write_bytes(numpy_pickle(b"J\xff\xff\xff\x7fK\x00\x86", raw=b""))
    assert load_plain(path) == []
    path.write_bytes(numpy_pickle(b"K\x03\x85"))
    with pytest.raises(InputError):
        load_plain(path)


def test_only_regular_files_are_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    for path in (tmp_path / "pipe", tmp_path, tmp_path / "loop", Path("/dev/zero"), tmp_path / ("n" * 300)):
        for load in (load_plain, load_tensors, lambda path: read_object(path, "replace it")):
            with pytest.raises(InputError) as refused:
                load(path)
            assert "\n" not in str(refused.value)


def test_a_checkpoint_with_a_flipped_bit_is_refused(tmp_path):
    torch.save({"w": torch.arange(100.0)}, tmp_path / "w.pth")
    data = bytearray((tmp_path / "w.pth").read_bytes())
    data[data.index(torch.arange(100.0).numpy().tobytes()) + 201] ^= 1
    (tmp_path / "w.pth").write_bytes(data)
    with pytest.raises(InputError, match="checksum"):
        load_tensors(tmp_path / "w.pth")
