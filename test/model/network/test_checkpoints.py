"""Files of torch.save from anybody: read as torch does, or refused quickly in one line."""

import os
import pickle
import random
import zipfile
from pathlib import Path

import pytest
import torch

from model.network.checkpoints import MOST_VALUE_BYTES, check_regular, read_checkpoint
from model.network.plain import plain

CONTENT = {"w": torch.arange(6.0).reshape(2, 3), "deep": {"h": torch.ones(5).half(), "n": 3, "t": (1, "x")}}


def saved(path: Path, content: object = CONTENT, *, stream: bool = False) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=not stream)
    return path


def rewritten(path: Path, compression: int = zipfile.ZIP_STORED, **changes: bytes | None) -> Path:
    """The archive again with the records of these names (their last part) replaced, or left out where None."""
    with zipfile.ZipFile(path) as archive:
        records = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in records.items():
            new = changes.get(name.rsplit("/", 1)[-1].replace(".", "_"), data)
            if new is not None:
                archive.writestr(name, new)
    return path


def data_pickle(path: Path) -> bytes:
    with zipfile.ZipFile(path) as archive:
        return archive.read(next(name for name in archive.namelist() if name.endswith("data.pkl")))


def refused(path: Path, **options) -> str:
    with pytest.raises((ValueError, OSError)) as error:
        read_checkpoint(path, **options)
    assert "\n" not in str(error.value) and len(str(error.value)) < 400
    return str(error.value)


@pytest.mark.parametrize("stream", [False, True])
def test_what_torch_saved_is_read(stream, tmp_path):
    content = read_checkpoint(saved(tmp_path / "w.pt", stream=stream), streams=stream)
    assert torch.equal(content["w"], CONTENT["w"]) and torch.equal(content["deep"]["h"], CONTENT["deep"]["h"])
    assert content["deep"]["t"] == (1, "x")


def test_streams_are_refused_unless_asked_for(tmp_path):
    assert "no archive" in refused(saved(tmp_path / "w.pt", stream=True))


@pytest.mark.parametrize("name", ["data_pkl", "0", "1"])
def test_compressed_records_are_refused_without_unpacking(name, tmp_path):
    path = rewritten(saved(tmp_path / "w.pt"), zipfile.ZIP_DEFLATED, **{name: bytes(10**7)})
    assert path.stat().st_size < 1e5 and "compressed" in refused(path)


def test_flipped_bits_in_values_and_tensors_are_refused(tmp_path):
    path = saved(tmp_path / "w.pt")
    whole = path.read_bytes()
    for part in (data_pickle(path), CONTENT["w"].numpy().tobytes(), CONTENT["deep"]["h"].numpy().tobytes()):
        damaged = bytearray(whole)
        damaged[whole.index(part) + len(part) // 2] ^= 4
        path.write_bytes(damaged)
        assert "checksum" in refused(path)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "count",
    [
        b"M\xff\xff",
        b"J\xff\xff\xff\x7f",
        b"\x8a\x05\x00\x00\x00\x00\x10",
        b"J\xff\xff\xff\xff",
        b"G" + bytes(8),
    ],
)
def test_tensors_that_claim_more_data_than_there_is_are_refused(count, stream, tmp_path):
    """torch would read past the record's end."""
    path = saved(tmp_path / "w.pt", stream=stream)
    original = path.read_bytes() if stream else data_pickle(path)
    changed = original.replace(b"K\x06N" if stream else b"K\x06t", count + (b"N" if stream else b"t"))
    assert changed != original
    if stream:
        path.write_bytes(changed)
    else:
        rewritten(path, data_pkl=changed)
    message = refused(path, streams=stream)
    assert "as a whole" in message or "which weights are not" in message


