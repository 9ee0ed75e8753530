"""Training cases in every raw layout."""

import json

import numpy as np
import pytest

from model.errors import InputError
from training.data.sources import find_training_cases, read_training_case
from training.data.survey import survey_case


@pytest.mark.parametrize("layout", ["masks", "map", "nnunet"])
@pytest.mark.parametrize("direction", [None, (-1, 0, 0, 0, -1, 0, 0, 0, 1)])
def test_layouts_give_the_same_case(make, truth, tmp_path, layout, direction):
    make(tmp_path, layout, direction=direction)
    (case,) = find_training_cases(tmp_path)
    assert case.name == "case_1"
    pair, label = read_training_case(case)
    expected = truth() if direction is None else truth()[:, ::-1, ::-1]
    np.testing.assert_array_equal(label, expected)
    np.testing.assert_array_equal(pair.ct, 40 * expected.astype(np.int16) - 100)
    np.testing.assert_array_equal(pair.ce, 80 * expected.astype(np.int16) - 100)


def test_a_structure_may_be_absent(make, truth, tmp_path):
    make(tmp_path, "masks")
    (tmp_path / "cases" / "case_1" / "GTVnd.nii.gz").unlink()
    (case,) = find_training_cases(tmp_path)
    _, label = read_training_case(case)
    np.testing.assert_array_equal(label, truth() * (truth() == 1))


def test_label_maps_lie_in_a_folder_beside_the_cases(make, truth, tmp_path):
    make(tmp_path / "Set_120cases", "map")
    root, beside = tmp_path / "Set_120cases", tmp_path / "Set_120cases_OneHot_Labels"
    (root / "labels").rename(beside)
    (case,) = find_training_cases(root)
    assert case.labels == {"": beside / "Task002" / "case_1.nii.gz"}
    np.testing.assert_array_equal(read_training_case(case)[1], truth())


@pytest.mark.parametrize("layout", ["masks", "nnunet"])
@pytest.mark.parametrize("which", [0, 1])
def test_a_case_of_one_image_is_told_and_not_passed_over(make, tmp_path, layout, which):
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


def test_unclear_folders_are_refused(make, write, truth, tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        find_training_cases(tmp_path / "absent")
    with pytest.raises(InputError, match="no training case"):
        find_training_cases(tmp_path)
    make(tmp_path, "map")
    write(truth(), tmp_path / "copy" / "Task002" / "case_1.nii.gz")
    with pytest.raises(InputError, match="two label maps of case case_1"):
        find_training_cases(tmp_path)


def test_a_name_used_twice_is_refused(make, tmp_path):
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
def test_other_label_values_of_an_nnunet_data_set_are_refused(make, tmp_path, labels, words):
    make(tmp_path, "nnunet")
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": labels}))
    with pytest.raises(InputError, match=words):
        find_training_cases(tmp_path)
