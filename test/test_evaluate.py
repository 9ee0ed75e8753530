"""The command line on tiny cases in every layout."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import stats

import evaluation.processes as processes
from evaluate import main
from evaluation.run import evaluate_case

SPACING_XYZ = (1.0, 1.5, 3.0)


def labels(seed: int) -> np.ndarray:
    """Label map (z, y, x) with a GTVp and two GTVnd boxes, shifted by the seed."""
    array = np.zeros((12, 20, 24), np.uint8)
    array[3:8, 4 + seed % 3 : 12, 5:12] = 1
    array[4:7, 14:18, 3 : 8 + seed % 2] = 2
    array[4:7, 14:18, 15:20] = 2
    return array


def write(array: np.ndarray, path: Path, origin_x_mm: float = 0.0, spacing_xyz=SPACING_XYZ) -> None:
    """A 3D image, or a 4D one from an array with channels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    volumes = [sitk.GetImageFromArray(a) for a in (array if array.ndim == 4 else array[None])]
    for volume in volumes:
        volume.SetSpacing(spacing_xyz)
        volume.SetOrigin((origin_x_mm, 0, 0))
    sitk.WriteImage(sitk.JoinSeries(volumes) if array.ndim == 4 else volumes[0], str(path))


def channels(array: np.ndarray) -> np.ndarray:
    return np.stack([array == 1, array == 2]).astype(np.uint8)


def write_case(array: np.ndarray, root: Path, layout: str, name: str) -> None:
    if layout == "channels":
        write(channels(array), root / "images" / "gross-tumor-volume-segmentation" / f"{name}.mha")
    elif layout == "nnunet":
        write(array, root / "labelsTr" / f"{name}.nii.gz")
        write(array, root / "imagesTr" / f"{name}_0000.nii.gz")
    elif layout == "cohort":
        write(array, root / "Cohort1" / f"{name}.nii.gz")
    else:
        for label, structure in enumerate(("GTVp", "GTVnd"), 1):
            write((array == label).astype(np.uint8), root / name / f"{structure}.nii.gz")
        write(array, root / name / "image.nii.gz")
        write(array, root / name / "Brain.nii.gz")


LAYOUTS = ("channels", "nnunet", "cohort", "structures")


def scores(path: Path) -> dict[tuple[str, str], dict[str, str]]:
    with path.open() as file:
        return {(row["case"], row["structure"]): row for row in csv.DictReader(file)}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("reference_layout", LAYOUTS)
def test_layouts_mix_and_give_the_same_scores(tmp_path, layout, reference_layout):
    for seed, name in enumerate(("a", "b")):
        write_case(labels(seed + 1), tmp_path / "predictions", layout, name)
        write_case(labels(0), tmp_path / "references", reference_layout, name)
    arguments = [
        str(tmp_path / "predictions"),
        str(tmp_path / "references"),
        "--csv",
        str(tmp_path / "s.csv"),
    ]
    assert main(arguments) == 0
    rows = scores(tmp_path / "s.csv")
    assert set(rows) == {(c, s) for c in "ab" for s in ("GTVp", "GTVnd")}
    assert float(rows["a", "GTVp"]["dsc"]) == pytest.approx(2 * 7 / 15)
    assert float(rows["a", "GTVp"]["fn_cm3"]) == pytest.approx(5 * 7 * 4.5 / 1000)
    assert float(rows["a", "GTVp"]["fp_cm3"]) == 0
    assert float(rows["b", "GTVp"]["hd95_mm"]) == pytest.approx(3)
    assert rows["a", "GTVnd"]["lesions_found"] == "2"


def test_one_file_on_each_side_belongs_together_whatever_the_names(tmp_path, capsys):
    write(labels(0), tmp_path / "x" / "prediction.nii.gz")
    write(channels(labels(0)), tmp_path / "y" / "truth.mha")
    assert main([str(tmp_path / "x"), str(tmp_path / "y" / "truth.mha")]) == 0
    assert "AVG score 100.00" in capsys.readouterr().out


def test_missing_prediction_scores_zero_and_is_listed(tmp_path, capsys):
    for name in ("a", "b"):
        write(labels(0), tmp_path / "r" / f"{name}.nii.gz")
    write(labels(0), tmp_path / "p" / "a.nii.gz")
    write(labels(0), tmp_path / "p" / "stray.nii.gz")
    assert main([str(tmp_path / "p"), str(tmp_path / "r"), "--json", str(tmp_path / "s.json")]) == 1
    content = json.loads((tmp_path / "s.json").read_text())
    assert content["cases"]["b"]["GTVp"]["dsc"] == content["cases"]["b"]["GTVp"]["nsd"] == 0
    assert content["cases"]["b"]["GTVp"]["hd95_mm"] is None
    assert content["average_score"] == pytest.approx(0.5)
    messages = capsys.readouterr().err
    assert "b: no prediction" in messages and "stray: no reference" in messages


