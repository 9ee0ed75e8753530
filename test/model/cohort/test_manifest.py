"""The manifest: what is written survives, what is finished is known."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from model.cases import Case
from model.cohort.manifest import Entry, Manifest, Origin, inputs_of, is_finished, is_of_others
from model.errors import InputError
from model.images.choice import SINGLE
from model.installed import sha256_of

ORIGIN = Origin("1.0", "abc", {"tta": True})


def entry(case: str = "a", **changes) -> Entry:
    return replace(
        Entry(case, "done", f"{case}.nii.gz", "", [], 1.5, 1.0, 2.0, 3.0, [], None, ORIGIN), **changes
    )


def test_lines_come_back_and_the_last_of_a_case_counts(tmp_path):
    manifest = Manifest(tmp_path)
    assert manifest.read() == {}
    for line in (entry("a", status="failed"), entry("b"), entry("a", warnings=["odd"])):
        manifest.append(line)
    read = manifest.read()
    assert list(read) == ["a", "b"]
    assert read["a"]["status"] == "done" and read["a"]["warnings"] == ["odd"]
    assert read["b"]["version"] == "1.0" and read["b"]["options"] == {"tta": True}
    assert len(manifest.path.read_text().splitlines()) == 3


@pytest.mark.parametrize(
    "torn", [b'{"case": "x", "sta', b"\xff\xfe", b"[1]\n", b"[" * 10000, b"null\n", b'{"case": 1}\n']
)
def test_what_a_crash_left_is_passed_over(tmp_path, torn):
    manifest = Manifest(tmp_path)
    manifest.append(entry("a"))
    with manifest.path.open("ab") as file:
        file.write(torn)
    manifest.append(entry("b"))
    assert list(manifest.read()) == ["a", "b"]


@pytest.mark.parametrize("name", ["é/ü", "a\nb", 'x"y', os.fsdecode(b"\xff"), "x" * 250])
def test_any_name_is_one_line_of_json(tmp_path, name):
    manifest = Manifest(tmp_path)
    manifest.append(entry(name))
    (line,) = manifest.path.read_bytes().splitlines()
    assert json.loads(line)["case"] == name
    assert name in manifest.read()


def test_a_manifest_starts_anew(tmp_path):
    manifest = Manifest(tmp_path)
    manifest.start_anew()
    manifest.append(entry("a"))
    manifest.start_anew()
    assert manifest.read() == {}


def test_a_manifest_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "manifest.jsonl").mkdir()
    with pytest.raises(InputError, match="manifest.jsonl"):
        Manifest(tmp_path).append(entry())
    (tmp_path / "full").mkdir()
    (tmp_path / "full/manifest.jsonl").symlink_to("/dev/full")
    with pytest.raises(InputError, match="No space left"):
        Manifest(tmp_path / "full").append(entry())


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "dead link", "loop"])
def test_what_is_no_manifest_is_one_line_at_once(tmp_path, kind):
    path = tmp_path / "manifest.jsonl"
    {
        "pipe": lambda: os.mkfifo(path),
        "device": lambda: path.symlink_to("/dev/full"),
        "folder": path.mkdir,
        "dead link": lambda: path.symlink_to(tmp_path / "none/x"),
        "loop": lambda: path.symlink_to(path),
    }[kind]()
    with pytest.raises(InputError, match="manifest.jsonl"):
        Manifest(tmp_path).read()
        Manifest(tmp_path).check()


@pytest.fixture
def finished(tmp_path) -> tuple[Case, dict]:
    """A case whose result is there, and its line."""
    for name in ("ct", "ce"):
        sitk.WriteImage(sitk.GetImageFromArray(np.zeros((4, 5, 6), np.int16)), str(tmp_path / f"{name}.mha"))
    case = Case("a", tmp_path / "ct.mha", tmp_path / "ce.mha", tmp_path / "a.nii.gz", "label_map")
    case.output.write_bytes(b"mask")
    line = entry(sha256=sha256_of(case.output), inputs=inputs_of(case)).line()
    return case, json.loads(line)


def test_a_finished_case_is_known(finished):
    case, line = finished
    assert is_finished(case, line, ORIGIN)
    assert not is_finished(case, None, ORIGIN)


def test_a_study_that_was_allowed_to_have_one_ct_is_not_finished_without_that(finished):
    case, line = finished
    line["warnings"] = [f"{case.ct.parent}: {SINGLE}"]
    study = replace(case, study=True)
    assert is_finished(case, line, ORIGIN) and not is_finished(study, line, ORIGIN)
    assert is_finished(replace(study, single=True), line, ORIGIN)


@pytest.mark.parametrize("status", ["failed", "empty", "", None])
def test_only_what_is_done_is_finished(finished, status):
    case, line = finished
    assert not is_finished(case, line | {"status": status}, ORIGIN)


@pytest.mark.parametrize("change", [{"version": "2.0"}, {"weights": "x"}, {"options": {"tta": False}}])
def test_other_software_weights_or_options_are_another_result(finished, change):
    case, line = finished
    assert not is_finished(case, line, replace(ORIGIN, **change))


@pytest.mark.parametrize("change", ["result gone", "result cut", "ct gone", "ct changed", "ce touched"])
def test_what_has_changed_is_done_again(finished, change):
    case, line = finished
    if change == "result gone":
        case.output.unlink()
    elif change == "result cut":
        case.output.write_bytes(b"mas")
    elif change == "ct gone":
        case.ct.unlink()
    elif change == "ct changed":
        case.ct.write_bytes(case.ct.read_bytes() + b"x")
    else:
        os.utime(case.ce, ns=(1, 1))
    assert not is_finished(case, line, ORIGIN)


@pytest.mark.parametrize("at", [0, 100_000, 399_999])
def test_files_of_one_size_and_time_are_told_apart_by_their_content(tmp_path, at):
    """As two patients' may be that come out of an archive with one time for all."""
    case, lines = (
        Case("a", tmp_path / "1", tmp_path / "2", tmp_path / "a.nii.gz", "label_map", study=True),
        [],
    )
    for folder in (case.ct, case.ce):
        folder.mkdir()
    for k in (0, 1):
        content = bytearray(400_000)
        content[at] = k
        (case.ct / "slice").write_bytes(content)
        os.utime(case.ct / "slice", ns=(0, 0))
        lines.append(json.loads(entry(inputs=inputs_of(case)).line()))
    assert lines[0]["inputs"] != lines[1]["inputs"]
    assert is_of_others(case, lines[0]) and not is_of_others(case, lines[1])
    os.utime(case.ct / "slice", ns=(5, 5))
    assert not is_of_others(case, lines[1])
    for unknown in (None, {}, {"inputs": []}, {"inputs": [["slice", 400_000, 0]]}, {"inputs": 3}):
        assert not is_of_others(case, unknown)


def test_a_pipe_among_the_slices_is_not_waited_for(tmp_path):
    (tmp_path / "1").touch()
    os.mkfifo(tmp_path / "2")
    case = Case("p", tmp_path, tmp_path, tmp_path / "p.nii.gz", "label_map", study=True)
    assert [row[0] for row in inputs_of(case)] == ["1", "2"]


def test_voxels_beside_a_header_and_slices_are_inputs_too(tmp_path):
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((4, 5, 6), np.int16)), str(tmp_path / "ct.mhd"))
    (tmp_path / "series").mkdir()
    for k in range(3):
        (tmp_path / f"series/{k}.dcm").touch()
    case = Case("a", tmp_path / "ct.mhd", tmp_path / "series", Path("a"), "label_map")
    assert [name for name, *_ in inputs_of(case)] == ["ct.mhd", "ct.raw", "0.dcm", "1.dcm", "2.dcm"]


def test_of_a_study_all_files_below_count_once(tmp_path):
    for name in ("a/1", "b/c/2", ".x"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    case = Case("p", tmp_path, tmp_path, tmp_path / "p.nii.gz", "label_map", study=True)
    assert [(name, size) for name, size, *_ in inputs_of(case)] == [("1", 3), ("2", 5)]
