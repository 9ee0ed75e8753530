"""CT slices in DICOM files, with any tag wrong that a test wants wrong."""

import warnings
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRBigEndian, ExplicitVRLittleEndian, RLELossless


def write_slice(path: Path, stored: np.ndarray, *, syntax=ExplicitVRLittleEndian, without=(), **tags) -> Path:
    """One CT slice as pydicom writes it; tags replace the usual ones by keyword."""
    path.parent.mkdir(parents=True, exist_ok=True)
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian if syntax == RLELossless else syntax
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = tags.get("SOPInstanceUID", "1.2.3.9")
    dataset = Dataset()
    usual = {
        **{"SOPClassUID": CTImageStorage, "SOPInstanceUID": "1.2.3.9", "Modality": "CT", "PatientID": "P1"},
        **{"SeriesInstanceUID": "1.2.3.1", "StudyInstanceUID": "1.2.3", "FrameOfReferenceUID": "1.2.4"},
        **{"ImagePositionPatient": [-10, -20, 0], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0]},
        **{"Rows": stored.shape[0], "Columns": stored.shape[1], "PixelSpacing": [0.5, 0.5]},
        **{"BitsAllocated": 8 * stored.dtype.itemsize, "BitsStored": 8 * stored.dtype.itemsize},
        **{"HighBit": 8 * stored.dtype.itemsize - 1, "PixelRepresentation": int(stored.dtype.kind == "i")},
        **{"SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2"},
        **{"RescaleSlope": 1, "RescaleIntercept": -1024, "InstanceNumber": 1},
    }
    for keyword, value in {**usual, **tags}.items():
        if keyword not in without:
            setattr(dataset, keyword, value)
    order = ">" if syntax == ExplicitVRBigEndian else "<"
    dataset.PixelData = stored.astype(stored.dtype.newbyteorder(order)).tobytes()
    dataset["PixelData"].VR = "OW" if stored.dtype.itemsize > 1 else "OB"
    dataset.file_meta = meta
    if syntax == RLELossless:
        dataset.compress(RLELossless)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # values that are wrong on purpose
        dataset.save_as(path, enforce_file_format=True)
    return path
