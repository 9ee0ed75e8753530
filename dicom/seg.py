"""Masks → DICOM SEG: a binary segment for each structure, a frame for each slice that holds a voxel of it."""

import logging
from pathlib import Path

import highdicom as hd
import numpy as np
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from dicom.labelling import (
    COLOURS,
    MANUFACTURER,
    RESEARCH_USE,
    SERIES_DESCRIPTION,
    SERIES_NUMBERS,
    SOFTWARE,
    algorithm,
    new_uid,
    patient_and_study,
)
from dicom.masks import Masks
from dicom.saving import encoded, making, store
from dicom.series import Reference
from model import VERSION
from model.errors import InputError
from model.images.tilt import on_slices

TYPES = {"GTVp": codes.SCT.NeoplasmPrimary, "GTVnd": codes.SCT.NeoplasmSecondary}


def write_seg(path: Path, masks: Masks, reference: Reference) -> None:
    """Masks, bool (z, y, x) on the straight grid by structure, as one file; structures without a voxel are left out.

    Of a tilted series they are brought to the slices' own voxels, to the nearest one.

    Raises InputError where none has any, and where the file cannot be written.
    """
    store(path, seg_bytes(path, masks, reference))


def seg_bytes(path: Path, masks: Masks, reference: Reference) -> bytes:
    """The content of that file. Raises InputError as write_seg does."""
    logging.getLogger("highdicom").setLevel(logging.ERROR)
    masks = {structure: on_slices(mask, reference.stack) for structure, mask in masks.items()}
    masks = {structure: mask for structure, mask in masks.items() if mask.any()}
    if not masks:
        raise InputError(
            path, "no structure has a voxel, so that there is nothing to write", "check the masks"
        )
    with making(path):
        segmentation = hd.seg.Segmentation(
            source_images=[_source(reference, k) for k in range(len(reference.slices))],
            pixel_array=np.stack(list(masks.values()), axis=-1),
            segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
            segment_descriptions=[_described(number, name) for number, name in enumerate(masks, 1)],
            series_instance_uid=new_uid(),
            series_number=SERIES_NUMBERS["SEG"],
            sop_instance_uid=new_uid(),
            instance_number=1,
            manufacturer=MANUFACTURER,
            manufacturer_model_name=SOFTWARE,
            software_versions=VERSION,
            device_serial_number=VERSION,  # the standard wants one
            content_description=RESEARCH_USE[:64],
            content_label="GTV",
            series_description=SERIES_DESCRIPTION,
        )
    return encoded(path, segmentation)


def _source(reference: Reference, k: int) -> Dataset:
    """What a segmentation must know of a slice, with its place as it was read and checked."""
    one, step = reference.slices[k], f"{reference.stack.grid.spacing_zyx[0]:.10g}"
    dataset = patient_and_study(reference.header)
    values = {
        **{"SOPClassUID": reference.class_uid, "SOPInstanceUID": reference.uids[k], "Modality": "CT"},
        **{"SeriesInstanceUID": reference.series_uid, "FrameOfReferenceUID": reference.frame_uid},
        **{"PositionReferenceIndicator": "", "Manufacturer": "", "SeriesNumber": 1, "InstanceNumber": k + 1},
        **{"Rows": one.shape[0], "Columns": one.shape[1], "PixelSpacing": list(one.spacing_yx)},
        # As thick as they are apart: how thick they are is no matter of the mask's.
        **{"SliceThickness": step, "SpacingBetweenSlices": step},
        "ImagePositionPatient": [f"{value:.10g}" for value in one.position],
        "ImageOrientationPatient": [f"{value:.10g}" for value in one.axes.ravel()],
    }
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    for keyword in ("StudyDate", "StudyTime", "PatientBirthDate", "PatientSex"):
        setattr(dataset, keyword, dataset[keyword].value or None)
    return dataset


def _described(number: int, structure: str) -> hd.seg.SegmentDescription:
    return hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=structure,
        segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
        segmented_property_type=TYPES[structure],
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=hd.AlgorithmIdentificationSequence(
            name=SOFTWARE, version=VERSION, family=codes.DCM.ArtificialIntelligence
        ),
        tracking_uid=new_uid(),
        tracking_id=f"{algorithm()} {structure}",
        display_color=hd.color.CIELabColor.from_rgb(*COLOURS[structure]),
    )
