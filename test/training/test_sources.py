"""Training cases in every raw layout, and what is said of wrong ones."""

import json

import numpy as np
import pytest
import SimpleITK as sitk

from model.errors import InputError
from training.sources import find_training_cases, read_training_case, survey_case, survey_table

SPACING_XYZ = (1.0, 1.5, 3.0)


def truth() -> np.ndarray:
    label = np.zeros((6, 10, 12), np.uint8)
    label[1:4, 2:6, 3:7] = 1
    label[3:5, 7:9, 8:11] = 2
    return label


def write(array, path, spacing_xyz=SPACING_XYZ, direction=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing_xyz)
    if direction:
        image.SetDirection(direction)
    sitk.WriteImage(image, str(path))


def write_pair(ct, ce, **geometry):
    label = truth().astype(np.int16)
    write(40 * label - 100, ct, **geometry)
    write(80 * label - 100, ce, **geometry)


def make(root, layout, name="case_1", **geometry):
    if layout == "nnunet":
        write_pair(
            root / "imagesTr" / f"{name}_0000.nii.gz", root / "imagesTr" / f"{name}_0001.nii.gz", **geometry
        )
        write(truth(), root / "labelsTr" / f"{name}.nii.gz", **geometry)
        description = {"labels": {"background": 0, "GTVp": 1, "GTVnd": 2}}
        (root / "dataset.json").write_text(json.dumps(description))
        return
    folder = root / "cases" / name
    write_pair(folder / "image.nii.gz", folder / "image_contrast.nii.gz", **geometry)
    if layout == "masks":
        for value, structure in enumerate(("GTVp", "GTVnd"), 1):
            write((truth() == value).astype(np.uint8), folder / f"{structure}.nii.gz", **geometry)
    else:
        write(truth(), root / "labels" / "Task002" / f"{name}.nii.gz", **geometry)
        write(truth() + 40, root / "labels" / "Task001" / f"{name}.nii.gz", **geometry)  # organs: not ours


@pytest.mark.parametrize("layout", ["masks", "map", "nnunet"])
@pytest.mark.parametrize("direction", [None, (-1, 0, 0, 0, -1, 0, 0, 0, 1)])
def test_layouts_give_the_same_case(tmp_path, layout, direction):
    make(tmp_path, layout, direction=direction)
    (case,) = find_training_cases(tmp_path)
    assert case.name == "case_1"
    pair, label = read_training_case(case)
    expected = truth() if direction is None else truth()[:, ::-1, ::-1]
    np.testing.assert_array_equal(label, expected)
    np.testing.assert_array_equal(pair.ct, 40 * expected.astype(np.int16) - 100)
    np.testing.assert_array_equal(pair.ce, 80 * expected.astype(np.int16) - 100)


def test_survey_gives_geometry_volumes_and_tumour_hu(tmp_path):
    make(tmp_path, "masks")
    (case,) = find_training_cases(tmp_path)
    survey = survey_case(case)
    assert survey.problem == ""
    assert survey.shape_zyx == (6, 10, 12) and survey.spacing_zyx == (3.0, 1.5, 1.0)
    assert survey.cm3 == pytest.approx((48 * 4.5 / 1000, 12 * 4.5 / 1000))
    assert set(survey.hu[0]) == {-60, -20} and set(survey.hu[1]) == {-20, 60}
    assert "12 x 10 x 6" in survey_table([survey])


def test_a_structure_may_be_absent(tmp_path):
    make(tmp_path, "masks")
    (tmp_path / "cases" / "case_1" / "GTVnd.nii.gz").unlink()
    (case,) = find_training_cases(tmp_path)
    _, label = read_training_case(case)
    np.testing.assert_array_equal(label, truth() * (truth() == 1))


def test_label_maps_lie_in_a_folder_beside_the_cases(tmp_path):
    make(tmp_path / "Set_120cases", "map")
    root, beside = tmp_path / "Set_120cases", tmp_path / "Set_120cases_OneHot_Labels"
    (root / "labels").rename(beside)
    (case,) = find_training_cases(root)
    assert case.labels == {"": beside / "Task002" / "case_1.nii.gz"}
    np.testing.assert_array_equal(read_training_case(case)[1], truth())


