"""What is repeated of the patient and the study."""

import re

import pytest
from pydicom.dataset import Dataset

from dicom.labelling import RESEARCH_USE, SERIES_DESCRIPTION, algorithm, new_uid, now, patient_and_study


def header(**tags) -> Dataset:
    dataset = Dataset()
    for keyword, value in {"StudyInstanceUID": "1.2.3", **tags}.items():
        setattr(dataset, keyword, value)
    return dataset


def test_what_is_there_is_kept_and_what_must_be_there_is_empty():
    copied = patient_and_study(header(PatientName="A^B", StudyDescription="Neck", KVP="120"))
    assert str(copied.PatientName) == "A^B" and copied.StudyDescription == "Neck"
    assert copied.StudyInstanceUID == "1.2.3"
    for keyword in ("PatientID", "StudyDate", "AccessionNumber", "StudyID", "ReferringPhysicianName"):
        assert keyword in copied and not copied[keyword].value
    assert "KVP" not in copied and "PatientAge" not in copied


def test_the_header_itself_is_not_changed():
    original = header(PatientName="A^B", PatientSex="X")
    copied = patient_and_study(original)
    copied.PatientName = "C"
    assert str(original.PatientName) == "A^B" and original.PatientSex == "X" and not copied.PatientSex


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("keyword", "value", "kept"),
    [
        ("StudyDate", "20240131", True),
        ("StudyDate", "2024-01-31", False),
        ("StudyTime", "101500.25", True),
        ("StudyTime", "10:15", False),
        ("PatientBirthDate", "19600101", True),
        ("PatientBirthDate", "anonymous", False),
        ("PatientSex", "O", True),
        ("PatientSex", "male", False),
    ],
)
def test_what_breaks_the_form_is_left_empty(keyword, value, kept):
    copied = patient_and_study(header(**{keyword: value}))
    assert str(copied[keyword].value) == (value if kept else "")


def test_uids_are_random_and_of_the_form():
    uids = {new_uid() for _ in range(50)}
    assert len(uids) == 50 and all(re.fullmatch(r"2\.25\.\d{1,39}", uid) for uid in uids)


def test_texts_fit_their_elements():
    assert len(SERIES_DESCRIPTION) <= 64 and len(algorithm()) <= 64
    assert "Research use only" in RESEARCH_USE[:64]
    date, time = now()
    assert re.fullmatch(r"\d{8}", date) and re.fullmatch(r"\d{6}", time)