def test_missing_prediction_scores_zero_where_the_reference_is_empty_too(tmp_path):
    write(np.zeros((4, 4, 4), np.uint8), tmp_path / "r" / "a.nii.gz")
    write(np.zeros((4, 4, 4), np.uint8), tmp_path / "r" / "b.nii.gz")
    write(np.zeros((4, 4, 4), np.uint8), tmp_path / "p" / "a.nii.gz")
    assert main([str(tmp_path / "p"), str(tmp_path / "r"), "--csv", str(tmp_path / "s.csv")]) == 1
    rows = scores(tmp_path / "s.csv")
    assert (rows["a", "GTVp"]["dsc"], rows["a", "GTVp"]["nsd"]) == ("1.0", "1.0")
    assert (rows["b", "GTVp"]["dsc"], rows["b", "GTVp"]["nsd"]) == ("0.0", "0.0")
    assert rows["a", "GTVp"]["hd95_mm"] == ""


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"origin_x_mm": 0.01}, "origin"),
        ({"spacing_xyz": (1.0, 1.5, 3.002)}, "spacing"),
    ],
)
def test_other_grid_is_a_problem_that_names_both_files(tmp_path, capsys, change, words):
    for name in ("a", "b"):
        write(labels(0), tmp_path / "r" / f"{name}.nii.gz")
    write(labels(0), tmp_path / "p" / "a.nii.gz")
    write(labels(0), tmp_path / "p" / "b.nii.gz", **change)
    assert main([str(tmp_path / "p"), str(tmp_path / "r"), "--csv", str(tmp_path / "s.csv")]) == 1
    message = capsys.readouterr().err
    assert words in message
    assert all(str(tmp_path / side / "b.nii.gz") in message for side in "pr")
    assert scores(tmp_path / "s.csv")["b", "GTVp"]["dsc"] == "0.0"


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (labels(0) * 2, "labels are 0 to 2"),
        (labels(0) * np.float32(0.5), "fractions"),
        (labels(0)[:-1], "size"),
        (channels(labels(0))[[0, 1, 1]], "3 channels"),
        (channels(labels(0)) * 2, "labels are 0 to 1"),
    ],
)
def test_bad_prediction_is_a_problem(tmp_path, capsys, array, words):
    write(labels(0), tmp_path / "r.nii.gz")
    write(array, tmp_path / "p.mha")
    assert main([str(tmp_path / "p.mha"), str(tmp_path / "r.nii.gz")]) == 1
    captured = capsys.readouterr()
    assert words in captured.err and "AVG score 0.00" in captured.out


def test_a_damaged_mask_is_a_problem_that_names_the_file(tmp_path, capsys):
    write(labels(0), tmp_path / "r.mha")
    sitk.WriteImage(sitk.ReadImage(str(tmp_path / "r.mha")), str(tmp_path / "p.mha"), True)
    whole = bytearray((tmp_path / "p.mha").read_bytes())
    whole[-20] ^= 1
    (tmp_path / "p.mha").write_bytes(whole)
    assert main([str(tmp_path / "p.mha"), str(tmp_path / "r.mha")]) == 1
    captured = capsys.readouterr()
    assert f"{tmp_path / 'p.mha'}: damaged" in captured.err and "AVG score 0.00" in captured.out


def test_case_folders_may_be_links(tmp_path, capsys):
    write_case(labels(0), tmp_path / "all", "structures", "a")
    write_case(labels(0), tmp_path / "all", "structures", "b")
    (tmp_path / "subset").mkdir()
    (tmp_path / "subset" / "b").symlink_to(tmp_path / "all" / "b")
    assert main([str(tmp_path / "all" / "b"), str(tmp_path / "subset")]) == 0
    assert "AVG score 100.00" in capsys.readouterr().out


def test_nothing_to_evaluate_ends_with_two(tmp_path, capsys):
    write(labels(0), tmp_path / "p.mha")
    write(labels(0) * 5, tmp_path / "r.mha")
    assert main([str(tmp_path / "p.mha"), str(tmp_path / "absent")]) == 2
    assert main([str(tmp_path / "p.mha"), str(tmp_path / "r.mha")]) == 2
    (tmp_path / "text.mha").write_text("no image")
    assert main([str(tmp_path / "p.mha"), str(tmp_path / "text.mha")]) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 3 and all("; " in line for line in errors)


def test_structures_and_several_tolerances(tmp_path):
    write(labels(1), tmp_path / "p.mha")
    write(labels(0), tmp_path / "r.mha")
    arguments = [str(tmp_path / "p.mha"), str(tmp_path / "r.mha"), "--csv", str(tmp_path / "s.csv")]
    assert main([*arguments, "--structures", "GTVp", "--tolerance-mm", "1,2"]) == 0
    ((key, row),) = scores(tmp_path / "s.csv").items()
    assert key == ("r", "GTVp")
    assert float(row["nsd"]) < float(row["nsd_2mm"]) == 1  # the wrong side is 1.5 mm away


def test_jobs_give_the_same_result(tmp_path):
    for seed in range(3):
        write(labels(seed), tmp_path / "p" / f"{seed}.mha")
        write(labels(0), tmp_path / "r" / f"{seed}.mha")
    for jobs in "12":
        arguments = [str(tmp_path / "p"), str(tmp_path / "r"), "--jobs", jobs]
        assert main([*arguments, "--json", str(tmp_path / f"{jobs}.json")]) == 0
    assert (tmp_path / "1.json").read_bytes() == (tmp_path / "2.json").read_bytes()


