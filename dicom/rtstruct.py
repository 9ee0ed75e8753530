"""Masks → RTSTRUCT: closed planar contours on the slices of the CT series that it references."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ImplicitVRLittleEndian, RTStructureSetStorage

from dicom.contours import outlines
from dicom.labelling import (
    COLOURS,
    MANUFACTURER,
    MEANINGS,
    RESEARCH_USE,
    SERIES_DESCRIPTION,
    SERIES_NUMBERS,
    SOFTWARE,
    algorithm,
    new_uid,
    now,
    patient_and_study,
)
from dicom.masks import Masks
from dicom.saving import encoded, making, store
from dicom.series import Reference, places
from model import VERSION
from model.errors import InputError

# The class of a study, as structure sets reference it.
STUDY_CLASS = "1.2.840.10008.3.1.2.3.1"


def write_rtstruct(path: Path, masks: Masks, reference: Reference) -> None:
    """Masks, bool (z, y, x) on the straight grid by structure, as one file; structures without a voxel are left out.

    Raises InputError where none has any, and where the file cannot be written.
    """
    store(path, rtstruct_bytes(path, masks, reference))


def rtstruct_bytes(path: Path, masks: Masks, reference: Reference) -> bytes:
    """The content of that file. Raises InputError as write_rtstruct does."""
    outlined = {structure: list(contours(mask, reference)) for structure, mask in masks.items()}
    outlined = {structure: found for structure, found in outlined.items() if found}
    if not outlined:
        raise InputError(
            path, "no structure has a voxel, so that there is nothing to write", "check the masks"
        )
    with making(path):
        dataset = structure_set(outlined, reference)
    return encoded(path, dataset)


def contours(mask: np.ndarray, reference: Reference) -> Iterator[tuple[int, np.ndarray]]:
    """The outlines of a mask on the straight grid, slice by slice: its number, and places (n, 3) x, y, z in mm."""
    for k in np.flatnonzero(mask.any((1, 2))):
        for polygon in outlines(mask[k]):
            yield int(k), places(reference.slices[k], polygon - reference.stack.shifts_yx[k])


def structure_set(outlined: dict[str, list[tuple[int, np.ndarray]]], reference: Reference) -> Dataset:
    """The whole object. outlined: by structure, as contours gives them."""
    dataset = patient_and_study(reference.header)
    date, time = now()
    values = {
        **{"SOPClassUID": RTStructureSetStorage, "SOPInstanceUID": new_uid(), "Modality": "RTSTRUCT"},
        **{"InstanceCreationDate": date, "InstanceCreationTime": time},
        **{"Manufacturer": MANUFACTURER, "ManufacturerModelName": SOFTWARE, "SoftwareVersions": VERSION},
        **{"SeriesInstanceUID": new_uid(), "SeriesNumber": SERIES_NUMBERS["RTSTRUCT"], "InstanceNumber": 1},
        **{
            "SeriesDescription": SERIES_DESCRIPTION,
            "OperatorsName": "",
            "SeriesDate": date,
            "SeriesTime": time,
        },
        **{"StructureSetLabel": SOFTWARE, "StructureSetName": " ".join(outlined)},
        **{"StructureSetDescription": f"{algorithm()}. {RESEARCH_USE}"},
        **{"StructureSetDate": date, "StructureSetTime": time, "ApprovalStatus": "UNAPPROVED"},
        **{"FrameOfReferenceUID": reference.frame_uid, "PositionReferenceIndicator": ""},
        "ReferencedFrameOfReferenceSequence": [_frame(reference)],
    }
    rois = list(enumerate(outlined.items(), 1))
    values["StructureSetROISequence"] = [_roi(number, name, reference) for number, (name, _) in rois]
    values["ROIContourSequence"] = [
        _roi_contour(number, name, found, reference) for number, (name, found) in rois
    ]
    values["RTROIObservationsSequence"] = [_observation(number, name) for number, (name, _) in rois]
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    meta = FileMetaDataset()
    # With explicit VRs a contour of more than 64 kB, as ragged structures have, has an unknown one, which few read.
    meta.TransferSyntaxUID = ImplicitVRLittleEndian
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = (
        RTStructureSetStorage,
        dataset.SOPInstanceUID,
    )
    dataset.file_meta = meta
    return dataset


def _frame(reference: Reference) -> Dataset:
    """The frame of reference, the study, the series and each of its slices."""
    series = _item(
        SeriesInstanceUID=reference.series_uid,
        ContourImageSequence=[_image(reference, k) for k in range(len(reference.slices))],
    )
    study = _item(
        ReferencedSOPClassUID=STUDY_CLASS,
        ReferencedSOPInstanceUID=reference.study_uid,
        RTReferencedSeriesSequence=[series],
    )
    return _item(FrameOfReferenceUID=reference.frame_uid, RTReferencedStudySequence=[study])


def _image(reference: Reference, k: int) -> Dataset:
    return _item(ReferencedSOPClassUID=reference.class_uid, ReferencedSOPInstanceUID=reference.uids[k])


def _roi(number: int, structure: str, reference: Reference) -> Dataset:
    return _item(
        ROINumber=number,
        ReferencedFrameOfReferenceUID=reference.frame_uid,
        ROIName=structure,
        ROIDescription=f"{MEANINGS[structure]}; research use only",
        ROIGenerationAlgorithm="AUTOMATIC",
        ROIGenerationDescription=algorithm(),
    )


def _roi_contour(
    number: int, structure: str, found: list[tuple[int, np.ndarray]], reference: Reference
) -> Dataset:
    sequence = [
        _item(
            ContourImageSequence=[_image(reference, k)],
            ContourGeometricType="CLOSED_PLANAR",
            NumberOfContourPoints=len(points),
            ContourNumber=one,
            # Micrometres; DICOM's decimal strings hold no more than 16 letters.
            ContourData=[f"{value:.3f}" for value in points.ravel()],
        )
        for one, (k, points) in enumerate(found, 1)
    ]
    return _item(
        ROIDisplayColor=list(COLOURS[structure]), ContourSequence=sequence, ReferencedROINumber=number
    )


def _observation(number: int, structure: str) -> Dataset:
    return _item(
        ObservationNumber=number,
        ReferencedROINumber=number,
        ROIObservationLabel=structure,
        RTROIInterpretedType="GTV",
        ROIInterpreter="",
    )


def _item(**values: object) -> Dataset:
    dataset = Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset
