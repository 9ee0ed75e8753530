"""The weights file: what goes in comes out, and nothing else is loaded or executed."""

import os
import pickle
from pathlib import Path

import pytest
import torch

from model.errors import InputError
from model.network.bundle import SCHEMA, Bundle, Normalisation, load_bundle, save_bundle
from model.network.plan import NetworkPlan
from model.network.unet import UNet

PLAN = NetworkPlan(2, 3, (4, 8), ((1, 3, 3), (3, 3, 3)), ((1, 1, 1), (1, 2, 2)), (1, 1), (1,))


@pytest.fixture
def bundle() -> Bundle:
    channels = (Normalisation(-200, 300, 30, 70), Normalisation(-1000, 1000, 0, 1))
    state = UNet(PLAN).state_dict()
    told = {"data": "none", "n": 3}
    return Bundle(
        PLAN, (4, 8, 8), (3.0, 2.0, 2.0), channels, (0, 1, 2), told, (state,), least_cm3=(0.5, 0.25)
    )


def test_round_trip(bundle, tmp_path):
    save_bundle(bundle, tmp_path / "deep" / "w.pt")
    loaded = load_bundle(tmp_path / "deep" / "w.pt")
    fields = (
        "network",
        "patch_zyx",
        "spacing_zyx",
        "normalisation",
        "mirror_axes",
        "provenance",
        "least_cm3",
    )
    for field in fields:
        assert getattr(loaded, field) == getattr(bundle, field)
    (network,) = loaded.build_networks()
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(tensor, bundle.states[0][name], rtol=1e-3, atol=1e-6)  # stored as float16
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["w.pt"]


class Malice:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("write", [torch.save, lambda content, path: path.write_bytes(pickle.dumps(content))])
def test_malicious_file_is_refused_unexecuted(write, tmp_path):
    mark, path = tmp_path / "executed", tmp_path / "w.pt"
    write({"schema": SCHEMA, "states": [Malice(mark)]}, path)
    with pytest.raises(InputError, match="w.pt"):
        load_bundle(path)
    assert not mark.exists()


@pytest.mark.parametrize(
    "content", [{"schema": "gtvseg-weights-0"}, {"network_weights": {}}, [1, 2], torch.zeros(3)]
)
def test_other_schema_is_refused(content, tmp_path):
    torch.save(content, tmp_path / "w.pt")
    with pytest.raises(InputError, match="schema"):
        load_bundle(tmp_path / "w.pt")


def test_truncated_or_foreign_or_absent_file_is_refused(bundle, tmp_path):
    path = tmp_path / "w.pt"
    save_bundle(bundle, path)
    for data in (path.read_bytes()[:-500], path.read_bytes()[:100], b"", b"version https://git-lfs"):
        path.write_bytes(data)
        with pytest.raises(InputError, match="w.pt"):
            load_bundle(path)
    path.unlink()
    with pytest.raises(InputError, match="no such"):
        load_bundle(path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("patch_zyx", [4, 9, 8]),
        ("normalisation", []),
        ("labels", {"GTVp": 2, "GTVnd": 1}),
        ("states", []),
        ("states", [{}]),
        ("pipeline", "other"),
        ("channels", ["ct", "pet"]),
        ("channels", ["ct"]),
        ("network", {"features": [4]}),
    ],
)
def test_inconsistent_file_is_refused(bundle, tmp_path, key, value):
    path = tmp_path / "w.pt"
    save_bundle(bundle, path)
    content = torch.load(path, weights_only=True)
    content[key] = value
    torch.save(content, path)
    with pytest.raises(InputError, match="damaged"):
        load_bundle(path)


def test_bundled_weights_are_readable_and_say_what_they_are(root):
    bundled = load_bundle(root / "weights" / "gtv.pt")
    assert {"data", "command", "commit", "date", "metrics"} <= set(bundled.provenance)
    if "--phantoms" in bundled.provenance["command"]:  # not a team's own weights in the same place
        assert "no patient data" in bundled.provenance["data"]