def test_comparison_is_the_wilcoxon_test_of_the_paired_differences(tmp_path):
    for seed in range(6):
        write(labels(seed), tmp_path / "p" / f"{seed}.mha")
        write(labels(seed + 1), tmp_path / "q" / f"{seed}.mha")
        write(labels(0), tmp_path / "r" / f"{seed}.mha")
    reference = str(tmp_path / "r")
    assert main([str(tmp_path / "q"), reference, "--csv", str(tmp_path / "q.csv")]) == 0
    arguments = [
        str(tmp_path / "p"),
        reference,
        "--csv",
        str(tmp_path / "p.csv"),
        "--json",
        str(tmp_path / "p.json"),
    ]
    assert main([*arguments, "--compare", str(tmp_path / "q")]) == 0
    first, *_ = json.loads((tmp_path / "p.json").read_text())["comparison"]
    ours, others = (
        [float(row["dsc"]) for (_, structure), row in scores(tmp_path / f).items() if structure == "GTVp"]
        for f in ("p.csv", "q.csv")
    )
    assert first["mean"] == pytest.approx(np.mean(ours) - np.mean(others))
    assert first["p"] == pytest.approx(stats.wilcoxon(ours, others).pvalue)


def test_rank_orders_submissions(tmp_path, capsys):
    for team, seed in (("good", 0), ("poor", 1)):
        write(labels(seed), tmp_path / team / "a.mha")
    write(labels(0), tmp_path / "r" / "a.mha")
    assert main([str(tmp_path / "poor"), str(tmp_path / "r"), "--rank", str(tmp_path / "good")]) == 0
    first, second = capsys.readouterr().out.splitlines()[-2:]
    assert first.split()[:2] == ["1", "0.5000"] and first.split()[-1] == str(tmp_path / "good")
    assert second.split()[0] == "2" and second.split()[-1] == str(tmp_path / "poor")


def test_teams_below_the_references_are_none_and_each_is_told_once(tmp_path, capsys):
    for folder, seed in (("", 0), ("good", 0), ("poor", 1), ("poor/other", 0)):
        for case in "ab":
            write(labels(seed), tmp_path / "r" / folder / f"{case}.mha")
    good, poor, other = (tmp_path / "r" / name for name in ("good", "poor", "poor/other"))
    arguments = [str(good), str(tmp_path / "r"), "--rank", str(poor), "--compare", str(other)]
    assert main(arguments) == 0
    out, err = capsys.readouterr()
    left_out = [line.split(": ")[0] for line in out.splitlines() if "left out of" in line]
    assert sorted(left_out) == sorted(map(str, (good, poor, other))) and not err
    assert "AVG score 100.00" in out


def test_the_ranking_is_in_the_json_by_cohort_and_problems_name_the_team(tmp_path, capsys):
    for cohort, case in (("Cohort1", "a"), ("Cohort1", "b"), ("Cohort2", "c")):
        write(labels(0), tmp_path / "r" / cohort / f"{case}.mha")
        for team, seed in (("good", 0), ("poor", 1)):
            if (team, case) != ("poor", "b"):
                write(labels(seed), tmp_path / team / f"{case}.mha")
    arguments = [str(tmp_path / "good"), str(tmp_path / "r"), "--rank", str(tmp_path / "poor")]
    assert main([*arguments, "--json", str(tmp_path / "s.json"), "--report", str(tmp_path / "s.html")]) == 1
    assert "place by significance" in (tmp_path / "s.html").read_text(encoding="utf-8")
    problem = f"{tmp_path / 'poor'}: b: no prediction, scored 0"
    assert problem in capsys.readouterr().err.splitlines()
    content = json.loads((tmp_path / "s.json").read_text())
    assert content["problems"] == [problem]
    best, worst = content["ranking"]["teams"]
    assert (best["team"], best["place"], worst["place"]) == (str(tmp_path / "good"), 1, 2)
    assert set(best["ranks"]) == {"Cohort1", "Cohort2"} and worst["ranks"]["Cohort2"]["dsc GTVp"] == 2
    assert best["statistical_place"] == worst["statistical_place"] == 1  # three cases tell nothing


@pytest.mark.parametrize("option", ["--csv", "--json", "--report", "--overlay"])
def test_a_result_that_cannot_be_written_is_one_line(tmp_path, capsys, option):
    write(labels(0), tmp_path / "a.mha")
    for name in (tmp_path / "a.mha" / "s", tmp_path):
        assert main([str(tmp_path / "a.mha"), str(tmp_path / "a.mha"), option, str(name)]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"error: {name}: cannot be written (") and "; " in line
    assert [path.name for path in tmp_path.iterdir()] == ["a.mha"]


