"""Which files form a case, and which cases belong together."""

import unicodedata

import pytest
from empty_files import touch_below

from evaluation.cases import find_cases, find_ct
from evaluation.names import meant, one_form
from model.errors import InputError


def test_layouts_are_found_side_by_side_and_cts_are_passed_over(tmp_path):
    touch_below(
        tmp_path,
        "labelsTr/a.nii.gz",
        "imagesTr/a_0000.nii.gz",
        "b/GTVp.mha",
        "b/GTVnd.mha",
        "b/Brain.mha",
        "b/image.mha",
    )
    touch_below(
        tmp_path, "images/head-neck-ct/c.mha", "images/gross-tumor-volume-segmentation/c.mha", "image_d.nii"
    )
    cases = find_cases(tmp_path).cases
    assert set(cases) == {"a", "b", "c", "image_d"}
    assert cases["a"].whole == tmp_path / "labelsTr/a.nii.gz" and not cases["a"].by_structure
    assert cases["b"].whole is None and set(cases["b"].by_structure) == {"GTVp", "GTVnd"}


def test_names_that_repeat_become_paths(tmp_path):
    touch_below(tmp_path, "Cohort1/a.nii.gz", "Cohort2/a.nii.gz", "Cohort2/b.nii.gz")
    assert set(find_cases(tmp_path).cases) == {"Cohort1/a", "Cohort2/a", "b"}


def test_words_that_tell_nothing_are_not_in_these_paths_unless_they_tell_cases_apart(tmp_path):
    touch_below(tmp_path, "x/Cohort1/labels/a.mha", "x/Cohort2/labels/a.mha", "x/Cohort2/b/mask.mha")
    assert set(find_cases(tmp_path / "x").cases) == {"Cohort1/a", "Cohort2/a", "b"}
    touch_below(tmp_path, "y/labelsTr/a.mha", "y/labelsTs/a.mha")
    assert set(find_cases(tmp_path / "y").cases) == {"labelsTr/a", "labelsTs/a"}


@pytest.mark.parametrize("name", ["nothing", "text.txt", "empty"])
def test_a_place_without_masks_is_refused(tmp_path, name):
    (tmp_path / "empty").mkdir()
    touch_below(tmp_path, "text.txt")
    with pytest.raises(InputError, match=f"{name}: .+; "):
        find_cases(tmp_path / name)


def test_a_case_finds_its_ct(tmp_path):
    touch_below(tmp_path, "a.nii.gz", "b_0000.mha", "c/image.nrrd", "c/image_contrast.nrrd")
    assert [find_ct(tmp_path, name).name for name in "abc"] == ["a.nii.gz", "b_0000.mha", "image.nrrd"]
    assert find_ct(tmp_path / "a.nii.gz", "anything") == tmp_path / "a.nii.gz"
    with pytest.raises(InputError, match="4 images for case d"):
        find_ct(tmp_path, "d")


def test_of_a_case_that_is_called_by_its_path_too(tmp_path):
    cts = ("Cohort1/a.nii.gz", "Cohort2/a_0000.nii.gz", "Cohort1/b/image.mha", "Cohort2/b/image.mha")
    touch_below(tmp_path, *cts)
    for name, ct in zip(("Cohort1/a", "Cohort2/a", "Cohort1/b", "Cohort2/b"), cts, strict=True):
        assert find_ct(tmp_path, name) == tmp_path / ct


@pytest.mark.parametrize(
    "files, key",
    [
        (["a_GTVp.mha", "GTVnd/a.mha"], "a"),
        (["a/GTVp/mask.mha", "a/GTVnd/seg.mha"], "a"),
        (["a/masks/gtv_p.mha", "a/masks/gtv_n.mha"], "a"),
        (["GTVp.mha", "GTVnd.mha"], None),
        (["a/a_p.mha", "a/a_n.mha"], "a"),
    ],
)
def test_structures_of_a_case_find_each_other(tmp_path, files, key):
    touch_below(tmp_path, *files)
    (case,) = find_cases(tmp_path).cases.values()
    assert case.name == (key or tmp_path.name) and case.whole is None and case.fault is None
    assert case.by_structure == {s: tmp_path / name for s, name in zip(("GTVp", "GTVnd"), files, strict=True)}


