"""What a patient's folder is, by names and by DICOM's own marks."""

import numpy as np
import pytest
from empty_files import touch
from faults.slices import write_slice

from model.patients import folders, holds_dicom, is_one_patient, is_patient, scans

STORED = np.zeros((4, 6), np.uint16)


def test_scans_are_images_and_the_two_folders(tmp_path):
    touch(
        *(
            tmp_path / name
            for name in ("x.nii.gz", "image/1", "Image_Contrast/1", "other/1", "a.txt", ".y.mha")
        )
    )
    assert [path.name for path in scans(tmp_path)] == ["Image_Contrast", "image", "x.nii.gz"]


@pytest.mark.parametrize("name", ["a/b/1.dcm", "IM0001", "a/1.2.840.99", "a/x.dat"])
def test_dicom_is_known_by_its_mark(tmp_path, name):
    touch(tmp_path / "1.dcm", tmp_path / "z.txt")
    assert not holds_dicom(tmp_path) and not is_patient(tmp_path, {"p"})
    write_slice(tmp_path / name, STORED)
    assert holds_dicom(tmp_path) and is_patient(tmp_path, {"p"})


def test_results_called_after_patients_and_lists_of_files_do_not_make_a_patient(tmp_path):
    write_slice(tmp_path / "p1.dcm", STORED, Modality="RTSTRUCT")
    write_slice(tmp_path / "DICOMDIR", STORED)
    touch(tmp_path / "p2.nii.gz")
    assert not is_patient(tmp_path, {"p1", "p2", tmp_path.name})
    assert is_patient(tmp_path, {"p2", tmp_path.name})


@pytest.mark.parametrize(
    ("studies", "one"),
    [
        ({"a": "1", "b": "1"}, True),
        ({"a": "1", "b/c/d": "1", "e": "1"}, True),
        ({"a": "1", "b": "2"}, False),
        ({"a": "1"}, False),  # a patient's folder in the input
        ({"": "1"}, True),
        ({"": "1", "a": "1"}, True),
        ({"": "1", "a": "2"}, False),
        ({"a": "", "b": ""}, False),
        ({"image": "1", "image_contrast": "2"}, True),
        ({"image/CT": "1", "image_contrast": "2"}, False),
        ({}, False),
    ],
)
def test_whether_a_folder_is_a_patients_own(tmp_path, studies, one):
    for name, study in studies.items():
        write_slice(tmp_path / name / "1", STORED, StudyInstanceUID=f"1.2.{study}" if study else "")
    write_slice(tmp_path / "mr" / "1", STORED, Modality="MR", StudyInstanceUID="1.2.9")
    touch(tmp_path / "notes" / "x.txt", tmp_path / "x.txt")
    assert is_one_patient(tmp_path, folders(tmp_path)) == one
    touch(tmp_path / "p" / "image.nii.gz")
    assert is_one_patient(tmp_path, folders(tmp_path)) == ("image" in studies)