# Of GTVp and GTVnd, below a folder; {} is the case.
ARRANGEMENTS = [
    ("{}_GTVp", "{}_GTVnd"), ("{}/gtvp", "{}/gtvnd"), ("GTVp/{}", "GTVnd/{}"), ("{}/GTV_p", "{}/GTV_n"),
    ("primary/{}", "nodes/{}"), ("{}/PRIMARY", "{}/NODES"), ("GTV-P_{}", "GTV-N_{}"), ("{}.primary", "{}.nodal"),
    ("Primary_Tumour/{}", "Lymph_Nodes/{}"), ("{}/GTVP/mask", "{}/GTVN/mask"), ("GTVp/{}_GTVp", "GTVnd/{}_GTVnd"),
    ("Cohort1/{}GTVp", "Cohort1/{}GTVn"), ("{}_p", "{}_n"), ("{}/tumour", "{}/nodes"),
    ("pred_gtvp/{}", "pred_gtvnd/{}"),
]  # fmt: skip


def arrange(root: Path, seed: int, primary: str, nodes: str, cases=("a", "b")) -> None:
    for case in cases:
        for label, name in ((1, primary), (2, nodes)):
            if name:
                write((labels(seed) == label).astype(np.uint8), root / f"{name.format(case)}.nii.gz")


@pytest.mark.parametrize("arrangement", ARRANGEMENTS)
def test_structures_are_told_by_names_in_any_spelling_and_place(tmp_path, capsys, arrangement):
    for case in "ab":
        write(labels(0), tmp_path / "r" / f"{case}.nii.gz")
        write(labels(1), tmp_path / "q" / f"{case}.nii.gz")
    arrange(tmp_path / "p", 1, *arrangement)
    for name in "pq":
        assert main([str(tmp_path / name), str(tmp_path / "r"), "--csv", str(tmp_path / f"{name}.csv")]) == 0
    assert capsys.readouterr().err == ""
    assert scores(tmp_path / "p.csv") == scores(tmp_path / "q.csv")  # as from label maps


@pytest.mark.parametrize(
    "nodes",
    ["{}_GTVnd", "{}_gtvn", "nodes/{}", "GTV_N/{}", "{}/Nodes", "LymphNodes_{}", "{}/nodal/mask", "{}_LN"],
)
def test_masks_of_nodes_are_never_scored_as_primaries(tmp_path, capsys, nodes):
    for seed, side in enumerate("rp"):
        arrange(tmp_path / side, seed, "", nodes)
    assert main([str(tmp_path / "p"), str(tmp_path / "r"), "--csv", str(tmp_path / "s.csv")]) == 1
    assert set(scores(tmp_path / "s.csv")) == {("a", "GTVnd"), ("b", "GTVnd")}
    assert "a: no reference GTVp, not scored" in capsys.readouterr().err


@pytest.mark.parametrize("place", ["GTVnd", "refs/nodes", "nodes/references", "GTVnd/labelsTr", "GTV_n_v2"])
def test_the_folder_that_is_given_may_name_the_structure(tmp_path, place):
    for seed, side in enumerate("rp"):
        arrange(tmp_path / side / place, seed, "", "{}")
    paths = [tmp_path / "p" / place, tmp_path / "r" / place]
    for further in ("", "a.nii.gz"):
        if further and place == "GTV_n_v2":  # a file's own folder has to say nothing else
            continue
        assert main([*(str(p / further) for p in paths), "--csv", str(tmp_path / "s.csv")]) == 1
        assert {structure for _, structure in scores(tmp_path / "s.csv")} == {"GTVnd"}


@pytest.mark.parametrize(
    "files",
    [
        ("a.nii.gz", "a.mha"), ("a.nii", "a.NII.GZ"), ("a.nii.gz", "a/mask.nii.gz"), ("a/GTVp.mha", "a/gtv_p.nii"),
        ("a_GTVn.mha", "nodes/a.mha"), ("a_GTVp.mha", "a.mha"), ("a/GTVp.mha", "a/GTVn1.mha", "a/GTVn2.mha"),
        ("a/nodes_near_GTVp.mha",), ("GTVp/a_GTVnd.mha",), ("GTV1_a.mha",), ("a_CTVn.mha",), ("a/Parotid_L.mha",),
        ("a.hdr",), ("a_GTVp.mha", "a_glottis.mha"), ("GTVp/a.mha", "glottis/a.mha"),
    ],
)  # fmt: skip
def test_what_is_not_clear_is_named_and_the_others_are_scored(tmp_path, capsys, files):
    for name in files:
        write_as(tmp_path / "r" / name, np.ones((4, 4, 4), np.uint8))
    for side in "pr":
        write(labels(0), tmp_path / side / "good.nii.gz")
    assert main([str(tmp_path / "p"), str(tmp_path / "r"), "--csv", str(tmp_path / "s.csv")]) == 1
    assert Path(files[-1]).name in capsys.readouterr().err
    rows = scores(tmp_path / "s.csv")
    assert {row["dsc"] for (case, _), row in rows.items() if case == "good"} == {"1.0"}
    assert {row["dsc"] for (case, _), row in rows.items() if case != "good"} <= {"0.0"}


