"""The weights file: what goes in comes out, and nothing else is loaded or executed."""

import os
import pickle
import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from model.errors import InputError
from model.network.bundle import CHECKSUM, SCHEMA, Bundle, Normalisation, load_bundle, save_bundle
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


NAN, INF = float("nan"), float("inf")
CT = {"lower": -200, "upper": 300, "mean": 30, "std": 70, "scheme": "ct"}


def changed(path: Path, key: str, value: object, *, at: int | str | None = None) -> None:
    """Another value in a weights file, without its checksum, as older files are; at: inside the entry."""
    content = torch.load(path, weights_only=True)
    content.pop(CHECKSUM, None)
    if at is None:
        content[key] = value
    else:
        content[key][at] = value
    torch.save(content, path)


def refused(path: Path) -> str:
    with pytest.raises(InputError) as error:
        load_bundle(path)
    assert len(str(error.value).splitlines()) == 1 and len(str(error.value)) < 500 + len(str(path))
    return str(error.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("labels", {"GTVp": 2, "GTVnd": 1}), ("labels", {"GTVnd": 2, "GTVp": 1}), ("labels",
        {"GTVp": True, "GTVnd": 2}),
        ("labels", None), ("pipeline", "other"), ("pipeline", None), ("pipeline", ["gtvseg"]), ("more", 1), (3, 1),
        ("channels", ["ct", "pet"]), ("channels", ["ct"]), ("channels", ["ct", "ct"]), ("channels", "ctce"),
        ("channels", ["ct", "ce", "ct"]), ("channels", None),
        ("patch_zyx", [4, 9, 8]), ("patch_zyx", [0, 8, 8]), ("patch_zyx", [-4, 8, 8]), ("patch_zyx", [4, 8]),
        ("patch_zyx", [4, 8, 8, 8]), ("patch_zyx", [4.0, 8, 8]), ("patch_zyx", ["4", 8, 8]), ("patch_zyx",
        [True, 8, 8]),
        ("patch_zyx", [2**40, 8, 8]), ("patch_zyx", [1024, 1024, 1024]), ("patch_zyx", None), ("patch_zyx", 8),
        ("patch_zyx", [10**400, 8, 8]),
        ("spacing_zyx", None), ("spacing_zyx", [3.0, 2.0]), ("spacing_zyx", [0, 2.0, 2.0]), ("spacing_zyx",
        [-3.0, 2.0, 2.0]),
        ("spacing_zyx", [NAN, 2.0, 2.0]), ("spacing_zyx", [INF, 2.0, 2.0]), ("spacing_zyx", [1e-9, 2.0, 2.0]),
        ("spacing_zyx", [1e9, 2.0, 2.0]), ("spacing_zyx", ["3", 2.0, 2.0]), ("spacing_zyx", [None, 2.0, 2.0]),
        ("spacing_zyx", [[3.0], 2.0, 2.0]), ("spacing_zyx", [True, 2.0, 2.0]),
        ("normalisation", []), ("normalisation", [CT]), ("normalisation", [CT, CT, CT]), ("normalisation",
        [CT, {}, None]),
        ("normalisation", [CT, 3]), ("normalisation", None),
        *(("normalisation", [CT, CT | change]) for change in (
            {"std": 0}, {"std": -70}, {"std": NAN}, {"std": INF}, {"std": "70"}, {"std": None}, {"std": True},
            {"mean": NAN}, {"mean": -INF}, {"mean": 1e300}, {"mean": "30"}, {"lower": 400}, {"lower": NAN},
            {"upper": INF},
            {"upper": -300}, {"lower": None}, {"scheme": "mri"}, {"scheme": 1}, {"scheme": ["ct"]}, {"other": 1},
        )),
        ("mirror_axes", [3]), ("mirror_axes", [-1]), ("mirror_axes", [0, 0]), ("mirror_axes", [0.0]),
        ("mirror_axes", [True]),
        ("mirror_axes", ["0"]), ("mirror_axes", 0), ("mirror_axes", None), ("mirror_axes", [[0]]),
        ("least_cm3", [-1.0, 0.0]), ("least_cm3", [NAN, 0.0]), ("least_cm3", [INF, 0.0]), ("least_cm3", [1e9, 0.0]),
        ("least_cm3", [0.0]), ("least_cm3", [0.0] * 3), ("least_cm3", ["1", 0.0]), ("least_cm3", [True, 0.0]),
        ("least_cm3", None),
        ("provenance", None), ("provenance", "mine"), ("provenance", {"x": torch.zeros(2)}), ("provenance",
        {"x": "y" * 10**6}),
        ("network", {"features": [4]}), ("network", None), ("network", []), ("network", {}),
        ("states", []), ("states", [{}]), ("states", None), ("states", {}), ("states", [None]), ("states", 3),
        ("states", [[]]),
        ("states", "state"), ("states", [{}] * 1000),
    ],
    ids=lambda value: repr(value)[:60],
)  # fmt: skip
def test_inconsistent_file_is_refused(bundle, tmp_path, key, value):
    path = tmp_path / "w.pt"
    save_bundle(bundle, path)
    changed(path, key, value)
    assert "damaged weights file" in refused(path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("features", [4, 10**9]), ("features", [0, 8]), ("features", [4.0, 8]), ("features", ["4", 8]),
        ("features", 4),
        ("strides", [[1, 1, 1], [0, 2, 2]]), ("strides", [[1, 1, 1], [1, 2]]), ("strides", None), ("strides", [1, 2]),
        ("kernels", [[1, 3, 3], [3, 3, 10**6]]), ("kernels", [[1, 3, 3], [2, 3, 3]]), ("kernels",
        [[1, 3, 3], [3, 3, 5]]),
        ("encoder_convs", [1, 10**9]), ("decoder_convs", [2]), ("in_channels", True), ("num_classes", 4),
        ("residual", None),
        ("residual", True), ("other", 1), (1, 1),
    ],
)  # fmt: skip
def test_a_network_that_is_none_or_not_the_weights_is_refused(bundle, tmp_path, key, value):
    path = tmp_path / "w.pt"
    save_bundle(bundle, path)
    changed(path, "network", value, at=key)
    assert "damaged weights file" in refused(path)


