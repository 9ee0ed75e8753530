"""Which files form a case, and which cases belong together."""

import pytest

from evaluation.cases import find_cases, find_ct, match_cases, stem
from model.errors import InputError


def touch(root, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_a_stem_is_the_name_of_an_image_without_its_suffix(tmp_path):
    assert stem(tmp_path / "a.b.nii.gz") == "a.b" and stem(tmp_path / "a.mha") == "a"
    assert stem(tmp_path / "a.txt") is None and stem(tmp_path / ".a.mha") is None


def test_layouts_are_found_side_by_side_and_cts_are_passed_over(tmp_path):
    touch(
        tmp_path,
        "labelsTr/a.nii.gz",
        "imagesTr/a_0000.nii.gz",
        "b/GTVp.mha",
        "b/GTVnd.mha",
        "b/Brain.mha",
        "b/image.mha",
    )
    touch(
        tmp_path, "images/head-neck-ct/c.mha", "images/gross-tumor-volume-segmentation/c.mha", "image_d.nii"
    )
    cases = find_cases(tmp_path)
    assert set(cases) == {"a", "b", "c"}
    assert cases["a"].whole == tmp_path / "labelsTr/a.nii.gz" and not cases["a"].by_structure
    assert cases["b"].whole is None and set(cases["b"].by_structure) == {"GTVp", "GTVnd"}


def test_names_that_repeat_become_paths(tmp_path):
    touch(tmp_path, "Cohort1/a.nii.gz", "Cohort2/a.nii.gz", "Cohort2/b.nii.gz")
    assert set(find_cases(tmp_path)) == {"Cohort1/a", "Cohort2/a", "b"}


@pytest.mark.parametrize("name", ["nothing", "text.txt", "empty"])
def test_a_place_without_masks_is_refused(tmp_path, name):
    (tmp_path / "empty").mkdir()
    touch(tmp_path, "text.txt")
    with pytest.raises(InputError, match=f"{name}: .+; "):
        find_cases(tmp_path / name)


def test_a_case_finds_its_ct(tmp_path):
    touch(tmp_path, "a.nii.gz", "b_0000.mha", "c/image.nrrd", "c/image_contrast.nrrd")
    assert [find_ct(tmp_path, name).name for name in "abc"] == ["a.nii.gz", "b_0000.mha", "image.nrrd"]
    assert find_ct(tmp_path / "a.nii.gz", "anything") == tmp_path / "a.nii.gz"
    with pytest.raises(InputError, match="4 images for case d"):
        find_ct(tmp_path, "d")


def test_cases_are_matched_by_name_or_by_being_alone(tmp_path):
    touch(tmp_path, "p/a.mha", "p/x.mha", "r/a.mha", "r/b.mha")
    predictions, references = find_cases(tmp_path / "p"), find_cases(tmp_path / "r")
    matched, extra = match_cases(predictions, references)
    assert [(case.name, case.prediction is not None) for case in matched] == [("a", True), ("b", False)]
    assert extra == ["x"]
    ((only,), none) = match_cases({"x": predictions["x"]}, {"b": references["b"]})
    assert only.name == "b" and only.prediction == predictions["x"] and none == []