def write_as(path: Path, array: np.ndarray) -> None:
    """An image under any name, also one that ITK would not write."""
    suffix = "".join(path.suffixes[-2:]) if path.suffix.lower() == ".gz" else path.suffix
    path.parent.mkdir(parents=True, exist_ok=True)
    plain = path.with_name(f"plain{suffix.lower()}")
    if suffix == ".hdr":
        plain = path.with_name("plain.nii")
    write(array, plain)
    plain.rename(path)


@pytest.mark.parametrize(
    "name",
    [
        "image_001.nii.gz",
        "image.mha",
        "Image.nii.gz",
        "IMAGES.nrrd",
        "image-2.nii",
        "a.NII.GZ",
        "a.Mha",
        "A.nII",
        "a.NRRD",
    ],
)
def test_no_case_is_lost_for_its_name_or_suffix(tmp_path, capsys, name):
    for seed, side in enumerate("rp"):
        write(labels(seed), tmp_path / side / "good.nii.gz")
        write_as(tmp_path / side / name, labels(seed))
    assert main([str(tmp_path / "p"), str(tmp_path / "r"), "--csv", str(tmp_path / "s.csv")]) == 0
    rows = scores(tmp_path / "s.csv")
    case = name.split(".")[0]
    assert rows[case, "GTVp"]["dsc"] == rows["good", "GTVp"]["dsc"] and len(rows) == 4


ODD_NAMES = [
    "$x^{$", "$", "\\frac{", "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "a\nb", "x" * 240, "患者", "😀", "<b>&",
    "{{7*7}}", "%s%n", 'a,"b;c', " ", "---", "\u202eabc", os.fsdecode(b"\xff\xfe"), "＝1",
]  # fmt: skip


def test_names_of_any_kind_are_scored_and_no_formulas(tmp_path, capfd):
    for side in "pr":
        for name in ODD_NAMES:
            write_as(tmp_path / side / f"{name}.mha", labels(0)[2:6])
    arguments = [str(tmp_path / "p"), str(tmp_path / "r"), "--csv", str(tmp_path / "s.csv")]
    assert main([*arguments, "--json", str(tmp_path / "s.json")]) == 0
    assert capfd.readouterr().err == ""
    names = {case for case, _ in scores(tmp_path / "s.csv")}
    assert len(names) == len(ODD_NAMES) and not any(name.startswith(tuple("=+-@\t\r\n＝")) for name in names)
    assert {"'=1+1", "'-1", "$x^{$", "a\\nb"} < names
    assert "=1+1" in json.loads((tmp_path / "s.json").read_text())["cases"]


@pytest.mark.parametrize("name", ["$x^{$", "\\frac{_^$", "x" * 240, "患者😀\n<b>&{{7*7}}"])
def test_names_of_any_kind_are_drawn(tmp_path, capfd, name):
    for side in "pr":
        write_as(tmp_path / side / f"{name}.mha", labels(0)[2:6])
    arguments = [str(tmp_path / "p"), str(tmp_path / "r"), "--overlay", str(tmp_path / "s.png")]
    assert main([*arguments, "--report", str(tmp_path / "s.html")]) == 0
    assert capfd.readouterr().err == ""
    assert "<b>" not in (tmp_path / "s.html").read_text(encoding="utf-8")


def test_what_is_said_of_a_case_is_one_line_whatever_its_name(tmp_path, capsys):
    for name in ODD_NAMES:
        write_as(tmp_path / "r" / f"{name}.mha", labels(0)[2:6])
        (tmp_path / "p").mkdir(exist_ok=True)
        (tmp_path / "p" / f"{name}.mha").write_bytes(b"no image")
    write(labels(0), tmp_path / "p" / "stray\n.mha")
    assert main([str(tmp_path / "p"), str(tmp_path / "r")]) == 1
    assert len(capsys.readouterr().err.split("\n")) == len(ODD_NAMES) + 2


@pytest.mark.parametrize(
    "options",
    [
        ("--tolerance-mm", "inf"), ("--tolerance-mm", "nan"), ("--tolerance-mm", "-1"), ("--tolerance-mm", "1e9"),
        ("--tolerance-mm", ""), ("--tolerance-mm", "1,"), ("--tolerance-mm", "1,inf"), ("--tolerance-mm", "1,1.0"),
        ("--tolerance-mm=-inf",), ("--jobs", "0"), ("--jobs", "-1"), ("--jobs", "1.5"), ("--jobs", "9" * 5000),
        ("--jobs", "two"), ("--structures", ""), ("--structures", "GTVp,\nx"), ("--structures", "gtv"), ("--port", "1"),
        ("--csv",), ("more",), ("--csv", "{0}/r/a.mha"), ("--report", "{0}/x.nii.gz"),
        ("--csv", "{0}/s", "--json", "{0}/s"),
        ("--image", "{0}/none"), ("--compare", "{0}/none"), ("--rank", "{0}/none"), ("--rank", "{0}/p"),
        ("--csv", "x" * 300),
        ("--rank", "{0}/r", "{0}/r"), ("--compare", "x" * 300),
    ],
)  # fmt: skip
def test_options_that_make_no_sense_are_one_line_before_any_work(tmp_path, capsys, options):
    for side in "pr":
        write(labels(0), tmp_path / side / "a.mha")
    before = (tmp_path / "r" / "a.mha").read_bytes()
    arguments = [str(tmp_path / "p"), str(tmp_path / "r"), *(option.format(tmp_path) for option in options)]
    with pytest.raises(SystemExit) as ended:
        sys.exit(main(arguments))
    assert ended.value.code == 2
    captured = capsys.readouterr()
    (line,) = captured.err.splitlines()
    assert line.startswith("error: ") and "; " in line
    assert captured.out == ""
    assert (tmp_path / "r" / "a.mha").read_bytes() == before
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["a.mha", "a.mha", "p", "r"]