def test_values_without_end_are_refused(bundle, tmp_path):
    path = tmp_path / "w.pt"
    shared, deep, within = [0], [], {}
    for _ in range(12):
        shared = [shared] * 10
    for _ in range(300):
        deep = [deep]
    within["self"] = within
    for value in (shared, deep, within):
        for key in ("provenance", "patch_zyx", "network", "schema"):
            save_bundle(bundle, path)
            changed(path, key, {"x": value} if key == "provenance" else value)
            assert "damaged" in refused(path) or "schema" in refused(path)


@pytest.mark.parametrize("key", ["labels", "network", "patch_zyx", "spacing_zyx", "normalisation", "mirror_axes",
                                 "provenance", "pipeline", "channels", "least_cm3", "states"])  # fmt: skip
def test_a_missing_entry_is_refused(bundle, tmp_path, key):
    path = tmp_path / "w.pt"
    save_bundle(bundle, path)
    content = torch.load(path, weights_only=True)
    del content[key]
    torch.save(content, path)
    assert "damaged weights file" in refused(path)


@pytest.mark.parametrize(
    "key", ["spacing_zyx", "normalisation", "provenance", "least_cm3", "states", CHECKSUM]
)
def test_sound_values_that_are_not_those_of_the_checksum_are_refused(bundle, tmp_path, key):
    path = tmp_path / "w.pt"
    save_bundle(bundle, path)
    content = torch.load(path, weights_only=True)
    other = {
        "spacing_zyx": [3.0, 2.0, 2.5], "normalisation": [CT, CT], "provenance": {"data": "all"},
        "least_cm3": [0.5, 0.0],
        "states": [{name: tensor + 1 for name, tensor in content["states"][0].items()}], CHECKSUM: "0" * 64,
    }  # fmt: skip
    torch.save(content | {key: other[key]}, path)
    assert "checksum" in refused(path)
    del content[CHECKSUM]
    torch.save(content | {key: other[key]}, path)
    assert key == CHECKSUM or load_bundle(path)


@pytest.mark.parametrize("checksum", [True, False])
def test_a_flipped_bit_is_refused_or_changes_nothing(bundle, tmp_path, checksum):
    path, rng = tmp_path / "w.pt", random.Random(0)
    save_bundle(bundle, path)
    if not checksum:
        changed(path, "schema", SCHEMA)
    data, known, kept = path.read_bytes(), load_bundle(path).fingerprint, 0
    for _ in range(200):
        flipped, bit = bytearray(data), rng.randrange(8 * len(data))
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        try:
            assert load_bundle(path).fingerprint == known
            kept += 1
        except InputError as error:
            assert len(str(error).splitlines()) == 1
    assert kept < 150  # what lies between the tensors, and what neither reader looks at


