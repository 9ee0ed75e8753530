"""What cases hold, and what is said of wrong ones."""

import numpy as np
import pytest

from training.data.sources import find_training_cases
from training.data.survey import survey_case, survey_table


@pytest.fixture
def damage(write, truth):
    """Spoil the first case; words that its problem must have."""

    def spoil(root, how):
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
        if how == "fractions":
            write((0.5 * truth()).astype(np.float32), folder / "GTVp.nii.gz")
            return "fractions"
        if how == "empty":
            for name in ("GTVp", "GTVnd"):
                write(np.zeros_like(truth()), folder / f"{name}.nii.gz")
            return "no tumour"
        for name in ("GTVp", "GTVnd"):
            (folder / f"{name}.nii.gz").unlink()
        return "case_1"

    return spoil


def test_survey_gives_geometry_volumes_and_tumour_hu(make, tmp_path):
    make(tmp_path, "masks")
    (case,) = find_training_cases(tmp_path)
    survey = survey_case(case)
    assert survey.problem == ""
    assert survey.shape_zyx == (6, 10, 12) and survey.spacing_zyx == (3.0, 1.5, 1.0)
    assert survey.cm3 == pytest.approx((48 * 4.5 / 1000, 12 * 4.5 / 1000))
    assert set(survey.hu[0]) == {-60, -20} and set(survey.hu[1]) == {-20, 60}
    assert "12 x 10 x 6" in survey_table([survey])


def test_strange_values_are_told_in_the_table(make, write, truth, tmp_path):
    make(tmp_path, "masks")
    folder = tmp_path / "cases" / "case_1"
    write(np.full(truth().shape, 7, np.int16), folder / "image_contrast.nii.gz")
    surveys = [survey_case(case) for case in find_training_cases(tmp_path)]
    assert not surveys[0].problem
    assert f"warning: {folder / 'image_contrast.nii.gz'}: all voxels are 7" in survey_table(surveys)


WRONG = ["truncated", "missing", "grid", "values", "no body", "outside", "empty", "fractions", "unlabelled"]


@pytest.mark.parametrize("how", WRONG)
def test_what_is_wrong_with_a_case_is_said_in_one_line(make, damage, tmp_path, how):
    make(tmp_path, "masks")
    make(tmp_path, "masks", "case_2")
    words = damage(tmp_path, how)
    surveys = [survey_case(case) for case in find_training_cases(tmp_path)]
    assert words in surveys[0].problem and "\n" not in surveys[0].problem
    assert surveys[1].problem == ""
    assert surveys[0].problem in survey_table(surveys)