def test_what_is_scored_is_kept_where_other_predictions_or_pictures_fail(tmp_path, capsys):
    for side in "pr":
        write(labels(0), tmp_path / side / "a.mha")
    (tmp_path / "empty").mkdir()
    for number, options in enumerate(
        (["--compare"], ["--rank"], ["--overlay", str(tmp_path / "o.png"), "--image"])
    ):
        expected = 1 if "--overlay" in options else 2
        outputs = [str(tmp_path / f"{number}.{kind}") for kind in ("csv", "json")]
        arguments = [str(tmp_path / "p"), str(tmp_path / "r"), "--csv", outputs[0], "--json", outputs[1]]
        assert main([*arguments, *options, str(tmp_path / "empty")]) == expected
        assert len(scores(Path(outputs[0]))) == 2
        assert json.loads(Path(outputs[1]).read_text())["average_score"] == 1
    assert len(capsys.readouterr().err.splitlines()) == 3


def test_no_torch_is_loaded(root):
    """Scoring contours must not need it: nor its pictures and its report."""
    names = [path.stem for path in (root / "evaluation").glob("*.py")]
    imports = ", ".join(f"evaluation.{name}" for name in names if not name.startswith("_"))
    code = f"import sys, evaluate, {imports}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0


def test_a_run_that_was_stopped_goes_on(tmp_path, capsys, monkeypatch):
    for number, name in enumerate("abcd"):
        write(labels(number), tmp_path / "p" / f"{name}.mha")
        write(labels(0), tmp_path / "r" / f"{name}.mha")
    files = ["--csv", str(tmp_path / "s.csv"), "--json", str(tmp_path / "s.json")]
    arguments = [str(tmp_path / "p"), str(tmp_path / "r"), *files]
    assert main(arguments) == 0
    whole = (tmp_path / "s.csv").read_text(), (tmp_path / "s.json").read_text()
    scored = []

    def until_the_third(case, settings):
        if len(scored) == 2:
            raise KeyboardInterrupt
        scored.append(case.name)
        return evaluate_case(case, settings)

    monkeypatch.setattr(processes, "evaluate_case", until_the_third)
    assert main(arguments) == 130
    assert set(scores(tmp_path / "s.csv")) == {(case, s) for case in "ab" for s in ("GTVp", "GTVnd")}
    scored.clear()
    write(labels(0), tmp_path / "p" / "a.mha")  # changed in between, though to the same

    def and_note(case, settings):
        scored.append(case.name)
        return evaluate_case(case, settings)

    capsys.readouterr()
    monkeypatch.setattr(processes, "evaluate_case", and_note)
    assert main([*arguments, "--resume"]) == 0
    assert "1 of 4 cases were scored before" in capsys.readouterr().out and scored == list("acd")
    assert ((tmp_path / "s.csv").read_text(), (tmp_path / "s.json").read_text()) == whole
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p", "r", "s.csv", "s.json"]


def test_resume_needs_a_result(tmp_path, capsys):
    write(labels(0), tmp_path / "a.mha")
    assert main([str(tmp_path / "a.mha"), str(tmp_path / "a.mha"), "--resume"]) == 2
    assert "--resume: nothing says which run; give the --csv or --json" in capsys.readouterr().err


def test_maps_of_probability_give_a_froc(tmp_path, capsys):
    for number, name in enumerate("abc"):
        write(labels(number), tmp_path / "p" / f"{name}.mha")
        write(labels(0), tmp_path / "r" / f"{name}.mha")
        for label, structure in enumerate(("GTVp", "GTVnd"), 1):
            if (name, structure) != ("c", "GTVp"):
                levels = (200 * (labels(number) == label)).astype(np.uint8)
                write(levels, tmp_path / "p" / f"probability_{structure}" / f"{name}.mha")
    maps = ["--probabilities", str(tmp_path / "p")]
    masks = tmp_path / "masks"
    masks.mkdir()
    for name in "abc":
        (masks / f"{name}.mha").symlink_to(tmp_path / "p" / f"{name}.mha")
    arguments = [str(masks), str(tmp_path / "r"), "--json", str(tmp_path / "s.json"), *maps]
    assert main(arguments) == 1
    out, err = capsys.readouterr()
    assert err.splitlines() == ["c: no map of GTVp's probability, left out of the FROC"]
    assert "GTVnd FROC, 6 lesions in 3 cases" in out and "GTVp FROC, 2 lesions in 2 cases" in out
    nodes = json.loads((tmp_path / "s.json").read_text())["froc"][1]
    assert {p["probability"]: p["sensitivity"]["any"] for p in nodes["points"]} == {
        round(0.05 * k, 2): float(k < 16)
        for k in range(1, 20)  # 200 of 255
    }
    write(labels(0), tmp_path / "p" / "probability_GTVp" / "c.mha")
    assert main(arguments) == 0  # a map may hold any level


