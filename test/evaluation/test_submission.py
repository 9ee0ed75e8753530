"""Submissions on the platform: jobs, their cases, and what metrics.json holds."""

import json
import unicodedata
from pathlib import Path

import numpy as np
import pytest

from evaluate_submission import main
from evaluation.metrics import dsc
from evaluation.submission import CT_SOCKET, METRICS, RESULT_SOCKET, read_jobs
from model.errors import InputError


def socket(slug: str, path: str, is_image: bool = True) -> dict:
    """As the platform's own example has it."""
    kinds = {"is_image_kind": is_image, "is_panimg_kind": is_image, "is_json_kind": not is_image}
    return {"slug": slug, "relative_path": path, **kinds}


def job(pk: str, ct: str, key: str = "socket", place: str = RESULT_SOCKET) -> dict:
    def image(slug: str, path: str, name: str) -> dict:
        return {key: socket(slug, path), "file": None, "image": {"name": name}, "value": None}

    age = {key: socket("age", "age.json", False), "file": None, "image": None, "value": 42}
    contrast = image("head-neck-contrast-enhanced-ct", "images/head-neck-contrast-enhanced-ct", f"ce {ct}")
    return {
        "pk": pk,
        "inputs": [age, contrast, image("head-neck-ct", CT_SOCKET, ct)],
        "outputs": [image("gross-tumor-volume-segmentation", place, "x.mha")],
        "exec_duration": "PT22M17S",
        "invoke_duration": None,
        "status": "Succeeded",
    }


@pytest.fixture
def platform(save, label_map, tmp_path):
    """Two cases with references of two layouts; the first is a voxel off, the second right."""
    save(label_map, tmp_path / "truth" / "case_1.nii.gz")
    for value, structure in enumerate(("GTVp", "GTVnd"), 1):
        save((label_map == value).astype(np.uint8), tmp_path / "truth" / "case_2" / f"{structure}.nii.gz")
    jobs = [job("bbb", "case_2.mha"), job("aaa", "case_1.nii.gz", "interface")]
    for pk, shift in (("aaa", 1), ("bbb", 0)):
        moved = np.roll(label_map, shift, axis=2)
        channels = np.stack([moved == 1, moved == 2]).astype(np.uint8)
        save(channels, tmp_path / "input" / pk / "output" / RESULT_SOCKET / "0f3e.mha")

    def run(content: object = jobs) -> int:
        (tmp_path / "input" / "predictions.json").write_text(json.dumps(content))
        places = {"--input": "input", "--output": "output", "--ground-truth": "truth"}
        return main([word for key, name in places.items() for word in (key, str(tmp_path / name))])

    return run, tmp_path


def metrics(folder: Path) -> dict:
    def no_constant(name: str) -> None:
        raise ValueError(name)

    return json.loads((folder / "output" / METRICS).read_text(), parse_constant=no_constant)


def test_every_case_and_the_means_are_in_metrics(platform, label_map):
    run, folder = platform
    assert run() == 0
    content = metrics(folder)
    assert [(r["case"], r["pk"]) for r in content["results"]] == [("case_1", "aaa"), ("case_2", "bbb")]
    first, second = content["results"]
    expected = {}
    for value, structure in enumerate(("GTVp", "GTVnd"), 1):
        expected[structure] = dsc(np.roll(label_map, 1, axis=2) == value, label_map == value)
        assert first[structure]["dsc"] == pytest.approx(expected[structure])
        assert second[structure]["dsc"] == second[structure]["nsd"] == 1
        mean = content["aggregates"][structure]["dsc"]["mean"]
        assert mean == pytest.approx((expected[structure] + 1) / 2)
        assert content["aggregates"][structure]["hd95_mm"]["count"] == 2
    measures = [content["aggregates"][s][m]["mean"] for s in expected for m in ("dsc", "nsd")]
    assert content["aggregates"]["average_score"] == pytest.approx(np.mean(measures))
    assert content["problems"] == []


