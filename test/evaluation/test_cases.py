"""Which files form a case, and which cases belong together."""

import pytest

from evaluation.cases import Found, find_cases, find_ct, match_cases
from model.errors import InputError


def touch(root, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


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
    cases = find_cases(tmp_path).cases
    assert set(cases) == {"a", "b", "c", "image_d"}
    assert cases["a"].whole == tmp_path / "labelsTr/a.nii.gz" and not cases["a"].by_structure
    assert cases["b"].whole is None and set(cases["b"].by_structure) == {"GTVp", "GTVnd"}


def test_names_that_repeat_become_paths(tmp_path):
    touch(tmp_path, "Cohort1/a.nii.gz", "Cohort2/a.nii.gz", "Cohort2/b.nii.gz")
    assert set(find_cases(tmp_path).cases) == {"Cohort1/a", "Cohort2/a", "b"}


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
    x, b = predictions.cases["x"], references.cases["b"]
    ((only,), none) = match_cases(Found({"x": x}), Found({"b": b}))
    assert only.name == "b" and only.prediction == x and none == []
