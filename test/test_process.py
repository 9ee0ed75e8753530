"""The entrypoint and the invoke server with a predictor that thresholds instead of thinking."""

import hashlib
import http.client
import json
import os
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from faults.slices import write_slice

import model
import model.inference.predictor
import model.network.bundle
import process
from model import installed
from model.cases import CE_SLUG, CT_SLUG
from model.cohort import segmenting
from model.errors import InputError
from model.inference.confidence import Trust
from model.inference.predictor import Segmentation
from model.installed import BUNDLED
from model.preprocessing.restore import Inside
from model.serve import make_server
from model.structures import MAP_FOLDERS
from model.terminal import Loudness, choose_loudness

SHAPE = (4, 5, 6)
ROOT = Path(process.__file__).parent
PRIMARY = (1, 2, 3)  # voxels (z, y, x) in canonical orientation
NODE = (2, 0, 0)


class FakePredictor:
    """GTVp where the CT is above 1000, GTVnd where the contrast CT is above 2000."""

    device = torch.device("cpu")

    def __init__(self, *arguments) -> None:
        pass

    def begin_reader(self) -> None:
        pass

    def prepare(self, pair, log=None) -> np.ndarray:
        labels = (pair.ct > 1000).astype(np.uint8)
        labels[pair.ce > 2000] = 2
        return labels

    def predict_and_restore(self, prepared: np.ndarray, input_shape, log=None) -> Segmentation:
        assert prepared.shape == input_shape
        return Segmentation(prepared, 0.25)


@pytest.fixture(autouse=True)
def fake_model(monkeypatch):
    monkeypatch.setattr(model.network.bundle, "load_bundle", lambda path: SimpleNamespace(confidence=None))
    monkeypatch.setattr(model.inference.predictor, "Predictor", FakePredictor)


def ct_image(marked=None, value=1500, origin=(1.0, 2.0, 3.0)) -> sitk.Image:
    array = np.full(SHAPE, -500, np.int16)
    if marked is not None:
        array[marked] = value
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((10, 10, 5))
    image.SetOrigin(origin)
    return image


def save_pair(ct_path: Path, ce_path: Path, code: str = "LPS") -> None:
    for path, image in ((ct_path, ct_image(PRIMARY)), (ce_path, ct_image(NODE, 2500))):
        path.parent.mkdir(parents=True, exist_ok=True)
        sitk.WriteImage(sitk.DICOMOrient(image, code), str(path), True)


def save_exec(root: Path, code: str = "LPS") -> tuple[Path, Path]:
    ct, ce = root / "images" / CT_SLUG / "plain.mha", root / "images" / CE_SLUG / "contrast.mha"
    save_pair(ct, ce, code)
    return ct, ce


def save_segrap(root: Path, *names: str) -> None:
    for name in names:
        save_pair(*(root / name / f"{stem}.nii.gz" for stem in ("image", "image_contrast")))


def call(tmp_path: Path, *options: str, source: str = "in") -> int:
    return process.main(["--input", str(tmp_path / source), "--output", str(tmp_path / "out"), *options])