def test_what_a_job_did_not_write_counts_zero(platform, save, label_map):
    run, folder = platform
    (folder / "input" / "aaa" / "output" / RESULT_SOCKET / "0f3e.mha").unlink()
    save(label_map, folder / "input" / "bbb" / "output" / RESULT_SOCKET / "second.mha")
    assert run() == 0
    first, second = metrics(folder)["results"]
    assert first["GTVp"]["dsc"] == first["GTVnd"]["nsd"] == second["GTVp"]["dsc"] == 0
    assert first["GTVp"]["hd95_mm"] is None and first["problems"] == ["case_1: no prediction, scored 0"]
    assert "2 images" in second["problems"][0] and len(metrics(folder)["problems"]) == 2


def other_image(name: str) -> dict:
    """An output of another socket."""
    return {"socket": socket("heat-map", f"images/{name}"), "image": {"name": "h.mha"}, "value": None}


@pytest.mark.parametrize("outputs", [[], [other_image("heat-map")]])
def test_a_job_without_a_segmentation_counts_zero_and_the_others_are_judged(
    platform, save, label_map, outputs
):
    """Another of its images is none, also where it would be right."""
    run, folder = platform
    save(label_map, folder / "input" / "aaa" / "output" / "images" / "heat-map" / "h.mha")
    failed = job("aaa", "case_1.mha") | {"outputs": outputs, "status": "Failed"}
    assert run([failed, job("bbb", "case_2.mha")]) == 0
    first, second = metrics(folder)["results"]
    assert first["GTVp"]["dsc"] == 0 and second["GTVp"]["dsc"] == 1 and first["pk"] == "aaa"
    assert metrics(folder)["problems"] == ["case_1: no prediction, scored 0"]


def test_where_no_job_has_the_socket_of_that_name_the_only_image_is_meant(platform, save, label_map):
    run, folder = platform
    save(label_map, folder / "input" / "bbb" / "output" / "images" / "mask" / "h.mha")
    jobs = [job("aaa", "case_1.mha") | {"outputs": []}]
    jobs += [job("bbb", "case_2.mha") | {"outputs": [other_image("mask")]}]
    assert run(jobs) == 0
    assert [r["GTVp"]["dsc"] for r in metrics(folder)["results"]] == [0, 1]


def test_distances_that_no_case_has_are_in_the_aggregates(platform):
    run, folder = platform
    assert run([job("ccc", "case_1.mha"), job("ddd", "case_2.mha")]) == 0
    found = metrics(folder)["aggregates"]["GTVnd"]["hd95_mm"]
    assert (found["mean"], found["count"], found["undefined"]) == (None, 0, 2)
    assert found["penalised_mean"] == pytest.approx(np.linalg.norm([6 * 3, 14 * 1.5, 16]))


def test_a_structure_that_nobody_has_is_said(platform, save, label_map, capsys):
    run, folder = platform
    save((label_map == 1).astype(np.uint8), folder / "truth" / "case_1.nii.gz")
    save(0 * label_map, folder / "truth" / "case_2" / "GTVnd.nii.gz")
    for pk in ("aaa", "bbb"):
        channels = np.stack([label_map == 1, 0 * label_map]).astype(np.uint8)
        save(channels, folder / "input" / pk / "output" / RESULT_SOCKET / "0f3e.mha")
    assert run() == 0
    (problem,) = metrics(folder)["problems"]
    assert problem.startswith("GTVnd: no reference and no prediction has a voxel")
    assert f"warning: {problem}" in capsys.readouterr().out


