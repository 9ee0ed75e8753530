"""DICOM CT series: the slices of a folder as one image."""

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from model.errors import InputError
from model.images.itk import execute


def read_series(folder: Path) -> sitk.Image:
    """The one CT series in a folder: slices in the order of their positions, HU."""
    series = sitk.ImageSeriesReader.GetGDCMSeriesIDs(str(folder))
    if len(series) != 1:
        content = f"{len(series)} DICOM series ({', '.join(series)})" if series else "no DICOM series"
        raise InputError(folder, content, "leave exactly one CT series in the folder")
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder), series[0]))
    reader.MetaDataDictionaryArrayUpdateOn()
    image = execute(reader, folder)
    slices = range(len(reader.GetFileNames()))
    try:
        modalities = {reader.GetMetaData(k, "0008|0060").strip() for k in slices}
        positions = np.array([reader.GetMetaData(k, "0020|0032").split("\\") for k in slices], float)
    except (RuntimeError, ValueError):
        fact = "slices without modality or position, or several in one file"
        raise InputError(folder, fact, "convert the series to NIfTI") from None
    if modalities != {"CT"}:
        raise InputError(folder, "the DICOM series is not CT", "give a CT series")
    steps = np.linalg.norm(np.diff(positions, axis=0), axis=1)
    if len(steps) and steps.max() - steps.min() > 0.1 * steps.min():
        apart = f"{steps.min():.2f} to {steps.max():.2f} mm"
        raise InputError(folder, f"slices are {apart} apart", "add the missing slices or resample")
    return image
