"""RTSTRUCTs: read, and drawn on a small grid, as from-rtstruct and the evaluator do."""

import io
import json
import warnings
from pathlib import Path

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from dicom.on_grid import read_on_grid
from model.images.grid import Grid

GRID = Grid((16, 16, 4), (2.0, 2.0, 3.0), (-16.0, -16.0, 0.0), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))
CLASS = "1.2.840.10008.5.1.4.1.1.481.3"


def _item(**values: object) -> Dataset:
    item = Dataset()
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return item


def structure_set() -> Dataset:
    """Two ROIs; on each slice of the first a hole."""
    rois, lists = [], []
    for number, (name, sizes) in enumerate((("GTVp", (9, 4)), ("GTV_N 1", (5,))), 1):
        rois.append(_item(ROINumber=number, ROIName=name, ReferencedFrameOfReferenceUID="1.2.4"))
        contours = [
            _item(
                ContourImageSequence=[_item(ReferencedSOPInstanceUID=f"1.2.3.{z}")],
                ContourGeometricType="CLOSED_PLANAR",
                NumberOfContourPoints=4,
                ContourData=[
                    v for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1)) for v in (size * x, size * y, z)
                ],
            )
            for z in (3, 6)
            for size in sizes
        ]
        lists.append(_item(ReferencedROINumber=number, ContourSequence=contours))
    series = [
        _item(SeriesInstanceUID="1.2.3", ContourImageSequence=[_item(ReferencedSOPInstanceUID="1.2.3.3")])
    ]
    study = [_item(ReferencedSOPInstanceUID="1.2", RTReferencedSeriesSequence=series)]
    frames = [_item(FrameOfReferenceUID="1.2.4", RTReferencedStudySequence=study)]
    whole = {"SOPClassUID": CLASS, "SOPInstanceUID": "1.2.5", "Modality": "RTSTRUCT"}
    sequences = {"StructureSetROISequence": rois, "ROIContourSequence": lists}
    return _item(**whole, **sequences, ReferencedFrameOfReferenceSequence=frames)


def stored(dataset: Dataset, syntax: str) -> bytes:
    """As a file. Raises whatever pydicom does where it cannot be one."""
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.file_meta.MediaStorageSOPClassUID, dataset.file_meta.MediaStorageSOPInstanceUID = CLASS, "1.2.5"
    content = io.BytesIO()
    dataset.save_as(content, enforce_file_format=True)
    return content.getvalue()


FILES = [stored(structure_set(), syntax) for syntax in (ImplicitVRLittleEndian, ExplicitVRLittleEndian)]
VALUES = [json.dumps(structure_set().to_json_dict(), indent=1).encode()]


def read_file(data: bytes, folder: Path) -> None:
    path = folder / "rtss.dcm"
    path.write_bytes(data)
    masks, _ = read_on_grid(path, GRID)
    assert masks and all(mask.shape == GRID.size_xyz[::-1] for mask in masks.values())


def read_values(data: bytes, folder: Path) -> None:
    """JSON in place of the elements; what pydicom can make no file of is none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            content = stored(Dataset.from_json(json.loads(data)), ImplicitVRLittleEndian)
        except Exception:
            return
    read_file(content, folder)