def test_a_ground_truth_of_no_possible_name_is_one_line(platform, capsys):
    run, folder = platform
    run()
    arguments = ["--input", str(folder / "input"), "--output", str(folder / "output")]
    capsys.readouterr()
    assert main([*arguments, "--ground-truth", str(folder / ("x" * 300))]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and "File name too long" in line and "; " in line


def test_a_reference_without_a_job_counts_zero(platform):
    run, folder = platform
    assert run([job("aaa", "case_1.mha")]) == 0
    assert [r["pk"] for r in metrics(folder)["results"]] == ["aaa", ""]
    assert metrics(folder)["results"][1]["GTVp"]["dsc"] == 0


@pytest.mark.parametrize("pk", ["x" * 300, "closed"])
def test_a_folder_that_cannot_be_looked_into_counts_zero(platform, monkeypatch, pk):
    run, folder = platform
    is_dir = Path.is_dir

    def refuse(path: Path) -> bool:
        if "closed" in path.parts:
            raise PermissionError(13, "Permission denied", str(path))
        return is_dir(path)

    monkeypatch.setattr(Path, "is_dir", refuse)
    assert run([job(pk, "case_1.mha"), job("bbb", "case_2.mha")]) == 0
    first, second = metrics(folder)["results"]
    assert first["GTVp"]["dsc"] == 0 and second["GTVp"]["dsc"] == 1
    assert len(first["problems"]) == 1


def test_a_name_in_another_unicode_form_is_the_same_also_beside_one_that_is_near(platform):
    run, folder = platform
    nfc, nfd = (unicodedata.normalize(form, "Müller") for form in ("NFC", "NFD"))
    for old, new in (("case_1.nii.gz", f"{nfc}.nii.gz"), ("case_2", "Muller")):
        (folder / "truth" / old).rename(folder / "truth" / new)
    assert run([job("aaa", f"{nfd}.mha"), job("bbb", "Muller")]) == 0
    assert {r["case"]: r["pk"] for r in metrics(folder)["results"]} == {nfc: "aaa", "Muller": "bbb"}


def test_results_of_jobs_below_the_ground_truth_are_no_references(platform):
    run, folder = platform
    (folder / "input").rename(folder / "truth" / "input")
    (folder / "input").symlink_to(folder / "truth" / "input")
    assert run() == 0 and metrics(folder)["problems"] == []


def test_near_names_belong_together(platform):
    run, folder = platform
    assert run([job("aaa", "CASE-1.mha"), job("bbb", "case_002.mha")]) == 0
    assert metrics(folder)["results"][1]["GTVp"]["dsc"] == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "no jobs in it"),
        ({"a": 1}, "not what the platform writes"),
        ([{"pk": "aaa"}], "not what the platform writes (KeyError: 'inputs'"),
        ([job("../aaa", "case_1.mha")], "not what the platform writes (ValueError: pk ../aaa"),
        (
            [job("aaa", "case_1.mha", place="../../x")],
            "not what the platform writes (ValueError: relative_path ../../x",
        ),
        ([job("", "case_1.mha")], "not what the platform writes (ValueError: pk "),
        ([job("..", "case_1.mha")], "not what the platform writes (ValueError: pk .."),
        ([job("a\0", "case_1.mha")], "not what the platform writes (ValueError: pk a"),
        ([job("\ud800", "case_1.mha")], "not what the platform writes (ValueError: pk "),
        ([job("aaa", "case_3.mha")], "no reference for the CT case_3 of job aaa"),
        ([job("aaa", "case_1.mha"), job("bbb", "case_1.mha")], "two jobs are of case_1"),
    ],
)
def test_what_cannot_be_judged_is_one_line_and_no_metrics(platform, capsys, content, message):
    run, folder = platform
    assert run(content) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and message in line and "; " in line
    assert not (folder / "output").exists()


@pytest.mark.parametrize("fault", ["damaged", "without GTVnd", "unclear"])
def test_a_fault_of_the_ground_truth_ends_the_evaluation(platform, capsys, fault):
    run, folder = platform
    if fault == "damaged":
        (folder / "truth" / "case_1.nii.gz").write_bytes(b"no image")
    elif fault == "unclear":
        (folder / "truth" / "GTVp_and_nodes.nii.gz").write_bytes(b"")
    else:
        (folder / "truth" / "case_2" / "GTVnd.nii.gz").unlink()
    assert run() == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and not (folder / "output").exists()


def test_a_folder_without_predictions_is_named(tmp_path):
    with pytest.raises(InputError, match=r"predictions.json: no such file; give predictions.json"):
        read_jobs(tmp_path)