@pytest.mark.parametrize("name", ["a_p", "a_n", "patient_t", "n", "Smith_N"])
def test_a_last_letter_alone_says_nothing(tmp_path, name):
    touch_below(tmp_path, f"{name}.mha", "other.mha")
    assert find_cases(tmp_path).cases[name].whole


@pytest.mark.parametrize(
    "files",
    [
        ["a.mha", "a.nii.gz"],
        ["a.mha", "a.MHA"],
        ["a.mha", "a/seg.mha"],
        ["a_GTVp.mha", "primary/a.nii"],
        ["a/GTVp.mha", "a_GTVp.mha"],
    ],
)
def test_two_files_for_the_same_are_a_fault_that_names_both(tmp_path, files):
    touch_below(tmp_path, *files)
    fault = find_cases(tmp_path).cases["a"].fault
    assert fault and all(name in str(fault) for name in files)


def test_what_is_no_gtv_is_passed_over_in_a_case_and_named_elsewhere(tmp_path):
    touch_below(
        tmp_path,
        "a/GTVp.mha",
        "a/Brain.mha",
        "a/whatever.mha",
        "a/Image.mha",
        "b_GTVp.mha",
        "b_Parotid_L.mha",
    )
    touch_below(tmp_path, "c/image.mha", "c/image_contrast.mha", "d/Brain.mha", "b_other.mha")
    found = find_cases(tmp_path)
    assert set(found.cases) == {"a", "b"}
    assert [problem.where for problem in found.problems] == [
        tmp_path / "b_other.mha",
        tmp_path / "d/Brain.mha",
    ]


def test_names_are_one_line(tmp_path):
    touch_below(tmp_path, "a\nb.mha", "a\\nb.nii", "c\td_GTVp.mha")
    cases = find_cases(tmp_path).cases
    assert set(cases) == {"a\\nb", "c\\td"} and cases["a\\nb"].fault  # two that look the same
    assert find_ct(tmp_path / "c\td_GTVp.mha", "c\\td")


NFC, NFD = (unicodedata.normalize(form, "Müller") for form in ("NFC", "NFD"))


def test_a_name_in_two_unicode_forms_is_one_and_shown_as_it_is(tmp_path):
    touch_below(tmp_path, f"GTVp/{NFD}.mha", f"nodes/{NFC}.mha", "GTVp/b.mha")
    cases = find_cases(tmp_path).cases
    assert set(cases) == {NFD, "b"} and set(cases[NFD].by_structure) == {"GTVp", "GTVnd"}
    touch_below(tmp_path / "cts", f"{NFC}_0000.mha", "b.mha")
    assert find_ct(tmp_path / "cts", NFD).name == f"{NFC}_0000.mha"


def test_two_cases_that_differ_in_their_form_alone_are_a_fault_in_one_line(tmp_path):
    touch_below(tmp_path, f"{NFC}.mha", f"{NFD}.mha", "b.mha")
    cases = find_cases(tmp_path).cases
    assert len(cases) == 2 and all(f"{form}.mha" in str(cases[NFD].fault) for form in (NFC, NFD))
    assert f"could all be {NFD}, in two Unicode forms; leave one" in str(cases[NFD].fault)
    touch_below(tmp_path / "cohorts", f"Cohort1/{NFC}.mha", f"Cohort2/{NFD}.mha")
    assert {one_form(name) for name in find_cases(tmp_path / "cohorts").cases} == {
        f"Cohort{k}/{NFC}" for k in (1, 2)
    }


