"""What RTSTRUCT and SEG say of the structures, of who outlined them, of the patient and of the study."""

import datetime
import re
from copy import deepcopy

from pydicom.config import disable_value_validation
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from model import VERSION

SOFTWARE = "gtvseg"
MANUFACTURER = "gtvseg, open source"
RESEARCH_USE = (
    "Research use only: outlined automatically, not for treatment before a clinician has checked it"
)
SERIES_DESCRIPTION = "GTVp GTVnd, automatic, research use only"
# Red for what is treated is as old as planning systems; nodes in the orange next to it.
COLOURS = {"GTVp": (255, 0, 0), "GTVnd": (255, 128, 0)}
MEANINGS = {"GTVp": "gross tumour volume, primary tumour", "GTVnd": "gross tumour volume, lymph nodes"}
# Far from the numbers that scanners and planning systems give.
SERIES_NUMBERS = {"RTSTRUCT": 9101, "SEG": 9102}

# Those that a new object in the same study repeats. Type 2: there in any case, perhaps empty.
PATIENT_AND_STUDY = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex"),
    *("StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName", "StudyID"),
)
PERHAPS = ("StudyDescription", "IssuerOfPatientID", "PatientAge", "PatientWeight")
UTF_8 = "ISO_IR 192"
SEXES = ("M", "F", "O")


def patient_and_study(header: Dataset) -> Dataset:
    """A new dataset with what the CT says of both, and the study's UID. What is no date or no sex is left empty.

    Texts are in UTF-8, whatever the CT has: writers refuse several character sets, and misspelt ones.
    """
    copied = Dataset()
    # Hospitals' headers are kept as they are, also where they break a rule of the standard.
    with disable_value_validation():
        for keyword in (*PATIENT_AND_STUDY, *PERHAPS):
            if keyword in header:
                copied[keyword] = deepcopy(header[keyword])
            elif keyword in PATIENT_AND_STUDY:
                setattr(copied, keyword, "")
        for keyword, pattern in (("Date", r"\d{8}"), ("Time", r"\d{2,6}(\.\d{1,6})?")):
            for name in (f"Study{keyword}", f"PatientBirth{keyword}"):
                if name in copied and not re.fullmatch(pattern, str(copied[name].value or "").strip()):
                    copied[name].value = ""
        if str(copied.PatientSex or "") not in SEXES:
            copied.PatientSex = ""
        copied.SpecificCharacterSet = UTF_8
        copied.StudyInstanceUID = str(header.StudyInstanceUID)
    return copied


def new_uid() -> str:
    """Under 2.25, from random numbers: nothing of the patient or of this computer is in it."""
    return generate_uid(prefix=None)


def now() -> tuple[str, str]:
    """Date and time as DICOM has them."""
    moment = datetime.datetime.now()
    return moment.strftime("%Y%m%d"), moment.strftime("%H%M%S")


def algorithm() -> str:
    """Name and version."""
    return f"{SOFTWARE} {VERSION}"
