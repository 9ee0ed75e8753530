"""A patient's HU, masks and slices; what is said of the patient in the table."""

import numpy as np
import pytest

from model.errors import InputError
from training.openkbp.patient import NotUsable, at_nasopharynx_level, read_patient, row_of, whole_slices

SPACING_ZYX = (2.5, 5.0, 6.0)


def test_the_patient_is_cut_and_laid_in_lps(patient_folder):
    patient = read_patient(patient_folder, "train")
    # Slices 30 to 69 from the head are 58 to 97 from the feet.
    assert patient.hu.shape == (40, 128, 128) and patient.hu.dtype == np.int16
    assert patient.hu[127 - 35 - 58, 58, 52] == 300
    assert patient.grid.spacing_zyx == SPACING_ZYX
    assert patient.grid.origin_xyz == pytest.approx((-63.5 * 6, -63.5 * 5, (58 - 63.5) * 2.5))
    assert set(patient.targets) == {"PTV70", "PTV56"} and set(patient.organs) == {"Brainstem", "SpinalCord"}


def test_hu_are_a_thousand_less_and_metal_is_clipped(patient_folder):
    hu = read_patient(patient_folder, "train").hu
    assert sorted(np.unique(hu).tolist()) == [-1000, 10 + 30, 300, 3095]


def test_the_row_says_what_is_there(patient_folder):
    row = row_of(read_patient(patient_folder, "train"))
    voxel_cm3 = 5 * 6 * 2.5 / 1000
    assert (row["pt"], row["split"], row["slices"], row["PTV70_parts"]) == ("pt_1", "train", "40", "1")
    assert (row["spacing_xy_mm"], row["spacing_z_mm"]) == ("6", "2.5")
    assert row["PTV70_cm3"] == f"{8 * 8 * 20 * voxel_cm3:.2f}" and row["PTV63_cm3"] == ""
    assert (row["Brainstem"], row["Larynx"], row["brainstem_hu"]) == ("1", "0", "40")


def test_slices_end_where_the_body_is_masked_away():
    hu, target = np.full((20, 40, 40), -1000, np.int16), np.zeros((20, 40, 40), bool)
    hu[3:17, 5:35, 5:35] = 40
    target[8:11, 15:20, 15:20] = True
    assert whole_slices(hu, target, SPACING_ZYX) == slice(3, 17)
    hu[4, 5:16] = -1000  # 63 % of it are left: a neck may be so much thinner than shoulders
    assert whole_slices(hu, target, SPACING_ZYX) == slice(3, 17)
    hu[4, 5:18] = -1000  # 57 %
    assert whole_slices(hu, target, SPACING_ZYX) == slice(5, 17)
    hu[9] = -1000
    assert whole_slices(hu, target, SPACING_ZYX) == slice(9, 9)


def test_too_little_of_a_patient_is_not_used(patient_folder, mask_writer):
    (patient_folder / "voxel_dimensions.csv").write_text("5\n6\n1.5\n")
    with pytest.raises(NotUsable, match="60 mm"):
        read_patient(patient_folder, "train")
    (patient_folder / "voxel_dimensions.csv").write_text("5\n6\n2.5\n")
    mask_writer(patient_folder / "PTV70.csv", [(slice(60, 64), slice(60, 64), slice(40, 75))])
    with pytest.raises(NotUsable, match="14%"):
        read_patient(patient_folder, "train")


def test_no_gross_target_is_an_error(patient_folder):
    (patient_folder / "PTV70.csv").write_text(",data\n")
    with pytest.raises(InputError, match="no voxel"):
        read_patient(patient_folder, "train")
    (patient_folder / "PTV70.csv").unlink()
    with pytest.raises(InputError, match=r"PTV70\.csv: no such file"):
        read_patient(patient_folder, "train")


def test_the_nasopharynx_is_before_and_below_the_brainstem():
    """The ball's centre is 25 mm lower and 35 mm further in front; half of it must be filled."""
    brainstem, target = np.zeros((40, 40, 40), bool), np.zeros((40, 40, 40), bool)
    brainstem[29:32, 29:32, 19:22] = True
    spacing = (2.5, 2.5, 2.5)
    assert not at_nasopharynx_level(target, brainstem, spacing)
    target[:, 16:, :] = True  # the plane through the centre and what is behind: just over a half
    assert at_nasopharynx_level(target, brainstem, spacing)
    target[:, 16, :] = False
    assert not at_nasopharynx_level(target, brainstem, spacing)