def files_in(folder: Path) -> list[str]:
    """All but the manifest."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != "manifest.jsonl")
    return sorted(str(path.relative_to(folder)) for path in files)


def one_error(capsys) -> str:
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: ") and "; " in lines[0]
    return lines[0]


@pytest.mark.parametrize("code", ["LPS", "RAS", "SLP"])
def test_exec_writes_one_4d_file_on_the_cts_grid(tmp_path, capsys, code):
    ct, _ = save_exec(tmp_path / "in", code)
    assert call(tmp_path) == 0
    assert files_in(tmp_path / "out") == ["images/gross-tumor-volume-segmentation/plain.mha"]
    masks = sitk.ReadImage(str(tmp_path / "out/images/gross-tumor-volume-segmentation/plain.mha"))
    image = sitk.ReadImage(str(ct))
    assert masks.GetSize() == (*image.GetSize(), 2)
    assert masks.GetOrigin()[:3] == image.GetOrigin() and masks.GetSpacing()[:3] == image.GetSpacing()
    gtvp, gtvnd = sitk.GetArrayFromImage(masks)
    np.testing.assert_array_equal(gtvp, sitk.GetArrayFromImage(image) > 1000)
    assert gtvnd.sum() == 1 and not (gtvp & gtvnd).any()
    captured = capsys.readouterr()
    assert captured.err == ""
    last = captured.out.splitlines()[-1]
    for part in ("plain: ", "GTVp 0.5 cm³", "GTVnd 0.5 cm³", "network 0.2 s", "rest", "peak memory"):
        assert part in last
    assert len(captured.out.splitlines()) == 4  # load, read, write, the case


def test_segrap2025_writes_a_label_map_per_case(tmp_path):
    save_segrap(tmp_path / "in", "Cohort1/image/a", "Cohort2/image/b")
    assert call(tmp_path) == 0
    assert files_in(tmp_path / "out") == ["Cohort1/a.nii.gz", "Cohort2/b.nii.gz"]
    labels = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "out/Cohort2/b.nii.gz")))
    expected = np.zeros(SHAPE, np.uint8)
    expected[PRIMARY], expected[NODE] = 1, 2
    np.testing.assert_array_equal(labels, expected)


def test_nnunet_and_folder_layouts(tmp_path):
    save_pair(tmp_path / "nnunet/a_0000.nrrd", tmp_path / "nnunet/a_0001.nrrd")
    save_segrap(tmp_path / "folder", "b")
    assert call(tmp_path, source="nnunet") == 0 and call(tmp_path, source="folder") == 0
    assert files_in(tmp_path / "out") == ["a.nrrd", "b.nii.gz"]


def save_study(folder: Path, *descriptions: str) -> None:
    """Series of six slices in one folder, without suffix; the GTVp is marked in the first, the GTVnd in the last."""
    for number, description in enumerate(descriptions):
        for k in range(6):
            stored = np.full((5, 6), 524, np.uint16)
            stored[2, 3] += 2000 * (k == 1 and not number) + 3500 * (k == 4 and number > 0)
            tags = {"SeriesDescription": description, "SeriesInstanceUID": f"1.2.3.{number}"}
            place = {"ImagePositionPatient": [0, 0, 5 * k], "PixelSpacing": [10, 10]}
            uids = {"SOPInstanceUID": f"1.2.3.{number}.{k}", "StudyInstanceUID": f"1.2.{folder.name}"}
            write_slice(folder / "DICOM" / f"I{number}{k}", stored, **tags, **place, **uids)


def test_dicom_of_any_name_is_segmented_and_what_is_unclear_is_listed(tmp_path, capsys):
    save_study(tmp_path / "in" / "1", "Hals nativ", "Hals mit KM")
    save_study(tmp_path / "in" / "2", "A", "B", "C")
    assert call(tmp_path) == 2
    captured = capsys.readouterr()
    labels = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "out/1.nii.gz")))
    assert [tuple(place) for place in np.argwhere(labels)] == [(1, 2, 3), (4, 2, 3)]
    assert (labels[1, 2, 3], labels[4, 2, 3]) == (1, 2)
    (said,) = [line for line in captured.out.splitlines() if line.startswith("DICOM in ")]
    assert (
        'non-contrast CT ("Hals nativ", 6 slices)' in said and 'contrast CT ("Hals mit KM", 6 slices)' in said
    )
    (error,) = captured.err.splitlines()
    assert error.startswith(f"error: {tmp_path / 'in' / '2'}: DICOM of 3 series, but no non-contrast CT")
    assert '("A", 6 slices), ("B", 6 slices), ("C", 6 slices)' in error
    assert files_in(tmp_path / "out") == ["1.nii.gz"]
    assert call(tmp_path, "--resume", "--on-error", "empty") == 0
    assert "1 of 2 cases are finished" in capsys.readouterr().out
    assert files_in(tmp_path / "out") == ["1.nii.gz", "2.nii.gz"]


def break_case(folder: Path, how: str) -> str:
    """Break a segrap2025 case; returns what the error names."""
    ct, ce = folder / "image.nii.gz", folder / "image_contrast.nii.gz"
    if how == "no contrast":
        ce.unlink()
        return str(ce)
    if how == "truncated":
        ct.write_bytes(ct.read_bytes()[:-20])
        return str(ct)
    if how == "4D":
        sitk.WriteImage(sitk.JoinSeries([ct_image(), ct_image()]), str(ct))
        return str(ct)
    if how == "no overlap":
        sitk.WriteImage(ct_image(origin=(999, 0, 0)), str(ce))
        return str(ce)
    sitk.WriteImage(ct_image(), str(folder / "image.mha"))
    return "image.mha"


FAULTS = ["no contrast", "truncated", "4D", "no overlap", "ambiguous"]


@pytest.mark.parametrize("how", FAULTS)
def test_a_bad_case_does_not_sink_the_others(tmp_path, capsys, how):
    save_segrap(tmp_path / "in", "Cohort1/image/a", "Cohort1/image/b", "Cohort2/image/c")
    named = break_case(tmp_path / "in/Cohort1/image/a", how)
    assert call(tmp_path) == 2
    assert named in one_error(capsys)
    assert files_in(tmp_path / "out") == ["Cohort1/b.nii.gz", "Cohort2/c.nii.gz"]


@pytest.mark.parametrize("how", FAULTS)
def test_a_bad_case_gets_an_empty_mask_if_asked_for(tmp_path, capsys, how):
    save_segrap(tmp_path / "in", "Cohort1/image/a", "Cohort2/image/c")
    break_case(tmp_path / "in/Cohort1/image/a", how)
    assert call(tmp_path, "--on-error", "empty") == 0
    one_error(capsys)
    assert files_in(tmp_path / "out") == ["Cohort1/a.nii.gz", "Cohort2/c.nii.gz"]
    mask = sitk.ReadImage(str(tmp_path / "out/Cohort1/a.nii.gz"))
    assert mask.GetSize() == SHAPE[::-1] and not sitk.GetArrayFromImage(mask).any()
    assert mask.GetOrigin() == ct_image().GetOrigin() and mask.GetSpacing() == ct_image().GetSpacing()


def test_an_empty_mask_takes_the_contrast_cts_grid_where_the_ct_is_missing(tmp_path):
    save_segrap(tmp_path / "in", "Cohort1/image/a")
    (tmp_path / "in/Cohort1/image/a/image.nii.gz").unlink()
    assert call(tmp_path, "--on-error", "empty") == 0
    assert sitk.ReadImage(str(tmp_path / "out/Cohort1/a.nii.gz")).GetSize() == SHAPE[::-1]


def test_without_any_geometry_there_is_no_empty_mask(tmp_path, capsys):
    save_segrap(tmp_path / "in", "Cohort1/image/a", "Cohort1/image/b")
    for file in (tmp_path / "in/Cohort1/image/a").iterdir():
        file.write_bytes(b"")
    assert call(tmp_path, "--on-error", "empty") == 2
    one_error(capsys)
    assert files_in(tmp_path / "out") == ["Cohort1/b.nii.gz"]


def test_an_empty_exec_result_has_both_channels(tmp_path):
    _, ce = save_exec(tmp_path / "in")
    ce.write_bytes(ce.read_bytes()[:-20])
    assert call(tmp_path, "--on-error", "empty") == 0
    masks = sitk.ReadImage(str(tmp_path / "out/images/gross-tumor-volume-segmentation/plain.mha"))
    assert masks.GetSize() == (*SHAPE[::-1], 2) and not sitk.GetArrayFromImage(masks).any()


@pytest.mark.parametrize(
    "how", ["no input", "no contrast folder", "two files", "truncated", "NaN", "unwritable"]
)
def test_wrong_exec_input_is_one_line_and_leaves_nothing(tmp_path, capsys, how):
    ct, ce = save_exec(tmp_path / "in")
    options = []
    if how == "no input":
        options = ["--input", str(tmp_path / "nowhere")]
    elif how == "no contrast folder":
        ce.unlink()
        ce.parent.rmdir()
    elif how == "two files":
        (ct.parent / "second.mha").write_bytes(ct.read_bytes())
    elif how == "truncated":
        ct.write_bytes(ct.read_bytes()[:-20])
    elif how == "NaN":
        sitk.WriteImage(sitk.GetImageFromArray(np.full(SHAPE, np.nan, np.float32)), str(ct))
    else:
        (tmp_path / "file").touch()
        options = ["--output", str(tmp_path / "file")]
    assert call(tmp_path, *options) == 2
    one_error(capsys)
    assert not (tmp_path / "out").exists()


def lines_of(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]


def test_a_failing_case_does_not_leave_an_earlier_result_under_its_name(tmp_path, capsys):
    save_segrap(tmp_path / "in", "Cohort1/image/a", "Cohort1/image/b")
    assert call(tmp_path) == 0
    break_case(tmp_path / "in/Cohort1/image/a", "truncated")
    capsys.readouterr()
    assert call(tmp_path) == 2
    assert "removed 2 results of an earlier run" in capsys.readouterr().out
    assert files_in(tmp_path / "out") == ["Cohort1/b.nii.gz"]


def test_an_exec_case_without_contrast_leaves_no_earlier_result(tmp_path, capsys, monkeypatch):
    _, ce = save_exec(tmp_path / "in")
    assert call(tmp_path) == 0
    ce.unlink()
    capsys.readouterr()
    monkeypatch.setattr(model.network.bundle, "load_bundle", lambda path: pytest.fail("loaded"))
    assert call(tmp_path) == 2
    assert f"{ce.parent}: empty" in one_error(capsys)
    assert not (tmp_path / "out").exists() or files_in(tmp_path / "out") == []


def test_an_earlier_result_of_another_suffix_is_removed(tmp_path):
    for suffix in (".mha", ".nrrd"):
        shutil.rmtree(tmp_path / "in", ignore_errors=True)
        save_pair(*(tmp_path / f"in/a/{stem}{suffix}" for stem in ("image", "image_contrast")))
        assert call(tmp_path) == 0
    assert files_in(tmp_path / "out") == ["a.nrrd"]


def test_another_patients_mask_where_the_platform_takes_one_is_told(tmp_path, capsys):
    ct, _ = save_exec(tmp_path / "in")
    assert call(tmp_path) == 0
    ct.rename(ct.with_name("other.mha"))
    assert "the platform takes one" not in capsys.readouterr().out
    assert call(tmp_path) == 0
    assert "also holds plain.mha: the platform takes one file alone" in capsys.readouterr().out


def test_channels_that_are_described_the_other_way_round_are_refused(tmp_path, capsys):
    save_pair(*(tmp_path / f"in/imagesTs/a_{channel}.nii.gz" for channel in ("0000", "0001")))
    names = {"0": "contrast-enhanced CT", "1": "non-contrast CT"}
    description = tmp_path / "in/dataset.json"
    description.write_text(json.dumps({"channel_names": names}))
    for source in ("in", "in/imagesTs"):
        assert call(tmp_path, source=source) == 2
        assert f"{description}: channels are not first the CT without" in one_error(capsys)
    description.write_text(json.dumps({"channel_names": {"0": "CT", "1": "CE"}}))
    assert call(tmp_path) == 0


@pytest.mark.parametrize("name", ["MASK.NII.GZ", "mask.MHA", "Mask.Nii"])
def test_a_result_may_have_a_suffix_in_capitals(tmp_path, name):
    save_pair(*(tmp_path / f"in/{stem}.nii.gz" for stem in ("image", "image_contrast")))
    assert process.main(["--input", str(tmp_path / "in"), "--output", str(tmp_path / name)]) == 0
    assert (tmp_path / name).stat().st_size


def test_the_manifest_tells_what_came_of_each_case(tmp_path):
    save_segrap(tmp_path / "in", "Cohort1/image/a", "Cohort2/image/b", "Cohort2/image/c")
    break_case(tmp_path / "in/Cohort1/image/a", "truncated")
    sitk.WriteImage(
        ct_image(NODE, 2500, origin=(1.0, 2.0, 3.5)), str(tmp_path / "in/Cohort2/image/b/image.nii.gz")
    )
    assert call(tmp_path) == 2
    a, b, c = lines_of(tmp_path / "out")
    assert (a["case"], a["status"], a["result"], a["gtvp_cm3"]) == ("Cohort1/a", "failed", "", None)
    assert "truncated" in a["error"] and str(tmp_path) in a["error"]
    assert (c["status"], c["gtvp_cm3"], c["gtvnd_cm3"], c["error"]) == ("done", 0.5, 0.5, None)
    written = (tmp_path / "out" / c["result"]).read_bytes()
    assert c["sha256"] == hashlib.sha256(written).hexdigest()
    assert c["weights"] == hashlib.sha256(BUNDLED.read_bytes()).hexdigest()
    assert c["options"]["tta"] is True and c["version"] == model.VERSION
    assert c["seconds"] >= 0 and c["network_seconds"] == 0.25
    assert b["status"] == "done"


def test_a_manifest_is_of_one_run(tmp_path):
    save_segrap(tmp_path / "in", "Cohort1/image/a", "Cohort1/image/b")
    assert call(tmp_path) == call(tmp_path) == 0
    assert [line["case"] for line in lines_of(tmp_path / "out")] == ["Cohort1/a", "Cohort1/b"]


def test_resume_does_what_is_missing_alone(tmp_path, capsys, monkeypatch):
    save_segrap(tmp_path / "in", "Cohort1/image/a", "Cohort1/image/b", "Cohort1/image/c")
    assert call(tmp_path) == 0
    (tmp_path / "out/Cohort1/b.nii.gz").unlink()
    (tmp_path / "out/Cohort1/c.nii.gz").write_bytes(b"cut")
    kept = (tmp_path / "out/Cohort1/a.nii.gz").stat().st_mtime_ns
    assert call(tmp_path, "--resume") == 0
    assert "resume: 1 of 3 cases are finished" in capsys.readouterr().out
    assert (tmp_path / "out/Cohort1/a.nii.gz").stat().st_mtime_ns == kept
    contents = {(tmp_path / f"out/Cohort1/{name}.nii.gz").read_bytes() for name in "abc"}
    assert len(contents) == 1
    monkeypatch.setattr(model.network.bundle, "load_bundle", lambda path: pytest.fail("loaded"))
    assert call(tmp_path, "--resume") == 0  # all finished: no weights are needed


def test_resume_sees_cts_that_were_replaced_while_they_were_worked_on(tmp_path, capsys, monkeypatch):
    save_segrap(tmp_path / "in", "Cohort1/image/a", "Cohort1/image/b")
    prepare = FakePredictor.prepare

    def and_replace(self, pair, log=None):
        os.utime(tmp_path / "in/Cohort1/image/a/image.nii.gz", ns=(1, 1))
        return prepare(self, pair, log)

    monkeypatch.setattr(FakePredictor, "prepare", and_replace)
    assert call(tmp_path) == 0
    assert call(tmp_path, "--resume") == 0
    assert "resume: 1 of 2 cases are finished" in capsys.readouterr().out


def test_resume_with_other_options_does_all_again(tmp_path, capsys):
    save_segrap(tmp_path / "in", "Cohort1/image/a", "Cohort1/image/b")
    assert call(tmp_path) == 0
    assert call(tmp_path, "--resume", "--no-tta") == 0
    assert "resume: 0 of 2" in capsys.readouterr().out


def test_one_case_has_its_line_in_a_file_of_its_own(tmp_path, capsys):
    save_exec(tmp_path / "in")
    assert call(tmp_path, "--json", str(tmp_path / "told/case.json")) == 0
    told = json.loads((tmp_path / "told/case.json").read_text())
    assert (told["case"], told["status"], told["gtvp_cm3"]) == ("plain", "done", 0.5)
    assert files_in(tmp_path / "out") == ["images/gross-tumor-volume-segmentation/plain.mha"]
    assert not (tmp_path / "out/manifest.jsonl").exists()  # the platform takes what lies in the output
    save_segrap(tmp_path / "two", "Cohort1/image/a", "Cohort1/image/b")
    assert call(tmp_path, "--json", str(tmp_path / "x.json"), source="two") == 2
    assert "--json: 2 cases" in one_error(capsys)
    assert call(tmp_path, "--resume") == 2
    assert "--resume" in one_error(capsys)


@pytest.mark.parametrize("name", ["in/a/image.nii.gz", "out/a.nii.gz", "out/manifest.jsonl", "x.pt", "in"])
def test_the_file_of_one_case_replaces_nothing_else(tmp_path, capsys, name):
    save_pair(tmp_path / "in/a/image.nii.gz", tmp_path / "in/a/image_contrast.nii.gz")
    (tmp_path / "x.pt").write_bytes(b"weights")
    before = (tmp_path / "in/a/image.nii.gz").read_bytes()
    assert call(tmp_path, "--json", str(tmp_path / name)) == 2
    assert "--json" in one_error(capsys) and files_in(tmp_path / "out") == []
    assert (tmp_path / "in/a/image.nii.gz").read_bytes() == before and (tmp_path / "x.pt").stat().st_size == 7


def test_the_share_of_a_rank_is_done(tmp_path, monkeypatch, capsys):
    save_segrap(tmp_path / "in", *(f"Cohort1/image/{name}" for name in "abc"))
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    assert call(tmp_path) == 0
    assert files_in(tmp_path / "out") == ["Cohort1/b.nii.gz"]
    assert "this is process 1 of 2 (RANK, WORLD_SIZE): 1 of 3 cases are its" in capsys.readouterr().out
    monkeypatch.setenv("RANK", "0")
    assert call(tmp_path) == 0
    assert files_in(tmp_path / "out") == [f"Cohort1/{name}.nii.gz" for name in "abc"]
    assert sorted(line["case"] for line in lines_of(tmp_path / "out")) == [
        f"Cohort1/{name}" for name in "abc"
    ]


def test_too_little_memory_is_one_line(tmp_path, capsys, monkeypatch):
    def no_memory(self, prepared, shape, log):
        raise RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(FakePredictor, "predict_and_restore", no_memory)
    save_exec(tmp_path / "in")
    assert call(tmp_path) == 2
    assert "plain: not enough memory" in one_error(capsys)


def test_output_problems_are_found_before_the_model_is_loaded(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(model.network.bundle, "load_bundle", lambda path: pytest.fail("loaded"))
    save_exec(tmp_path / "in")
    assert call(tmp_path, "--output", "/proc/self/nowhere") == 2
    assert "/proc/self/nowhere" in one_error(capsys)


def test_weights_problems_are_told_before_those_of_the_cts(tmp_path, capsys, monkeypatch):
    def refuse(path):
        raise InputError(path, "other schema", "import anew")

    monkeypatch.setattr(model.network.bundle, "load_bundle", refuse)
    ct, _ = save_exec(tmp_path / "in")
    ct.write_bytes(b"damaged")
    assert call(tmp_path, "--weights", "mine.pt") == 2
    assert one_error(capsys) == "error: mine.pt: other schema; import anew"
    assert not (tmp_path / "out").exists()


def test_interruption_is_130_and_leaves_nothing(tmp_path, monkeypatch):
    def interrupt(self, pair, log):
        raise KeyboardInterrupt

    monkeypatch.setattr(FakePredictor, "prepare", interrupt)
    save_exec(tmp_path / "in")
    assert call(tmp_path) == 130
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", [RuntimeError, ZeroDivisionError, OSError])
def test_a_case_that_fails_otherwise_does_not_sink_the_others(tmp_path, capsys, monkeypatch, kind):
    """One line for it among several; alone, the traceback says more."""
    prepare = FakePredictor.prepare
    calls = []

    def fails_once(self, pair, log):
        calls.append(1)
        if len(calls) in (1, 3):
            raise kind("no memory\nmore of it")
        return prepare(self, pair, log)

    monkeypatch.setattr(FakePredictor, "prepare", fails_once)
    save_segrap(tmp_path / "in", "Cohort1/image/a", "Cohort1/image/b")
    assert call(tmp_path) == 2
    assert f"a: {kind.__name__}: no memory; " in one_error(capsys)
    assert files_in(tmp_path / "out") == ["Cohort1/b.nii.gz"]
    save_exec(tmp_path / "one")
    with pytest.raises(kind, match="more of it"):
        call(tmp_path, source="one")


def test_bugs_are_not_hidden(tmp_path, monkeypatch):
    def bug(self, pair, log):
        raise ZeroDivisionError

    monkeypatch.setattr(FakePredictor, "prepare", bug)
    save_exec(tmp_path / "in")
    with pytest.raises(ZeroDivisionError):
        call(tmp_path)


def test_odd_volumes_give_a_warning_and_a_result(tmp_path, capsys):
    ct, ce = save_exec(tmp_path / "in")
    for path in (ct, ce):
        sitk.WriteImage(sitk.Image(SHAPE[::-1], sitk.sitkInt16), str(path))
    assert call(tmp_path) == 0
    captured = capsys.readouterr()
    assert captured.out.count("warning: ") == 2 and captured.err == ""
    assert len(files_in(tmp_path / "out")) == 1


def test_wrong_input_as_a_program_is_fast_one_line_and_no_traceback(tmp_path):
    command = [
        sys.executable,
        str(ROOT / "process.py"),
        "--input",
        str(tmp_path),
        "--output",
        str(tmp_path / "out"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert done.returncode == 2 and done.stdout == ""
    assert len(done.stderr.splitlines()) == 1 and done.stderr.startswith(f"error: {tmp_path}: ")
    command.insert(1, "-Ximporttime")
    traced = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert "numpy" in traced.stderr and "torch" not in traced.stderr and "SimpleITK" not in traced.stderr


def ask(connection, method: str, path: str, body: str | None = None) -> tuple[int, dict]:
    connection.request(method, path, body)
    response = connection.getresponse()
    assert response.getheader("Content-Type") == "application/json"
    return response.status, json.loads(response.read())


def test_port_in_use_is_one_line(tmp_path, capsys):
    with make_server(lambda: [], 0) as server:
        assert process.main(["--serve", "--port", str(server.server_port)]) == 2
    assert str(server.server_port) in one_error(capsys)


@pytest.mark.parametrize(
    "options",
    [
        ("--port", "99999"), ("--port", "-1"), ("--port", "x"), ("--device", "tpu"), ("--precision", "fp8"),
        ("--layout", "exec2"), ("--on-error", "ignore"), ("--no-tta", "--all-mirrors"), ("--nonsense",), ("extra",),
        ("--weights",), ("--input",), ("--re", "--jso"),
    ],
)  # fmt: skip
def test_options_that_make_no_sense_are_one_line(tmp_path, capsys, options):
    save_exec(tmp_path / "in")
    with pytest.raises(SystemExit) as ended:
        call(tmp_path, *options)
    assert ended.value.code == 2
    one_error(capsys)
    assert not (tmp_path / "out").exists()


def test_serve_loads_once_and_segments_per_invocation(tmp_path, monkeypatch, capsys):
    ct, _ = save_exec(tmp_path / "in")
    loads = []
    monkeypatch.setattr(model.network.bundle, "load_bundle", lambda path: loads.append(path))
    servers = []

    def make_and_keep(run, port):
        servers.append(make_server(run, port))
        started.set()
        return servers[0]

    started = threading.Event()
    monkeypatch.setattr("model.serve.make_server", make_and_keep)
    with ThreadPoolExecutor(1) as pool:
        (tmp_path / "w.pt").write_bytes(b"loaded")
        options = ("--weights", str(tmp_path / "w.pt"), "--json", str(tmp_path / "told.json"))
        exit_code = pool.submit(call, tmp_path, "--serve", "--port", "0", *options)
        assert started.wait(20)
        connection = http.client.HTTPConnection("127.0.0.1", servers[0].server_port, timeout=20)
        try:
            (tmp_path / "w.pt").write_bytes(b"replaced meanwhile")
            assert ask(connection, "POST", "/invoke")[0] == 201
            told = json.loads((tmp_path / "told.json").read_text())
            assert told["weights"] == hashlib.sha256(b"loaded").hexdigest()
            assert files_in(tmp_path / "out") == ["images/gross-tumor-volume-segmentation/plain.mha"]
            ct.write_bytes(ct.read_bytes()[:-20])
            status, content = ask(connection, "POST", "/invoke")
            assert status == 500 and str(ct) in content["errors"][0]
            ct.unlink()
            status, content = ask(connection, "POST", "/invoke")
            assert status == 500 and str(ct.parent) in content["errors"][0]
        finally:
            servers[0].shutdown()
        assert exit_code.result(20) == 0
    assert len(loads) == 1
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 2 and all(line.startswith("error: ") for line in errors)


def test_one_patient_into_a_file_or_a_folder(tmp_path):
    """A file stands alone; in a folder patients follow each other, and the manifest has them all."""
    ct, ce = tmp_path / "a/plain.nii.gz", tmp_path / "b/contrast.nii.gz"
    save_pair(ct, ce)
    pair = ["--ct", str(ct), "--ce", str(ce)]
    assert process.main([*pair, "-o", str(ct.with_name("beside.mha"))]) == 0
    assert process.main([*pair, "-o", str(tmp_path / "masks/p1.mha")]) == 0
    assert [path.name for path in (tmp_path / "masks").iterdir()] == ["p1.mha"]
    labels = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "masks/p1.mha")))
    assert (labels[PRIMARY], labels[NODE], np.count_nonzero(labels)) == (1, 2, 2)
    save_pair(tmp_path / "a/other.nii.gz", ce)
    for name in ("plain", "other", "plain"):
        pair[1] = str(tmp_path / f"a/{name}.nii.gz")
        assert process.main([*pair, "-o", str(tmp_path / "out")]) == 0
    assert files_in(tmp_path / "out") == ["other.nii.gz", "plain.nii.gz"]
    assert [line["case"] for line in lines_of(tmp_path / "out")] == ["plain", "other", "plain"]
    assert process.main([*pair, "-o", str(tmp_path / "masks/p1.mha"), "--json", str(tmp_path / "j")]) == 0
    assert json.loads((tmp_path / "j").read_text())["result"] == "p1.mha"


def test_another_patients_result_of_the_same_name_is_not_replaced(tmp_path, capsys):
    """SegRap calls the CTs of all patients alike."""
    save_segrap(tmp_path, "a", "b")
    sitk.WriteImage(ct_image(PRIMARY, 1501), str(tmp_path / "b/image.nii.gz"))
    for _ in range(2):
        pairs = [
            ["--ct", f"{tmp_path}/{k}/image.nii.gz", "--ce", f"{tmp_path}/{k}/image_contrast.nii.gz"]
            for k in "ab"
        ]
        assert process.main([*pairs[0], "-o", str(tmp_path / "out")]) == 0
        before = (tmp_path / "out/image.nii.gz").read_bytes()
        for more in ([], ["--resume"]):
            assert process.main([*pairs[1], "-o", str(tmp_path / "out"), *more]) == 2
            assert "image.nii.gz: the result of other CTs has this name; name the file: " in one_error(capsys)
        assert (tmp_path / "out/image.nii.gz").read_bytes() == before
    assert process.main([*pairs[1], "-o", str(tmp_path / "out/b.nii.gz")]) == 0


def test_the_same_patient_with_a_contrast_ct_at_last_is_not_another(tmp_path):
    save_segrap(tmp_path, "a")
    ct, ce = f"{tmp_path}/a/image.nii.gz", f"{tmp_path}/a/image_contrast.nii.gz"
    assert process.main(["--ct", ct, "--single-ct", "-o", str(tmp_path / "out")]) == 0
    assert process.main(["--ct", ct, "--ce", ce, "-o", str(tmp_path / "out")]) == 0


def test_patients_own_folders_of_one_name_do_not_replace_each_others_result(tmp_path, capsys):
    for name, value in (("A", 1500), ("B", 1501)):
        save_segrap(tmp_path / name, "CT")
        sitk.WriteImage(ct_image(PRIMARY, value), str(tmp_path / name / "CT/image.nii.gz"))
    save_segrap(tmp_path / "A", "other")
    for source in ("A/CT", "A/other", "A/CT"):
        assert call(tmp_path, source=source) == 0
    assert [line["case"] for line in lines_of(tmp_path / "out")] == ["CT", "other", "CT"]
    before = (tmp_path / "out/CT.nii.gz").read_bytes()
    capsys.readouterr()
    assert call(tmp_path, source="B/CT") == 2
    assert "CT.nii.gz: the result of other CTs has this name" in one_error(capsys)
    assert (tmp_path / "out/CT.nii.gz").read_bytes() == before


@pytest.mark.parametrize(
    "options", [["--ct", "x" * 300, "--ce", "x"], ["--output", "x" * 300 + ".nii.gz"]], ids=str
)
def test_a_name_too_long_for_the_system_is_one_line(tmp_path, capsys, options):
    save_segrap(tmp_path / "in", "a")
    given = ["-o", str(tmp_path / "out")] if "--ct" in options else ["-i", str(tmp_path / "in")]
    assert process.main([*given, *options]) == 2
    assert "too long" in one_error(capsys)


def test_the_same_cts_copied_anew_are_not_another_patients(tmp_path, monkeypatch):
    save_segrap(tmp_path, "a")
    pair = ["--ct", f"{tmp_path}/a/image.nii.gz", "--ce", f"{tmp_path}/a/image_contrast.nii.gz"]
    assert process.main([*pair, "-o", str(tmp_path / "out")]) == 0
    os.utime(tmp_path / "a/image.nii.gz", ns=(1, 1))
    assert process.main([*pair, "-o", str(tmp_path / "out")]) == 0
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")  # whose share of one case is none
    assert process.main([*pair, "-o", str(tmp_path / "out")]) == 0


def test_a_patients_own_folder_into_a_file(tmp_path, capsys):
    save_segrap(tmp_path / "in", "p7")
    mask = tmp_path / "out/mask.nrrd"
    assert call(tmp_path, "-o", str(mask), source="in/p7") == 0
    assert files_in(tmp_path / "out") == ["mask.nrrd"]
    save_segrap(tmp_path / "in", "p8")
    capsys.readouterr()
    assert call(tmp_path, "-o", str(mask)) == 2
    assert "one file, but there are 2 cases" in one_error(capsys)


def test_one_ct_alone_is_taken_where_it_is_asked_for_warned_and_noted(tmp_path, capsys):
    save_segrap(tmp_path / "in", "a", "b")
    (tmp_path / "in/a/image_contrast.nii.gz").unlink()
    assert call(tmp_path) == 2 and files_in(tmp_path / "out") == ["b.nii.gz"]
    one_error(capsys)
    assert call(tmp_path, "--single-ct") == 0 and files_in(tmp_path / "out") == ["a.nii.gz", "b.nii.gz"]
    assert capsys.readouterr().out.count("stands for both") == 1
    a, b = lines_of(tmp_path / "out")
    assert any("stands for both" in warning for warning in a["warnings"]) and not b["warnings"]
    assert (
        process.main(
            ["--ct", str(tmp_path / "in/a/image.nii.gz"), "--single-ct", "-o", str(tmp_path / "one")]
        )
        == 0
    )
    assert files_in(tmp_path / "one") == ["image.nii.gz"]


@pytest.mark.parametrize("how", ["empty", "no folder"])
def test_the_platforms_case_without_a_contrast_ct_is_done_on_request(tmp_path, capsys, how):
    ct, ce = save_exec(tmp_path / "in")
    ce.unlink()
    if how == "no folder":
        ce.parent.rmdir()
    assert call(tmp_path) == 2 and not files_in(tmp_path / "out")
    one_error(capsys)
    assert call(tmp_path, "--single-ct", "--json", str(tmp_path / "one.json")) == 0
    assert files_in(tmp_path / "out") == [f"images/gross-tumor-volume-segmentation/{ct.name}"]
    (line,) = json.loads((tmp_path / "one.json").read_text())["warnings"][:1]
    assert "stands for both" in line


def test_quiet_prints_nothing_of_a_good_case_and_verbose_what_helps_to_find_a_fault(
    tmp_path, capsys, monkeypatch
):
    save_segrap(tmp_path / "in", "a", "b")
    try:
        assert call(tmp_path, "--quiet") == 0
        assert capsys.readouterr() == ("", "")
        assert call(tmp_path, "--verbose") == 0
        shown = capsys.readouterr().out
        assert f"gtvseg {model.VERSION}\n" in shown and f"torch {torch.__version__}" in shown
        assert hashlib.sha256(BUNDLED.read_bytes()).hexdigest() in shown

        def bug(self, pair, log):
            raise ZeroDivisionError("by nothing")

        monkeypatch.setattr(FakePredictor, "prepare", bug)
        assert call(tmp_path, "--verbose") == 2
        captured = capsys.readouterr()
        assert captured.out.count("ZeroDivisionError: by nothing") == 2 and "in bug" in captured.out
        assert len(captured.err.splitlines()) == 2
    finally:
        choose_loudness(Loudness.USUAL)


def test_uploaded_weights_are_taken_and_named(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(installed, "UPLOADED", tmp_path / "uploaded")
    taken = []
    monkeypatch.setattr(model.network.bundle, "load_bundle", taken.append)
    save_exec(tmp_path / "in")
    (tmp_path / "uploaded").mkdir()
    (tmp_path / "uploaded/other.pt").touch()
    assert call(tmp_path) == 0 and taken == [BUNDLED]
    assert "holds other.pt but no gtv.pt: the bundled weights are used" in capsys.readouterr().out
    (tmp_path / "uploaded/gtv.pt").touch()
    assert call(tmp_path) == 0 and taken[1:] == [tmp_path / "uploaded/gtv.pt"]
    assert f"weights: {taken[1]}, uploaded" in capsys.readouterr().out


class WithMaps(FakePredictor):
    """Is sure of GTVp, not of GTVnd."""

    def __init__(self, *arguments) -> None:
        self.wanted = arguments[-1]

    def predict_and_restore(self, prepared, input_shape, log=None) -> Segmentation:
        trust = Trust({"GTVp": 0.9, "GTVnd": 0.8}, {"GTVp": 0.8, "GTVnd": 0.3})
        whole = (slice(None),) * 3
        kinds = (*MAP_FOLDERS[:2],) * self.wanted.probabilities + (
            *MAP_FOLDERS[2:],
        ) * self.wanted.uncertainty
        return Segmentation(
            prepared,
            0.25,
            trust=trust,
            maps={kind: Inside(prepared * 100, whole, input_shape) for kind in kinds},
        )


def test_pictures_and_maps_lie_in_folders_beside_the_masks(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(model.inference.predictor, "Predictor", WithMaps)
    save_segrap(tmp_path / "in", "a", "b")
    assert call(tmp_path, "--preview", "--probabilities") == 0
    expected = [f"{kind}/{name}" for kind in MAP_FOLDERS[:2] for name in ("a.nii.gz", "b.nii.gz")]
    expected += ["a.nii.gz", "b.nii.gz", "preview/a.png", "preview/b.png"]
    assert files_in(tmp_path / "out") == sorted(expected)
    found = sitk.ReadImage(str(tmp_path / "out/probability_GTVp/a.nii.gz"))
    ct = sitk.ReadImage(str(tmp_path / "in/a/image.nii.gz"))
    assert found.GetOrigin() == ct.GetOrigin() and found.GetSpacing() == ct.GetSpacing()
    assert sitk.GetArrayFromImage(found)[PRIMARY] == 100
    out = capsys.readouterr().out
    assert "a: GTVp 0.5 cm³ (confidence 0.80), GTVnd 0.5 cm³ (confidence 0.30)" in out
    assert "warning: GTVnd: the confidence is only 0.30: look at it closely" in out
    line = json.loads((tmp_path / "out/manifest.jsonl").read_text().splitlines()[0])
    assert line["confidence"] == {"GTVp": 0.8, "GTVnd": 0.3}
    assert line["expected_dsc"] == {"GTVp": 0.9, "GTVnd": 0.8}
    assert line["extras"] == ["preview/a.png", "probability_GTVp/a.nii.gz", "probability_GTVnd/a.nii.gz"]
    # Masks and maps are called as cases are: what lies there is neither a case nor a stranger to the next run.
    assert call(tmp_path, "--resume", "--preview") == 0
    assert "resume: 2 of 2 cases are finished" in capsys.readouterr().out
    assert call(tmp_path, "--resume", "--preview", "--uncertainty") == 0
    assert "resume: 0 of 2 cases are finished" in capsys.readouterr().out
    assert call(tmp_path) == 0
    assert files_in(tmp_path / "out") == ["a.nii.gz", "b.nii.gz"]  # none of an earlier run's


def test_extras_among_the_inputs_are_no_cases(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(model.inference.predictor, "Predictor", WithMaps)
    save_segrap(tmp_path / "in", "a", "b")
    save_pair(tmp_path / "in2/c_0000.nii.gz", tmp_path / "in2/c_0001.nii.gz")
    for folder in ("in", "in2"):
        for _ in range(2):
            place = str(tmp_path / folder)
            assert process.main(["-i", place, "-o", place, "--preview", "--probabilities"]) == 0
    assert capsys.readouterr().err == ""


def test_in_layout_exec_a_folder_has_to_be_named(tmp_path, capsys):
    save_exec(tmp_path / "in")
    assert call(tmp_path, "--preview") == 2
    assert "error: --extras: in layout exec the platform takes what lies in the output" in one_error(capsys)
    assert not (tmp_path / "out").exists()
    assert call(tmp_path, "--preview", "--extras", str(tmp_path / "more")) == 0
    assert files_in(tmp_path / "more") == ["preview/plain.png"]
    assert files_in(tmp_path / "out") == ["images/gross-tumor-volume-segmentation/plain.mha"]


def test_a_mask_that_cannot_be_written_leaves_no_picture(tmp_path, monkeypatch):
    save_segrap(tmp_path / "in", "a")

    def full(*_):
        raise InputError("a", "cannot be written", "free space")

    monkeypatch.setitem(segmenting.WRITERS, "label_map", full)
    assert call(tmp_path, "--preview") == 2
    assert files_in(tmp_path / "out") == []
