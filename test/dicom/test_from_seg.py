"""SEG to a label map, as a command."""

import numpy as np
import pydicom
import pytest

from dicom.__main__ import main
from dicom.series import read_reference
from model.images.grid import difference
from model.images.read import read_label_map
from model.images.write import write_image


def test_there_and_back_every_voxel_and_the_grid(a_series, tmp_path, capsys):
    seg, back = tmp_path / "seg.dcm", tmp_path / "back.nii.gz"
    assert main(["to-seg", str(a_series.mask), str(a_series.folder), str(seg)]) == 0
    assert main(["from-seg", str(seg), str(a_series.folder), str(back)]) == 0
    assert "GTVp is GTVp\nGTVnd is GTVnd\n" in capsys.readouterr().out
    labels, grid = read_label_map(back, 2)
    np.testing.assert_array_equal(labels, a_series.labels)
    assert not difference(grid, a_series.grid)
    assert main(["from-seg", str(seg), str(a_series.folder), str(tmp_path / "back.txt")]) == 2
    assert "no name of an image" in capsys.readouterr().err


def test_another_frame_of_reference_and_numbers_that_are_not_clear_are_refused(
    a_series, write_series, tmp_path, capsys
):
    seg, out = tmp_path / "seg.dcm", tmp_path / "back.nii.gz"
    assert main(["to-seg", str(a_series.mask), str(a_series.folder), str(seg)]) == 0
    other = write_series(tmp_path / "ct", "head first supine", FrameOfReferenceUID="1.2.5")
    assert main(["from-seg", str(seg), str(other.folder), str(out)]) == 2
    assert "in another frame of reference" in capsys.readouterr().err
    for one, two in ((1, 1), (1, 3)):
        dataset = pydicom.dcmread(seg)
        dataset.SegmentSequence[0].SegmentNumber, dataset.SegmentSequence[1].SegmentNumber = one, two
        dataset.save_as(tmp_path / "odd.dcm")
        assert main(["from-seg", str(tmp_path / "odd.dcm"), str(a_series.folder), str(out)]) == 2
        assert "belong to no segment, or to two" in capsys.readouterr().err
    assert not out.exists()


def test_another_series_is_told_and_a_file_that_names_none_is_refused(
    a_series, write_series, tmp_path, capsys
):
    seg, out = tmp_path / "seg.dcm", tmp_path / "back.nii.gz"
    assert main(["to-seg", str(a_series.mask), str(a_series.folder), str(seg)]) == 0
    dataset = pydicom.dcmread(seg)
    dataset.ReferencedSeriesSequence[0].SeriesInstanceUID = "1.2.3.77"
    dataset.save_as(seg)
    assert main(["from-seg", str(seg), str(a_series.folder), str(out)]) == 0
    assert "drawn on another series in the same frame of reference" in capsys.readouterr().out
    del dataset.ReferencedSeriesSequence, dataset.FrameOfReferenceUID
    dataset.save_as(seg)
    assert main(["from-seg", str(seg), str(a_series.folder), str(out)]) == 2
    assert "names neither the series in" in capsys.readouterr().err
    assert main(["from-seg", str(a_series.folder / "001.dcm"), str(a_series.folder), str(out)]) == 2
    assert "CT, no SEG; give the file with the segmentation" in capsys.readouterr().err


@pytest.mark.parametrize("positions", ["rounded", "tilted"])
def test_our_own_files_come_back_where_slices_lie_off_the_straight_grid(
    positions, all_series, write_series, tmp_path
):
    """As 0.625 mm written with one digit, and under a gantry that leans."""
    series = all_series("tilted")
    if positions == "rounded":
        series = write_series(tmp_path / "ct", "head first supine", step=0.65)
        for path in series.folder.iterdir():
            dataset = pydicom.dcmread(path)
            x, y, z = dataset.ImagePositionPatient
            dataset.ImagePositionPatient = [x, y, round(float(z), 1)]
            dataset.save_as(path)
    seg, back = tmp_path / "seg.dcm", tmp_path / "back.nii.gz"
    reference = read_reference(series.folder)
    write_image(tmp_path / "m.nii.gz", series.labels, reference.grid)
    assert main(["to-seg", str(tmp_path / "m.nii.gz"), str(series.folder), str(seg)]) == 0
    assert main(["from-seg", str(seg), str(series.folder), str(back)]) == 0
    np.testing.assert_array_equal(read_label_map(back, 2)[0], series.labels)
