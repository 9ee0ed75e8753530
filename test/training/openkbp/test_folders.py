"""Patients are found in either form, and come back as they were written."""

import numpy as np
import pytest

from model.errors import InputError
from training.openkbp.folders import (
    TABLE,
    find_converted,
    find_downloaded,
    read_targets,
    write_converted,
)
from training.openkbp.patient import read_patient


def test_downloads_are_found_with_or_without_the_folder_around(download):
    found = [(path.name, split) for path, split in find_downloaded(download)]
    assert found == [("pt_1", "train"), ("pt_2", "train"), ("pt_201", "validation"), ("pt_241", "test")]
    assert find_downloaded(download) == find_downloaded(download / "provided-data")
    with pytest.raises(InputError, match="no patient"):
        find_downloaded(download / "provided-data" / "train-pats")
    (download / "train-pats" / "pt_1").mkdir(parents=True)
    with pytest.raises(InputError, match="twice"):
        find_downloaded(download)


def test_patients_in_folders_that_are_numbered_come_in_order(tmp_path):
    for number in (10, 9, 100):
        (tmp_path / "train-pats" / f"pt_{number}").mkdir(parents=True)
    assert [path.name for path, _ in find_downloaded(tmp_path)] == ["pt_9", "pt_10", "pt_100"]


def test_what_was_written_is_read_again(patient_folder, tmp_path):
    patient = read_patient(patient_folder, "test")
    write_converted(tmp_path / "out", patient)
    (tmp_path / "out" / TABLE).write_text("pt,split\npt_1,test\n")
    (converted,) = find_converted(tmp_path / "out")
    assert (converted.name, converted.split) == ("pt_1", "test")
    hu, masks, grid = read_targets(converted)
    np.testing.assert_array_equal(hu, patient.hu)
    np.testing.assert_allclose(grid.spacing_zyx, patient.grid.spacing_zyx)
    np.testing.assert_array_equal(masks["PTV70"], patient.targets["PTV70"])
    assert not masks["PTV63"].any() and masks["PTV56"].any()
    (converted.folder / "PTV70.nii.gz").unlink()
    with pytest.raises(InputError, match="PTV70"):
        read_targets(converted)


@pytest.mark.parametrize(
    "table",
    ["", "pt,split\n", "a,b\n1,2\n", "pt,split\n../pt_1,test\n", "pt,split\npt_1,none\n", "pt,split\npt_1\n"]
    + ["pt,split\npt_1,test\npt_1,test\n"],
)
def test_a_table_that_is_none_is_refused(tmp_path, table):
    (tmp_path / TABLE).write_text(table)
    with pytest.raises(InputError, match=TABLE):
        find_converted(tmp_path)


def test_no_table_is_said(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        find_converted(tmp_path)