@pytest.mark.parametrize("link", [False, True])
def test_what_was_given_for_something_else_is_left_out_and_told(tmp_path, capsys, link):
    touch_below(tmp_path, "r/a/GTVp.mha", "x/a.mha", "r/b.mha")
    given = [tmp_path / "r", tmp_path / "r" / "out", tmp_path / "r" / "b.mha", tmp_path / "none"]
    if link:
        given[1].symlink_to(tmp_path / "x")
    else:
        (tmp_path / "x").rename(given[1])
    assert set(find_cases(tmp_path / "r", given).cases) == {"a"}
    told = capsys.readouterr().out.splitlines()
    assert sorted(told) == [
        f"{path}: left out of {tmp_path / 'r'}, as it is given for something else"
        for path in (given[2], given[1])
    ]
    assert find_cases(given[1], given).cases["a"].whole


def test_cases_know_the_cohort_that_they_lie_in(tmp_path):
    touch_below(tmp_path, "Cohort1/a.nii.gz", "Cohort2/b/GTVp.mha", "c.mha", "labelsTr/d.mha")
    cohorts = {name: case.cohort for name, case in find_cases(tmp_path).cases.items()}
    assert cohorts == {"a": "Cohort1", "b": "Cohort2", "c": "", "d": ""}
    touch_below(tmp_path, "Set A/predictions/e.mha")
    assert find_cases(tmp_path / "Set A" / "predictions").cases["e"].cohort == "Set A"


def test_what_is_meant_is_told_only_where_it_is_one():
    assert meant("X_pred", ["X", "Y"]) == "X"
    assert meant("X_pred", ["X", "x"]) is None and meant("Z", ["X"]) is None


def test_dicom_contours_are_named_with_what_to_do_where_they_cannot_be_read(tmp_path, save_head, monkeypatch):
    for module in ("evaluation.cases", "evaluation.folders"):
        monkeypatch.setattr(f"{module}.readable", lambda: False)
    save_head(tmp_path / "RS.dcm", "481.3")
    for path in (tmp_path, tmp_path / "RS.dcm"):
        message = r"RS.dcm: a DICOM RT Structure Set, .*; python -m pip install -r dicom/.* from-rtstruct"
        with pytest.raises(InputError, match=message):
            find_cases(path)


def test_the_case_of_dicom_contours_is_said_by_their_name_or_their_folder(tmp_path, save_head):
    pytest.importorskip("pydicom")
    named = ("a.dcm", "b/RS.1.2.752.243.1.dcm", "c/rtss.dcm", "d/000.dcm", "Cohort1/e.dcm", "f/GTVp.dcm")
    for name in named:
        save_head(tmp_path / name, "481.3")
    (tmp_path / "d" / "001.dcm").write_bytes(bytes(400))  # a slice beside
    found = find_cases(tmp_path)
    assert not found.problems and set(found.cases) == set("abcdef")
    assert found.cases["f"].by_structure == {"GTVp": tmp_path / "f" / "GTVp.dcm"}


def test_a_ct_may_be_a_folder_of_slices(tmp_path, save_head):
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        (folder / "1.dcm").write_bytes(bytes(400))
    save_head(tmp_path / "b" / "rtss.dcm", "481.3")
    assert find_ct(tmp_path, "b") == tmp_path / "b" and find_ct(tmp_path / "a", "x") == tmp_path / "a"


@pytest.mark.parametrize(
    ("given", "said"), [("nodes", ""), ("nodes/predictions", "GTVnd, as the folder nodes says")]
)
def test_a_folder_above_that_says_the_structure_is_told(tmp_path, capsys, given, said):
    touch_below(tmp_path, f"{given}/a.nii.gz")
    case = find_cases(tmp_path / given).cases["a"]
    assert set(case.by_structure) == {"GTVnd"} and capsys.readouterr().out.strip().endswith(said)


def test_of_one_file_it_is_told_too(tmp_path, capsys):
    touch_below(tmp_path, "nodes/a.nii.gz")
    assert set(find_cases(tmp_path / "nodes/a.nii.gz").cases["a"].by_structure) == {"GTVnd"}
    assert "a.nii.gz: a mask of GTVnd, as the folder nodes says" in capsys.readouterr().out
