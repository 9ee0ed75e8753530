"""Pickles are read as data: whatever they would execute is refused."""

import os
import pickle
from pathlib import Path

import pytest
import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet

from model.errors import InputError
from model.importing.pickles import load_plain, load_tensors


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