@pytest.mark.parametrize(
    "sides", [b"M\xff\xffM\xff\xff\x86", b"K\x02J\xff\xff\xff\xff\x86", b"K\x02K\x04\x86", b"K\x02\x85"]
)
@pytest.mark.parametrize("stream", [False, True])
def test_a_view_beyond_its_data_is_refused(sides, stream, tmp_path):
    """Of a stream torch would make the data larger."""
    path = saved(tmp_path / "w.pt", stream=stream)
    original = path.read_bytes() if stream else data_pickle(path)
    changed = original.replace(b"K\x02K\x03\x86", sides)
    assert changed != original
    if stream:
        path.write_bytes(changed)
    else:
        rewritten(path, data_pkl=changed)
    refused(path, streams=stream)


@pytest.mark.parametrize("name", ["data_pkl", "0", "1"])
def test_missing_records_are_refused(name, tmp_path):
    refused(rewritten(saved(tmp_path / "w.pt"), **{name: None}))


@pytest.mark.parametrize(
    "pickled",
    [
        b"", b"(" * 1000, b"N.", b"]" * 10**5 + b"a" * (10**5 - 1) + b".",
        b"\x80\x02r\xff\xff\xff\x7f.", b"\x80\x02]r\xff\xff\xff\xff.",
        b"(lp0\n" * 1000, b"cos\nsystem\n(S'true'\ntR.", b"c__builtin__\neval\n.", b"\x80\x63.", bytes(range(256)),
        b"\x80\x05\x96\x00\x00\x00\x00\x02\x00\x00\x00.",
        b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\x7f", b"I" + b"9" * 10_000 + b"\n.", b"Q.", b"K\x01Q.",
        b"\x82\x01.",
        b"}}}u.", b"}]K\x01s.", b"N}b.", b"]]e.", b"K\x01K\x01R.", b"(i__main__\nX\n.",
    ],
)  # fmt: skip
@pytest.mark.parametrize("stream", [False, True])
def test_hostile_pickles_are_plain_values_or_one_line(pickled, stream, tmp_path, capfd):
    path = saved(tmp_path / "w.pt", stream=stream)
    if stream:
        path.write_bytes(pickled)
    else:
        rewritten(path, data_pkl=pickled)
    try:
        assert plain(read_checkpoint(path, streams=stream)) in ([], None)
    except (ValueError, OSError) as error:
        assert "\n" not in str(error) and len(str(error)) < 400
    assert capfd.readouterr() == ("", "")


def test_more_values_than_any_checkpoint_has_are_refused_unread(tmp_path):
    path = rewritten(saved(tmp_path / "w.pt"), data_pkl=bytes(MOST_VALUE_BYTES + 1))
    assert "more plain values" in refused(path)


def test_archives_of_something_else_are_refused(tmp_path):
    for name, records in (
        ("a", {}),
        ("b", {"x/y.txt": b""}),
        ("c", {"data.pkl": b"N."}),
        ("d", {"a/data.pkl": b"N.", "b/data.pkl": b"N."}),
    ):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            for inner, data in records.items():
                archive.writestr(inner, data)
        refused(tmp_path / name)
    for data in (
        b"",
        b"text",
        b"PK\x05\x06" + bytes(18),
        b"version https://git-lfs",
        pickle.dumps([1]),
        bytes(10**6),
    ):
        (tmp_path / "w.pt").write_bytes(data)
        refused(tmp_path / "w.pt", streams=True)


def test_random_bytes_in_the_values_never_do_anything_else(tmp_path):
    path, rng = tmp_path / "w.pt", random.Random(0)
    original = data_pickle(saved(path))
    for _ in range(100):
        changed = bytearray(original)
        for _ in range(rng.randrange(1, 6)):
            changed[rng.randrange(len(changed))] = rng.randrange(256)
        rewritten(saved(path), data_pkl=bytes(changed))
        try:
            read_checkpoint(path)
        except (ValueError, OSError) as error:
            assert "\n" not in str(error)


def test_only_regular_files_are_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "pipe", tmp_path / "folder", Path("/dev/zero"), Path("/dev/null")):
        assert "regular" in refused(path)
    for path in (tmp_path / "loop", tmp_path / "none", tmp_path / ("n" * 300), saved(tmp_path / "w") / "x"):
        with pytest.raises(OSError):
            read_checkpoint(path)
    with pytest.raises(ValueError, match="more than any"):
        check_regular(saved(tmp_path / "w"), 10)