@pytest.mark.parametrize("layout", ["masks", "nnunet"])
@pytest.mark.parametrize("which", [0, 1])
def test_a_case_of_one_image_is_told_and_not_passed_over(tmp_path, layout, which):
    make(tmp_path, layout)
    make(tmp_path, layout, "case_2")
    gone = {
        "masks": tmp_path / "cases" / "case_1" / ("image.nii.gz", "image_contrast.nii.gz")[which],
        "nnunet": tmp_path / "imagesTr" / f"case_1_000{which}.nii.gz",
    }[layout]
    gone.unlink()
    surveys = [survey_case(case) for case in find_training_cases(tmp_path)]
    assert [survey.name for survey in surveys] == ["case_1", "case_2"]
    assert str(gone) in surveys[0].problem and not surveys[1].problem


def test_strange_values_are_told_in_the_table(tmp_path):
    make(tmp_path, "masks")
    folder = tmp_path / "cases" / "case_1"
    write(np.full(truth().shape, 7, np.int16), folder / "image_contrast.nii.gz")
    surveys = [survey_case(case) for case in find_training_cases(tmp_path)]
    assert not surveys[0].problem
    assert f"warning: {folder / 'image_contrast.nii.gz'}: all voxels are 7" in survey_table(surveys)


def damage(root, how):
    folder = root / "cases" / "case_1"
    if how == "truncated":
        whole = (folder / "image.nii.gz").read_bytes()
        (folder / "image.nii.gz").write_bytes(whole[: len(whole) // 2])
        return "image.nii.gz"
    if how == "missing":
        (folder / "image.nii.gz").unlink()
        return "image.nii.gz"
    if how == "grid":
        write((truth() == 1).astype(np.uint8), folder / "GTVp.nii.gz", spacing_xyz=(1.0, 1.5, 3.1))
        return "GTVp.nii.gz"
    if how == "values":
        write(truth(), folder / "GTVnd.nii.gz")
        return "GTVnd.nii.gz"
    if how == "no body":
        write(np.full(truth().shape, -1000, np.int16), folder / "image.nii.gz")
        return "nothing denser than air"
    if how == "outside":
        for name in ("image", "image_contrast"):
            ct = np.full((6, 60, 60), -1000, np.int16)
            ct[:, 30:50, 30:50] = 40
            write(ct, folder / f"{name}.nii.gz")
        for name, start in (("GTVp", 35), ("GTVnd", 2)):
            mask = np.zeros((6, 60, 60), np.uint8)
            mask[2:4, start : start + 6, start : start + 6] = 1
            write(mask, folder / f"{name}.nii.gz")
        return "50% of the tumour lies outside the body"
    if how == "empty":
        for name in ("GTVp", "GTVnd"):
            write(np.zeros_like(truth()), folder / f"{name}.nii.gz")
        return "no tumour"
    for name in ("GTVp", "GTVnd"):
        (folder / f"{name}.nii.gz").unlink()
    return "case_1"


WRONG = ["truncated", "missing", "grid", "values", "no body", "outside", "empty", "unlabelled"]


@pytest.mark.parametrize("how", WRONG)
def test_what_is_wrong_with_a_case_is_said_in_one_line(tmp_path, how):
    make(tmp_path, "masks")
    make(tmp_path, "masks", "case_2")
    words = damage(tmp_path, how)
    surveys = [survey_case(case) for case in find_training_cases(tmp_path)]
    assert words in surveys[0].problem and "\n" not in surveys[0].problem
    assert surveys[1].problem == ""
    assert surveys[0].problem in survey_table(surveys)


def test_unclear_folders_are_refused(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        find_training_cases(tmp_path / "absent")
    with pytest.raises(InputError, match="no training case"):
        find_training_cases(tmp_path)
    make(tmp_path, "map")
    write(truth(), tmp_path / "copy" / "Task002" / "case_1.nii.gz")
    with pytest.raises(InputError, match="two label maps of case case_1"):
        find_training_cases(tmp_path)


def test_a_name_used_twice_is_refused(tmp_path):
    make(tmp_path / "a", "masks")
    make(tmp_path / "b", "masks")
    with pytest.raises(InputError, match="two cases of one name"):
        find_training_cases(tmp_path)


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ({"background": 0, "GTVnd": 1, "GTVp": 2}, "GTVp has label 2"),
        ({"0": "background", "1": "GTVnd"}, "GTVnd has label 1"),
    ],
)
def test_other_label_values_of_an_nnunet_data_set_are_refused(tmp_path, labels, words):
    make(tmp_path, "nnunet")
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": labels}))
    with pytest.raises(InputError, match=words):
        find_training_cases(tmp_path)