def test_masks_are_no_maps_of_probability(tmp_path, capsys):
    for folder in ("r", "m/probability_GTVp", "m/probability_GTVnd"):
        write((labels(0) > 0).astype(np.uint8), tmp_path / folder / "a.mha")
    arguments = [str(tmp_path / "r"), str(tmp_path / "r"), "--probabilities", str(tmp_path / "m")]
    assert main(arguments) == 2
    assert "no value but 0 and 1 in the maps of GTVp, as in masks; give" in capsys.readouterr().err


def test_a_faint_map_counts_where_another_is_none(tmp_path, capsys):
    for name, high in (("a", 1), ("b", 200)):
        write(labels(0), tmp_path / "r" / f"{name}.mha")
        for structure in ("GTVp", "GTVnd"):
            levels = (high * (labels(0) > 0)).astype(np.uint8)
            write(levels, tmp_path / "m" / f"probability_{structure}" / f"{name}.mha")
    arguments = [str(tmp_path / "r"), str(tmp_path / "r"), "--probabilities", str(tmp_path / "m")]
    assert main(arguments) == 0
    assert "GTVp FROC, 2 lesions in 2 cases" in capsys.readouterr().out


def test_summaries_as_csv_and_as_nnunet_has_them(tmp_path):
    for number, name in enumerate("abc"):
        write(labels(number), tmp_path / "p" / f"{name}.mha")
        write(labels(0), tmp_path / "r" / f"{name}.mha")
    files = {
        option: tmp_path / f"{option}.out" for option in ("--csv", "--json", "--summary-csv", "--nnunet-json")
    }
    outputs = [word for option, path in files.items() for word in (option, str(path))]
    assert main([str(tmp_path / "p"), str(tmp_path / "r"), *outputs]) == 0
    cases = scores(files["--csv"])
    with files["--summary-csv"].open() as file:
        rows = {(row["measure"], row["structure"]): row for row in csv.DictReader(file)}
    values = [float(row["hd95_mm"]) for (_, structure), row in cases.items() if structure == "GTVnd"]
    found = rows["hd95_mm", "GTVnd"]
    expected = (np.mean(values), np.std(values), np.median(values), *np.percentile(values, [25, 75]))
    names = ("mean", "sd", "median", "quartile1", "quartile3")
    assert [float(found[name]) for name in names] == pytest.approx(expected)
    assert (found["unit"], found["count"], found["undefined"]) == ("mm", "3", "0")
    measures = json.loads(files["--json"].read_text())["measures"]
    assert len(rows) == len(measures) and {m["measure"] for m in measures} == {name for name, _ in rows}
    dice = json.loads(files["--nnunet-json"].read_text())["mean"]["1"]["Dice"]
    assert dice == pytest.approx(np.mean([float(cases[name, "GTVp"]["dsc"]) for name in "abc"]))


