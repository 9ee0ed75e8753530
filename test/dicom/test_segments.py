"""Other people's SEGs."""

from dataclasses import replace

import highdicom as hd
import numpy as np
import pydicom
import pytest

from dicom.masks import labels_on_series
from dicom.seg import write_seg
from dicom.segments import mask_on, read_segments
from model.errors import InputError
from model.images.grid import Grid
from model.structures import STRUCTURES


@pytest.fixture
def seg(a_series, tmp_path):
    """A file of our own, to be changed."""
    write_seg(
        tmp_path / "seg.dcm",
        labels_on_series(a_series.labels, a_series.grid, a_series.reference),
        a_series.reference,
    )
    return tmp_path / "seg.dcm"


def test_every_voxel_comes_back_however_the_slices_lie(straight_series, tmp_path):
    masks = labels_on_series(straight_series.labels, straight_series.grid, straight_series.reference)
    write_seg(tmp_path / "seg.dcm", masks, straight_series.reference)
    segments = read_segments(tmp_path / "seg.dcm")
    assert [segment.name for segment in segments] == list(STRUCTURES)
    for segment in segments:
        np.testing.assert_array_equal(
            mask_on(segment, straight_series.grid, tmp_path)[0], masks[segment.name]
        )


@pytest.mark.parametrize("kind", ["LABELMAP", "FRACTIONAL"])
def test_other_kinds_that_highdicom_writes(a_series, seg, tmp_path, kind):
    binary = pydicom.dcmread(seg)
    sources = [pydicom.dcmread(path) for path in sorted(a_series.folder.iterdir())]
    sources.sort(key=lambda one: float(one.ImagePositionPatient[2]))
    for source in sources:  # what highdicom wants, and these small files lack
        for name in (
            "AccessionNumber",
            "StudyID",
            "StudyTime",
            "PatientBirthDate",
            "PatientSex",
            "ReferringPhysicianName",
        ):
            setattr(source, name, getattr(source, name, ""))
    labels = a_series.labels if kind == "LABELMAP" else np.stack([a_series.labels == n for n in (1, 2)], -1)
    hd.seg.Segmentation(
        source_images=sources,
        pixel_array=labels.astype(np.uint8 if kind == "LABELMAP" else np.float32),
        segmentation_type=kind,
        segment_descriptions=[hd.seg.SegmentDescription.from_dataset(one) for one in binary.SegmentSequence],
        **{
            "series_instance_uid": "1.2.9",
            "series_number": 9,
            "sop_instance_uid": "1.2.9.1",
            "instance_number": 1,
        },
        **{
            "manufacturer": "x",
            "manufacturer_model_name": "x",
            "software_versions": "1",
            "device_serial_number": "1",
        },
    ).save_as(tmp_path / "theirs.dcm")
    segments = {segment.name: segment for segment in read_segments(tmp_path / "theirs.dcm")}
    for number, structure in enumerate(STRUCTURES, 1):
        np.testing.assert_array_equal(
            mask_on(segments[structure], a_series.grid, tmp_path)[0], a_series.labels == number
        )


@pytest.mark.parametrize(("origin_mm", "fact"), [(0.3, "lie between those"), (40.0, "lie outside")])
def test_another_grid_is_refused(a_series, seg, origin_mm, fact):
    grid = a_series.grid
    x, y, z = grid.origin_xyz
    moved = Grid(grid.size_xyz, grid.spacing_xyz, (x + origin_mm, y, z), grid.direction)
    with pytest.raises(InputError, match=f"voxels of 'GTVnd' {fact} the reference|voxels of 'GTVp' {fact}"):
        for segment in read_segments(seg):
            mask_on(segment, moved, seg)


def test_shares_of_voxels_and_damage_are_refused(seg, tmp_path):
    dataset = pydicom.dcmread(seg)
    size = dataset.Rows * dataset.Columns * int(dataset.NumberOfFrames)
    dataset.SegmentationType, dataset.MaximumFractionalValue = "FRACTIONAL", 255
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit = 7
    dataset.PixelData = np.arange(size).astype(np.uint8).tobytes()
    dataset.save_as(tmp_path / "shares.dcm")
    with pytest.raises(InputError, match="shares of voxels"):
        read_segments(tmp_path / "shares.dcm")
    dataset = pydicom.dcmread(seg)
    del dataset.PerFrameFunctionalGroupsSequence
    dataset.save_as(tmp_path / "damaged.dcm")
    (tmp_path / "none.dcm").write_bytes(b"none")
    for name, fact in (("damaged", "damaged"), ("none", "no DICOM file")):
        with pytest.raises(InputError, match=rf"{name}.dcm: {fact}"):
            read_segments(tmp_path / f"{name}.dcm")


@pytest.mark.parametrize(
    ("coarse", "fact"),
    [
        ({"step": 4.0}, "slices of 'GTVp' are 4 mm apart, those of the reference or the CT 2 mm"),
        ({"size": 36, "mm": 2.0}, r"pixels of 'GTVp' \(2 x 2 mm\) are not those"),
    ],
)
def test_a_coarser_grid_on_whose_voxels_every_centre_lies_is_refused(write_series, tmp_path, coarse, fact):
    """Its mask would have holes."""
    fine, drawn = (
        write_series(tmp_path / str(n), "head first supine", **t) for n, t in enumerate(({}, coarse))
    )
    write_seg(
        tmp_path / "seg.dcm", labels_on_series(drawn.labels, drawn.grid, drawn.reference), drawn.reference
    )
    (segment, _) = read_segments(tmp_path / "seg.dcm")
    for reference in (fine.reference, None):
        with pytest.raises(InputError, match=fact):
            mask_on(segment, fine.grid, tmp_path, reference)


def test_slices_that_a_segment_lacks_between_others_are_told(a_series, seg):
    (segment, _) = read_segments(seg)
    assert mask_on(segment, a_series.grid, seg)[1] == []
    frames = sorted(segment.frames, key=lambda frame: frame.first[2])
    without = replace(segment, frames=(*frames[:3], *frames[5:]))
    told = ["GTVp has no voxel on 2 slices between its others: left empty"]
    assert mask_on(without, a_series.grid, seg)[1] == told