def test_the_fingerprint_is_that_of_the_content(bundle, tmp_path):
    first, again, older = tmp_path / "a.pt", tmp_path / "b.pt", tmp_path / "c.pt"
    for path in (first, again, older):
        save_bundle(bundle, path)
    changed(older, "schema", SCHEMA)
    assert first.read_bytes() == again.read_bytes()
    known = load_bundle(first).fingerprint
    assert torch.load(first, weights_only=True)[CHECKSUM] == known == load_bundle(older).fingerprint
    save_bundle(load_bundle(older), again, None)
    assert load_bundle(again).fingerprint == known
    assert replace(load_bundle(first), least_cm3=(0.0, 0.0)).fingerprint != known
    state = {name: tensor * 2 for name, tensor in bundle.states[0].items()}
    assert replace(bundle, states=(state,)).fingerprint != bundle.fingerprint


@pytest.mark.parametrize(
    "change",
    [
        {"states": NAN}, {"states": 1e6}, {"spacing_zyx": (0.0, 1.0, 1.0)}, {"mirror_axes": (0, 0)},
        {"provenance": {"x": Path("x")}}, {"patch_zyx": (4, 9, 8)},
    ],
)  # fmt: skip
def test_what_would_be_refused_is_not_written(bundle, tmp_path, change):
    """1e6 has no float16."""
    if "states" in change:
        value = change["states"]
        change = {"states": ({name: torch.full_like(t, value) for name, t in bundle.states[0].items()},)}
    with pytest.raises(InputError, match="w.pt: not written: "):
        save_bundle(replace(bundle, **change), tmp_path / "w.pt")
    assert not list(tmp_path.iterdir())


def test_only_regular_files_are_read_and_written(bundle, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "text").write_text("weights")
    for path in (tmp_path / "pipe", tmp_path, Path("/dev/zero"), tmp_path / "loop", tmp_path / "text",
    tmp_path / ("n" * 300),
                 tmp_path / "text" / "w.pt"):  # fmt: skip
        assert "no such weights file" not in refused(path)
    for path in (
        tmp_path / "pipe",
        tmp_path,
        Path("/dev/null"),
        tmp_path / "text" / "w.pt",
        tmp_path / ("n" * 300),
    ):
        with pytest.raises(InputError, match="cannot be written"):
            save_bundle(bundle, path)
    assert not Path("/dev/null").is_file()


def test_bundled_weights_are_readable_and_say_what_they_are(root):
    bundled = load_bundle(root / "weights" / "gtv.pt")
    assert {"data", "command", "commit", "date", "metrics"} <= set(bundled.provenance)
    if "--phantoms" in bundled.provenance["command"]:  # not a team's own weights in the same place
        assert "no patient data" in bundled.provenance["data"]


def test_a_calibration_is_kept_and_a_file_need_not_have_one(bundle, tmp_path):
    without = bundle.fingerprint
    save_bundle(bundle, tmp_path / "w.pt")
    assert load_bundle(tmp_path / "w.pt").confidence is None
    calibrated = replace(bundle, confidence=((-1.5, 0.75), (0.0, 1.0)))
    save_bundle(calibrated, tmp_path / "w.pt")
    assert load_bundle(tmp_path / "w.pt").confidence == ((-1.5, 0.75), (0.0, 1.0))
    longer = ((-1.5, 0.75, 0.5, 0.9), (0.0, 1.0, 0.0))
    save_bundle(replace(bundle, confidence=longer), tmp_path / "w.pt")
    assert load_bundle(tmp_path / "w.pt").confidence == longer
    assert calibrated.fingerprint != without
    assert calibrated.fingerprint_of_tensors == bundle.fingerprint_of_tensors


@pytest.mark.parametrize(
    "confidence",
    [
        (),
        1,
        ((0.0, 1.0),),
        ((0.0, 1.0), (0.0,)),
        ((0.0, 1.0, 0.0, 0.5, 0.5), (0.0, 1.0)),
        ((0.0, 1.0, 0.0, 1.5), (0.0, 1.0)),
        ((0.0, 1.0, 1e9, 0.5), (0.0, 1.0)),
        ((0.0, -1.0), (0.0, 1.0)),
        ((float("nan"), 1.0), (0.0, 1.0)),
    ],
)
def test_calibrations_that_are_none_are_refused(bundle, tmp_path, confidence):
    with pytest.raises(InputError, match="confidence"):
        save_bundle(replace(bundle, confidence=confidence), tmp_path / "w.pt")