def test_cases_that_the_report_cannot_show_are_named(tmp_path, capsys):
    for side in "pr":
        write(labels(0), tmp_path / side / "a.mha")
    (tmp_path / "cts").mkdir()
    report = tmp_path / "s.html"
    arguments = [str(tmp_path / side) for side in "pr"] + ["--report", str(report)]
    assert main([*arguments, "--image", str(tmp_path / "cts")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("a: not shown: ") and "0 images for case a" in line and report.exists()


def test_where_nobody_predicted_the_f1_of_an_empty_reference_is_0(tmp_path):
    for name in "ab":
        write(0 * labels(0), tmp_path / "r" / f"{name}.mha")
    write(0 * labels(0), tmp_path / "p" / "a.mha")
    files = [str(tmp_path / "p"), str(tmp_path / "r"), "--csv", str(tmp_path / "s.csv")]
    assert main(files) == 1
    rows = scores(tmp_path / "s.csv")
    for name, value in (("a", 1), ("b", 0)):
        assert {float(rows[name, "GTVp"][c]) for c in ("dsc", "iou", "nsd", "lesion_f1")} == {value}


def test_the_maps_of_a_single_pair_are_found_by_the_predictions_name(tmp_path, capsys):
    write(labels(0), tmp_path / "p" / "x.mha")
    write(labels(0), tmp_path / "r" / "y.mha")
    for label, structure in enumerate(("GTVp", "GTVnd"), 1):
        levels = (200 * (labels(0) == label)).astype(np.uint8)
        write(levels, tmp_path / "m" / f"probability_{structure}" / "x.mha")
    arguments = [str(tmp_path / "p"), str(tmp_path / "r"), "--probabilities", str(tmp_path / "m")]
    assert main(arguments) == 0
    assert "GTVnd FROC, 2 lesions in 1 cases" in capsys.readouterr().out


def test_the_first_case_with_scores_is_drawn_and_the_report_written_where_none_can_be(tmp_path, capsys):
    for name in "ab":
        write(labels(0), tmp_path / "p" / f"{name}.mha")
        write(labels(0), tmp_path / "r" / f"{name}.mha")
    (tmp_path / "r" / "a.mha").write_bytes(b"rubbish")
    files = [str(tmp_path / "p"), str(tmp_path / "r")]
    outputs = [tmp_path / "o.png", tmp_path / "r.html"]
    drawing = ["--overlay", str(outputs[0]), "--report", str(outputs[1])]
    assert main([*files, *drawing]) == 1
    assert all(path.stat().st_size for path in outputs)
    for path in outputs:
        path.unlink()
    capsys.readouterr()
    (tmp_path / "no cts").mkdir()
    assert main([*files, *drawing, "--image", str(tmp_path / "no cts")]) == 1
    assert outputs[1].exists() and "(not drawn)" in capsys.readouterr().err


def test_masks_that_were_taken_for_label_maps_get_a_note_where_a_structure_has_no_voxel(tmp_path, capsys):
    for side in "pr":
        for name in "ab":
            write((labels(0) > 0).astype(np.uint8), tmp_path / side / f"{name}.mha")
    outputs = ["--json", str(tmp_path / "s.json"), "--report", str(tmp_path / "s.html")]
    assert main([str(tmp_path / "p"), str(tmp_path / "r"), "--structures", "GTVnd", *outputs]) == 0
    said = "GTVnd: no reference and no prediction has a voxel of it"
    out, err = capsys.readouterr()
    assert "AVG score 100.00" in out and out.count(said) == 1 and not err
    content = json.loads((tmp_path / "s.json").read_text())
    assert sum(note.startswith(said) for note in content["notes"]) == 1 and not content["problems"]
    assert said in (tmp_path / "s.html").read_text(encoding="utf-8")


def test_distances_that_no_case_has_are_in_every_result(tmp_path, capsys):
    for name in "ab":
        write(labels(0), tmp_path / "r" / f"{name}.mha")
        write(0 * labels(0), tmp_path / "p" / f"{name}.mha")
    kinds = {"--json": "s.json", "--summary-csv": "s.csv", "--report": "s.html"}
    outputs = [word for option, name in kinds.items() for word in (option, str(tmp_path / name))]
    assert main([str(tmp_path / "p"), str(tmp_path / "r"), *outputs]) == 0
    assert " hd95_mm " in capsys.readouterr().out
    measures = json.loads((tmp_path / "s.json").read_text())["measures"]
    (found,) = [m for m in measures if (m["measure"], m["structure"]) == ("hd95_mm", "GTVnd")]
    diagonal = np.linalg.norm(np.multiply((24, 20, 12), SPACING_XYZ))
    assert (found["count"], found["undefined"], found["mean"], found["ci95"]) == (0, 2, None, None)
    assert found["penalised_mean"] == pytest.approx(diagonal)
    with (tmp_path / "s.csv").open() as file:
        rows = {(row["measure"], row["structure"]): row for row in csv.DictReader(file)}
    row = rows["hd95_mm", "GTVp"]
    assert (row["count"], row["mean"], row["quartile1"], row["ci95_high"]) == ("0", "", "", "")
    page = (tmp_path / "s.html").read_text(encoding="utf-8")
    assert f"<td>2</td><td>{diagonal:.3f}</td>" in page and "None" not in page.split('id="measures"')[1]


def test_a_second_file_that_could_be_the_case_is_seen_by_a_run_that_goes_on(tmp_path, capsys, monkeypatch):
    for side in "pr":
        for name in "ab":
            write(labels(0), tmp_path / side / f"{name}.mha")
    arguments = [str(tmp_path / "p"), str(tmp_path / "r"), "--csv", str(tmp_path / "s.csv")]

    def stop_at_b(case, settings):
        if case.name == "b":
            raise KeyboardInterrupt
        return evaluate_case(case, settings)

    with monkeypatch.context() as patched:
        patched.setattr(processes, "evaluate_case", stop_at_b)
        assert main(arguments) == 130
    write(labels(1), tmp_path / "p" / "a.nii.gz")
    capsys.readouterr()
    assert main([*arguments, "--resume"]) == 1
    assert "a.mha, a.nii.gz could all be a" in capsys.readouterr().err
    assert scores(tmp_path / "s.csv")["a", "GTVp"]["dsc"] == "0.0"


def test_masks_as_fractions_are_no_maps_of_probability(tmp_path, capsys):
    write((labels(0) > 0).astype(np.uint8), tmp_path / "r" / "a.mha")
    for structure in ("GTVp", "GTVnd"):
        write((labels(0) > 0).astype(np.float32), tmp_path / "m" / f"probability_{structure}" / "a.mha")
    arguments = [str(tmp_path / "r"), str(tmp_path / "r"), "--probabilities", str(tmp_path / "m")]
    assert main(arguments) == 2
    assert "no value but 0 and 1 in the maps of GTVp, as in masks; give" in capsys.readouterr().err
