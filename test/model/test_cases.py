"""Which files form a case in each layout, and where the result goes. Files need no content here."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from empty_files import touch_below
from faults.slices import write_slice

from model.cases import CE_SLUG, CT_SLUG, find_cases
from model.errors import InputError
from model.images.read import open_header
from model.writing import output_folders

SEGMENTATION = Path("images/gross-tumor-volume-segmentation")


def fault(root: Path, layout: str = "auto", output: Path = Path("out")) -> str:
    """What is said of an input that is refused, as a whole or by the fault of its case."""
    try:
        message = str(next(case.fault for case in find_cases(root, output, layout) if case.fault))
    except InputError as error:
        message = str(error)
    assert "; " in message and "\n" not in message
    return message


def test_exec_takes_the_only_file_of_each_folder(tmp_path):
    touch_below(tmp_path, f"images/{CT_SLUG}/a.mha", f"images/{CE_SLUG}/b.mha", f"images/{CT_SLUG}/.hidden")
    for layout in ("auto", "exec"):
        (case,) = find_cases(tmp_path, Path("out"), layout)
        assert case.ct == tmp_path / "images" / CT_SLUG / "a.mha"
        assert case.ce == tmp_path / "images" / CE_SLUG / "b.mha"
        assert case.output == Path("out") / SEGMENTATION / "a.mha"
        assert (case.name, case.kind) == ("a", "channels")


def test_exec_result_is_mha_whatever_the_input(tmp_path):
    touch_below(tmp_path, f"images/{CT_SLUG}/a.b.nii.gz", f"images/{CE_SLUG}/b.nrrd")
    assert find_cases(tmp_path, Path("out"), "auto")[0].output.name == "a.b.mha"


@pytest.mark.parametrize("present", [CT_SLUG, CE_SLUG])
def test_exec_without_the_other_folder_names_it(tmp_path, present):
    touch_below(tmp_path, f"images/{present}/a.mha")
    missing = CE_SLUG if present == CT_SLUG else CT_SLUG
    assert f"images/{missing}: no such folder" in fault(tmp_path)


def test_exec_with_two_files_or_none_or_a_folder_is_refused(tmp_path):
    touch_below(tmp_path, f"images/{CT_SLUG}/a.mha", f"images/{CE_SLUG}/b.mha", f"images/{CT_SLUG}/notes.txt")
    message = fault(tmp_path)
    assert "a.mha" in message and "notes.txt" in message
    (tmp_path / "images" / CT_SLUG / "notes.txt").unlink()
    (tmp_path / "images" / CE_SLUG / "b.mha").unlink()
    assert f"{CE_SLUG}: empty" in fault(tmp_path)
    (tmp_path / "images" / CE_SLUG / "series").mkdir()
    assert "series" in fault(tmp_path)


def write_inputs_json(root: Path, key: str, folder: str, ct_name: str) -> None:
    entries = [
        {
            key: {"slug": CT_SLUG, "relative_path": folder},
            "file": None,
            "image": {"name": ct_name},
            "value": None,
        },
        {key: {"slug": CE_SLUG, "relative_path": f"images/{CE_SLUG}"}, "image": {"name": "as uploaded.mha"}},
        {key: {"slug": "age", "relative_path": "age.json"}, "image": None, "value": 50},
    ]
    (root / "inputs.json").write_text(json.dumps(entries))


@pytest.mark.parametrize("key", ["socket", "interface"])
def test_inputs_json_is_honoured(tmp_path, key):
    touch_below(tmp_path, f"images/{CT_SLUG}/wrong.mha", f"images/{CE_SLUG}/b.mha", "images/elsewhere/a.mha")
    write_inputs_json(tmp_path, key, "images/elsewhere", "a.mha")
    (case,) = find_cases(tmp_path, Path("out"), "exec")
    assert case.ct == tmp_path / "images" / "elsewhere" / "a.mha"
    assert case.ce.name == "b.mha"  # its name in inputs.json is that before the upload


def test_inputs_json_chooses_among_two_files(tmp_path):
    touch_below(tmp_path, f"images/{CT_SLUG}/a.mha", f"images/{CT_SLUG}/other.mha", f"images/{CE_SLUG}/b.mha")
    write_inputs_json(tmp_path, "socket", f"images/{CT_SLUG}", "a.mha")
    assert find_cases(tmp_path, Path("out"), "exec")[0].ct.name == "a.mha"


@pytest.mark.parametrize("content", ["{", "3", "[3]", "[{}]", '[{"socket": {}}]', '{"a": 1}'])
def test_inputs_json_that_makes_no_sense_is_refused(tmp_path, content):
    touch_below(tmp_path, f"images/{CT_SLUG}/a.mha", f"images/{CE_SLUG}/b.mha")
    (tmp_path / "inputs.json").write_text(content)
    assert "inputs.json" in fault(tmp_path)


def test_segrap2025_lists_all_cases_of_all_cohorts_sorted(tmp_path):
    for case in ("Cohort2/image/segrap_0003", "Cohort1/image/segrap_0002", "Cohort1/image/segrap_0001"):
        touch_below(tmp_path, f"{case}/image.nii.gz", f"{case}/image_contrast.nii.gz")
    touch_below(tmp_path, "Cohort1/image/readme.txt", "Cohort1/image/.hidden/image.nii.gz")
    for layout in ("auto", "segrap2025"):
        cases = find_cases(tmp_path, Path("out"), layout)
        assert [case.name for case in cases] == [
            "Cohort1/segrap_0001", "Cohort1/segrap_0002", "Cohort2/segrap_0003",
        ]  # fmt: skip
        assert cases[2].output == Path("out/Cohort2/segrap_0003.nii.gz")
        assert cases[2].ct == tmp_path / "Cohort2/image/segrap_0003/image.nii.gz"
        assert cases[2].ce == tmp_path / "Cohort2/image/segrap_0003/image_contrast.nii.gz"
        assert cases[2].kind == "label_map"


def test_segrap2025_case_that_lacks_files_is_listed_with_the_names_it_should_have(tmp_path):
    touch_below(tmp_path, "Cohort1/image/nc/image.nii.gz", "Cohort1/image/ce/image_contrast.nii.gz")
    (tmp_path / "Cohort1/image/none").mkdir()
    ce, nc, none = find_cases(tmp_path, Path("out"), "auto")
    assert nc.ce.name == "image_contrast.nii.gz" and not nc.ce.exists()
    assert ce.ct.name == "image.nii.gz" and ce.ce.exists()
    assert none.output == Path("out/Cohort1/none.nii.gz") and not none.ct.exists()


@pytest.mark.parametrize("folder", ["", "imagesTs/", "imagesTr/"])
def test_nnunet_pairs_channels_0000_and_0001(tmp_path, folder):
    touch_below(
        tmp_path,
        f"{folder}b_0000.nii.gz",
        f"{folder}b_0001.nii.gz",
        f"{folder}a_0000.mha",
        f"{folder}a_0001.mha",
    )
    touch_below(tmp_path, f"{folder}dataset.json", f"{folder}b.nii.gz")
    for layout in ("auto", "nnunet"):
        a, b = find_cases(tmp_path, Path("out"), layout)
        assert (a.name, a.ct.name, a.ce.name, a.output) == (
            "a",
            "a_0000.mha",
            "a_0001.mha",
            Path("out/a.mha"),
        )
        assert (b.output, b.kind, b.fault) == (Path("out/b.nii.gz"), "label_map", None)


def test_nnunet_case_that_lacks_a_channel_is_listed(tmp_path):
    touch_below(tmp_path, "a_0000.mha", "b_0001.nrrd")
    a, b = find_cases(tmp_path, Path("out"), "nnunet")
    assert a.ce == tmp_path / "a_0001.mha" and b.ct == tmp_path / "b_0000.nrrd"
    assert b.output == Path("out/b.nrrd")


def test_nnunet_may_write_into_its_input_folder(tmp_path):
    touch_below(tmp_path, "a_0000.mha", "a_0001.mha", "a.mha")
    assert find_cases(tmp_path, tmp_path, "auto")[0].output == tmp_path / "a.mha"


def test_a_result_never_replaces_an_input(tmp_path):
    touch_below(tmp_path, "a_0000.mha", "a_0001.mha", "a_0000_0000.mha", "a_0000_0001.mha")
    assert "a_0000.mha: the result would replace an input" in fault(tmp_path, output=tmp_path)


def test_folder_takes_image_and_image_contrast(tmp_path):
    touch_below(tmp_path, "p1/image.nii.gz", "p1/image_contrast.nii.gz", "p1/GTVp.nii.gz")
    touch_below(tmp_path, "p2/image_x.mhd", "p2/image_x.raw", "p2/image_contrast_x.mha", "results/p1.nii.gz")
    for layout in ("auto", "folder"):
        p1, p2 = find_cases(tmp_path, Path("out"), layout)
        assert (p1.ct.name, p1.ce.name) == ("image.nii.gz", "image_contrast.nii.gz")
        assert p1.output == Path("out/p1.nii.gz") and not p1.fault
        assert (p2.ct.name, p2.ce.name, p2.output.name) == ("image_x.mhd", "image_contrast_x.mha", "p2.mha")


def test_folder_takes_dicom_folders_and_writes_nifti(tmp_path):
    touch_below(tmp_path, "p1/image/1.dcm", "p1/image_contrast/1.dcm", "p2/image/1.dcm")
    p1, p2 = find_cases(tmp_path, Path("out"), "auto")
    assert (p1.ct, p1.ce) == (tmp_path / "p1/image", tmp_path / "p1/image_contrast")
    assert p1.output == Path("out/p1.nii.gz") and not p1.fault
    assert not p2.ce.exists()


@pytest.mark.parametrize(
    ("layout", "names", "ambiguous"),
    [
        ("folder", ["p/image.nii.gz", "p/image.mha", "p/image_contrast.mha"], ["image.mha", "image.nii.gz"]),
        ("folder", ["p/image.mha", "p/image_contrast.mha", "p/image_contrast/1.dcm"], ["image_contrast.mha"]),
        ("nnunet", ["p_0000.mha", "p_0000.nii.gz", "p_0001.mha"], ["p_0000.mha", "p_0000.nii.gz"]),
        ("nnunet", ["p_0000.mha", "p_0001.nii", "p_0001.mha"], ["p_0001.mha", "p_0001.nii"]),
    ],
)
def test_two_files_for_one_ct_are_that_cases_fault(tmp_path, layout, names, ambiguous):
    touch_below(tmp_path, *names, *(name.replace("p", "good", 1) for name in names if name not in names[1:2]))
    cases = {case.name: case for case in find_cases(tmp_path, Path("out"), layout)}
    assert all(name in str(cases["p"].fault) for name in ambiguous) and "; " in str(cases["p"].fault)


def test_input_that_fits_no_layout_is_refused(tmp_path):
    assert "no such input folder" in fault(tmp_path / "nowhere")
    message = fault(tmp_path)
    assert CT_SLUG in message and "Cohort*/image" in message and "*_0000.*" in message
    for layout in ("segrap2025", "nnunet", "folder"):
        assert f"no case in layout {layout}" in fault(tmp_path, layout)


def test_input_that_may_not_be_listed_is_refused(tmp_path, monkeypatch):
    touch_below(tmp_path, f"images/{CT_SLUG}/a.mha", f"images/{CE_SLUG}/b.mha")

    def forbidden(folder):
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr(Path, "iterdir", forbidden)
    assert f"images/{CT_SLUG}: Permission denied" in fault(tmp_path)


def test_one_folder_that_may_not_be_listed_is_that_cases_fault(tmp_path, monkeypatch):
    touch_below(tmp_path, *(f"{name}/{file}.nii.gz" for name in "ab" for file in ("image", "image_contrast")))
    iterdir = Path.iterdir

    def forbidden(folder):
        if folder.name == "a":
            raise PermissionError(13, "Permission denied", str(folder))
        return iterdir(folder)

    monkeypatch.setattr(Path, "iterdir", forbidden)
    a, b = find_cases(tmp_path, tmp_path / "out", "auto")
    assert "Permission denied" in str(a.fault) and str(tmp_path / "a") in str(a.fault) and b.fault is None


def exec_case(tmp_path: Path):
    touch_below(tmp_path, f"images/{CT_SLUG}/a.mha", f"images/{CE_SLUG}/b.mha")
    return find_cases(tmp_path, tmp_path / "new" / "out", "auto")


def test_output_folders_are_made_and_removed_when_nothing_was_written(tmp_path):
    cases = exec_case(tmp_path)
    with output_folders([case.output for case in cases]):
        assert cases[0].output.parent.is_dir()
    assert not (tmp_path / "new").exists()


def test_output_folders_stay_when_something_was_written_or_was_there(tmp_path):
    cases = exec_case(tmp_path)
    (tmp_path / "new").mkdir()
    with output_folders([case.output for case in cases]):
        pass
    assert (tmp_path / "new").exists() and not (tmp_path / "new" / "out").exists()
    with output_folders([case.output for case in cases]):
        cases[0].output.touch()
    assert cases[0].output.exists()


def test_two_processes_may_make_one_output_folder(tmp_path, monkeypatch):
    cases = exec_case(tmp_path)
    mkdir = Path.mkdir

    def second(path, *args, **kwargs):
        mkdir(path)
        mkdir(path, *args, **kwargs)

    monkeypatch.setattr(Path, "mkdir", second)
    with output_folders([case.output for case in cases]):
        cases[0].output.touch()
    assert cases[0].output.exists()


@pytest.mark.parametrize("output", ["a file", "/proc/self"])
def test_unwritable_output_is_refused_before_the_work(tmp_path, output):
    touch_below(tmp_path, "a_0000.mha", "a_0001.mha", "a file")
    cases = find_cases(tmp_path, tmp_path / output, "nnunet")
    with (
        pytest.raises(InputError, match="cannot write there .*; make it writable"),
        output_folders([case.output for case in cases]),
    ):
        pytest.fail("the work began")


def test_a_folder_in_the_results_place_is_refused_before_the_work(tmp_path):
    touch_below(tmp_path, "a_0000.mha", "a_0001.mha", "out/a.mha/x")
    cases = find_cases(tmp_path, tmp_path / "out", "nnunet")
    with pytest.raises(InputError, match="a.mha: a folder"), output_folders([case.output for case in cases]):
        pytest.fail("the work began")


@pytest.mark.parametrize("names", [("ct.nii.gz", "ce.nii.gz"), ("IMG.mha",), ("contrast.nrrd", "plain.nrrd")])
def test_a_folder_whose_cts_have_other_names_is_told(tmp_path, names):
    touch_below(tmp_path, "p1/image.nii.gz", "p1/image_contrast.nii.gz", *(f"p2/{name}" for name in names))
    p1, p2 = find_cases(tmp_path, Path("out"), "auto")
    assert p1.fault is None and names[0] in str(p2.fault)


@pytest.mark.parametrize("ct", ["Image.nii.gz", "IMAGE.NII.GZ", "image.NII", "Image_1.Mha"])
def test_letter_case_does_not_matter(tmp_path, ct):
    touch_below(tmp_path, f"p1/{ct}", "p1/image_CONTRAST.nii.gz", "p1/Image.txt")
    (case,) = find_cases(tmp_path, Path("out"), "auto")
    assert (case.ct.name, case.ce.name, case.fault) == (ct, "image_CONTRAST.nii.gz", None)
    touch_below(tmp_path / "n", "a_0000" + ct[ct.index(".") :], "a_0001.NII.gz")
    (case,) = find_cases(tmp_path / "n", Path("out"), "auto")
    assert case.ct.exists() and case.ce.exists()
    assert case.output.suffix == case.output.suffix.lower()


def test_two_spellings_of_one_ct_are_told(tmp_path):
    touch_below(tmp_path, "f/p1/image.nii.gz", "f/p1/Image.nii.gz", "f/p1/image_contrast.nii.gz")
    touch_below(tmp_path, "n/a_0000.nii.gz", "n/a_0000.NII.GZ", "n/a_0001.mha")
    for root in (tmp_path / "f", tmp_path / "n"):
        (case,) = find_cases(root, Path("out"), "auto")
        assert "could all be the CT" in str(case.fault)


def test_a_name_that_is_no_text_is_told(tmp_path):
    name = os.fsdecode(b"p\xff")
    touch_below(
        tmp_path,
        f"{name}/image.nii.gz",
        f"{name}/image_contrast.nii.gz",
        "q/image.nii.gz",
        "q/image_contrast.mha",
    )
    bad, good = find_cases(tmp_path, Path("out"), "auto")
    assert "not UTF-8" in str(bad.fault) and good.fault is None


@pytest.mark.parametrize("layout", ["folder", "nnunet", "segrap2025", "exec"])
def test_symlink_loops_end_in_an_error(tmp_path, layout):
    places = {
        "folder": ("p/image.nii.gz", "p/image_contrast.nii.gz"),
        "nnunet": ("p_0000.nii.gz", "p_0001.nii.gz"),
        "segrap2025": ("Cohort1/image/p/image.nii.gz", "Cohort1/image/p/image_contrast.nii.gz"),
        "exec": (f"images/{CT_SLUG}/p.mha", f"images/{CE_SLUG}/p.mha"),
    }
    for place in places[layout]:
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).symlink_to(tmp_path / place)
    if layout == "exec":
        fault(tmp_path)
    else:
        (case,) = find_cases(tmp_path, Path("out"), "auto")
        with pytest.raises(InputError):
            open_header(case.ct)


@pytest.mark.parametrize("name", ["x" * 240, "é" * 121, "x" * 250])
def test_names_too_long_for_a_result_are_told_before_any_work(tmp_path, name):
    touch_below(tmp_path, f"in/{name}/image.nii.gz", f"in/{name}/image_contrast.nii.gz")
    cases = find_cases(tmp_path / "in", tmp_path / "out", "auto")
    if len(name.encode()) + len(".nii.gz") <= 255:
        with output_folders([case.output for case in cases]):
            pass
    else:
        with (
            pytest.raises(InputError, match="cannot be written"),
            output_folders([case.output for case in cases]),
        ):
            pass
    assert not (tmp_path / "out").exists()


def test_deep_json_is_told(tmp_path):
    touch_below(tmp_path, f"images/{CT_SLUG}/a.mha", f"images/{CE_SLUG}/b.mha")
    (tmp_path / "inputs.json").write_text("[" * 100_000)
    assert "inputs.json" in fault(tmp_path)


def test_a_third_channel_is_told(tmp_path):
    touch_below(tmp_path, "a_0000.mha", "a_0001.mha", "a_0002.mha", "b_0000.mha", "b_0001.mha")
    a, b = find_cases(tmp_path, Path("out"), "auto")
    assert "channel 0002" in str(a.fault) and b.fault is None


def test_two_cases_with_one_result_are_refused(tmp_path):
    touch_below(tmp_path, "Cohort1/image/p/image.nii.gz", "Cohort2/image/p/image.nii.gz")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/Cohort1").mkdir()
    (tmp_path / "out/Cohort2").symlink_to("Cohort1")
    assert "the result of several cases" in fault(tmp_path, output=tmp_path / "out")


def test_what_lies_beside_the_cases_is_a_case_that_cannot_be_read(tmp_path, capsys):
    touch_below(
        tmp_path,
        "f/a/image.mha",
        "f/a/image_contrast.mha",
        "f/b/image.hdr",
        "f/c/x/image.mha",
        "f/d/note.txt",
    )
    touch_below(tmp_path, "n/a_0000.mha", "n/a_0001.mha", "n/b_000.mha", "n/a.mha", "n/c/image.mha")
    touch_below(
        tmp_path, "s/Cohort1/image/a/image.mha", "s/Cohort1/label/a.mha", "s/cohort2/image/b/image.mha"
    )
    for name, faulty in (("f", ["b", "c"]), ("n", ["b_000.mha", "c"]), ("s", ["cohort2"])):
        cases = find_cases(tmp_path / name, Path("out"), "auto")
        assert [case.name for case in cases if case.fault] == faulty
        assert sum(case.fault is None for case in cases) == 1
    touch_below(
        tmp_path,
        "t/imagesTs/a_0000.mha",
        "t/imagesTs/a_0001.mha",
        "t/imagesTr/b_0000.mha",
        "t/labelsTr/b.mha",
    )
    assert [case.name for case in find_cases(tmp_path / "t", Path("out"), "auto")] == ["a"]
    assert "passed over" in capsys.readouterr().out


def test_a_folder_called_after_a_case_is_told_beside_it(tmp_path):
    touch_below(tmp_path, "a_0000.nii.gz", "a_0001.nii.gz", "a/x.nii.gz")
    case, stranger = find_cases(tmp_path, Path("out"), "nnunet")
    assert (case.name, case.fault) == ("a", None)
    assert stranger.name == "a beside" and "of no case" in str(stranger.fault)
    assert stranger.output != case.output


def test_dicom_of_any_name_is_a_case_of_its_folder(tmp_path):
    for name in ("p1/CT A/1", "p1/b/c/IM2", "p2/1.dcm", "p3/image/1.dcm"):
        write_slice(tmp_path / name, np.zeros((4, 6), np.uint16), StudyInstanceUID=f"1.2.{name[1]}")
    touch_below(tmp_path, "p4/image.nii.gz", "p4/image_contrast.nii.gz", "p5/scan.nii.gz")
    touch_below(tmp_path, "p4/b/empty.dcm", "DICOMDIR", "notes/x.txt")
    cases = find_cases(tmp_path, Path("out"), "auto")
    assert [(case.name, case.study, case.fault is None) for case in cases] == [
        ("p1", True, True), ("p2", True, True), ("p3", True, True), ("p4", False, True), ("p5", False, False),
    ]  # fmt: skip
    assert cases[0].ct == cases[0].ce == tmp_path / "p1" and cases[0].output == Path("out/p1.nii.gz")


def test_one_patients_own_dicom_folder_is_a_case(tmp_path):
    for name in ("my patient/plain/1", "my patient/ce/1"):
        write_slice(tmp_path / name, np.zeros((4, 6), np.uint16))
    for folder in (tmp_path, tmp_path / "my patient"):
        (case,) = find_cases(folder, Path("out"), "auto")
        assert case.study and case.ct == tmp_path / "my patient"
        assert case.output == Path("out/my patient.nii.gz")


def test_dicom_in_folders_called_after_both_cts_is_taken_by_these_names(tmp_path):
    for name in ("p/image/1", "p/image_contrast/1", "p/third/1"):
        write_slice(tmp_path / name, np.zeros((4, 6), np.uint16))
    for folder in (tmp_path, tmp_path / "p"):
        (case,) = find_cases(folder, Path("out"), "auto")
        assert (case.study, case.ct, case.ce) == (False, tmp_path / "p/image", tmp_path / "p/image_contrast")


def test_a_patients_own_folder_is_one_case_called_after_it(tmp_path, monkeypatch):
    touch_below(tmp_path / "p7", "image.nii.gz", "image_contrast.nii.gz", "GTVp.nii.gz")
    monkeypatch.chdir(tmp_path / "p7")
    for root in (tmp_path / "p7", Path(".")):
        (case,) = find_cases(root, tmp_path / "out", "auto")
        assert (case.name, case.output) == ("p7", tmp_path / "out/p7.nii.gz")
        assert (case.ct.name, case.ce.name, case.fault) == ("image.nii.gz", "image_contrast.nii.gz", None)
    (tmp_path / "p7/image_contrast.nii.gz").unlink()
    (case,) = find_cases(tmp_path / "p7", tmp_path / "out", "folder")
    assert case.ce.name == "image_contrast.nii.gz" and not case.ce.exists()


def test_a_patients_own_folder_may_have_dicom_folders(tmp_path):
    touch_below(tmp_path / "p7", "image/1.dcm", "image_contrast/1.dcm")
    (case,) = find_cases(tmp_path / "p7", Path("out"), "auto")
    assert (case.name, case.ct.name, case.ce.name) == ("p7", "image", "image_contrast")


def test_a_patients_own_folder_may_have_anything_beside_its_cts(tmp_path):
    """Masks of others, and results and maps of an earlier run: wherever these went."""
    touch_below(
        tmp_path / "p7", "image.nii.gz", "image_contrast.nii.gz", "masks/GTVp.nii.gz", "x/y/ct.nii.gz"
    )
    touch_below(
        tmp_path / "p7", "out/p7.nii.gz", "out/manifest.jsonl", "probability_GTVp/p7.nii.gz", "p7.nii.gz"
    )
    (tmp_path / "p7").rename(tmp_path / "image_1")
    (tmp_path / "image_1/p7.nii.gz").rename(tmp_path / "image_1/image_1.nii.gz")
    for output in (tmp_path / "image_1/out", tmp_path / "image_1", tmp_path / "elsewhere"):
        (case,) = find_cases(tmp_path / "image_1", output, "auto")
        assert (case.name, case.ct.name, case.fault) == ("image_1", "image.nii.gz", None)


def test_one_patients_dicom_with_results_in_it_is_still_one_patient(tmp_path):
    for name in ("p/1/1", "p/2/1"):
        write_slice(tmp_path / name, np.zeros((4, 6), np.uint16))
    touch_below(tmp_path / "p", "out/p.nii.gz", "uncertainty/p.nii.gz")
    (case,) = find_cases(tmp_path / "p", tmp_path / "p/out", "auto")
    assert case.study and case.name == "p"


def test_a_pair_beside_folders_with_pairs_is_refused(tmp_path):
    touch_below(
        tmp_path / "p7",
        *(f"{folder}image{end}.nii.gz" for folder in ("", "old/") for end in ("", "_contrast")),
    )
    assert "p7: it has both CTs of a patient, and old in it has both, too; " in fault(tmp_path / "p7")


def test_a_patients_folder_as_the_output_is_still_a_patient(tmp_path):
    for name in "ab":
        touch_below(tmp_path, f"{name}/image.mha", f"{name}/image_contrast.mha")
    assert [case.name for case in find_cases(tmp_path, tmp_path / "b", "auto")] == ["a", "b"]


@pytest.mark.parametrize(
    ("root", "links", "named"),
    [
        ("f", ["p2"], ["p2"]),
        ("s", ["Cohort1/image/p2", "Cohort2"], ["Cohort1/p2", "Cohort2"]),
        ("n", ["imagesTs/b"], ["b"]),
    ],
)
def test_a_patient_that_a_link_does_not_lead_to_is_named(tmp_path, root, links, named):
    touch_below(tmp_path, "f/p1/image.mha", "f/p1/image_contrast.mha", "s/Cohort1/image/p1/image.mha")
    touch_below(tmp_path, "n/imagesTs/a_0000.mha", "n/imagesTs/a_0001.mha")
    for link in links:
        (tmp_path / root / link).symlink_to("/not/mounted")
    faulty = {
        case.name: str(case.fault) for case in find_cases(tmp_path / root, Path("o"), "auto") if case.fault
    }
    assert list(faulty) == named
    assert all("a link that leads nowhere; mount what it leads to" in text for text in faulty.values())


def test_what_lies_inside_a_layouts_folders_is_named_too(tmp_path, capsys):
    touch_below(tmp_path, *(f"n/imagesTs/{name}.mha" for name in ("a_0000", "a_0001", "b_000", "c")))
    touch_below(
        tmp_path, "s/Cohort1/image/a/image.mha", "s/Cohort1/c/image.mha", "s/Cohort1/image/b_image.mha"
    )
    for root, faulty in (("n", ["b_000.mha", "c.mha"]), ("s", ["Cohort1/c"])):
        cases = find_cases(tmp_path / root, Path("out"), "auto")
        assert [case.name for case in cases if case.fault] == faulty
    assert "passed over " in capsys.readouterr().out


def test_a_patient_with_dicom_keeps_nothing_beside_from_being_named(tmp_path, capsys):
    for name in ("p1/1/1", "p1/2/1"):
        write_slice(tmp_path / name, np.zeros((4, 6), np.uint16))
    touch_below(tmp_path, "p4/deeper/image.nii.gz", "loose.nii.gz")
    (tmp_path / "p7").mkdir()
    (tmp_path / "p8").symlink_to("/not/mounted")
    cases = find_cases(tmp_path, Path("out"), "auto")
    assert [(case.name, case.fault is None) for case in cases] == [("p1", True), ("p4", False), ("p8", False)]
    told = capsys.readouterr().out.splitlines()
    assert [line.rpartition("/")[2] for line in told] == [
        "loose.nii.gz: not of layout folder",
        "p7: no image in it",
    ]


def test_folders_without_any_image_are_logged(tmp_path, capsys):
    touch_below(
        tmp_path, "a/image.mha", "a/image_contrast.mha", "b/study.zip", "c/image.mha.part", "out/a.mha"
    )
    (tmp_path / "d").mkdir()
    assert [case.name for case in find_cases(tmp_path, tmp_path / "out", "auto")] == ["a"]
    expected = [f"passed over {tmp_path / name}: no image in it" for name in "bcd"]
    assert capsys.readouterr().out.splitlines() == expected


def test_where_there_is_no_pair_an_image_that_is_not_read_is_named(tmp_path):
    touch_below(tmp_path, "a/image.hdr", "a/image.img")
    assert f"DICOM; {os.path.join('a', 'image.hdr')} is none of these); see the layouts" in fault(tmp_path)
