"""Contours to a label map, as a command."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from dicom.__main__ import main
from dicom.series import read_reference
from model.images.grid import difference
from model.images.read import read_label_map
from model.images.write import write_image

REAL_SERIES = Path(__file__).parents[3] / "shared" / "data" / "dicom" / "tilt_minus18"


@pytest.fixture
def there_and_back(tmp_path):
    """Writes a series' masks as contours, changed on request, reads them back; returns the exit code."""

    def go(written, *options, change=lambda dataset: None, out="back.nii.gz") -> int:
        path = tmp_path / "rtss.dcm"
        assert main(["to-rtstruct", str(written.mask), str(written.folder), str(path)]) == 0
        dataset = pydicom.dcmread(path)
        change(dataset)
        dataset.save_as(path)
        return main(["from-rtstruct", str(path), str(written.folder), str(tmp_path / out), *options])

    return go


def renamed(*names):
    def change(dataset):
        for roi, name in zip(dataset.StructureSetROISequence, names, strict=True):
            roi.ROIName = name

    return change


def test_there_and_back_every_voxel_and_the_grid(every_series, there_and_back, tmp_path):
    assert there_and_back(every_series) == 0
    labels, grid = read_label_map(tmp_path / "back.nii.gz", 2)
    np.testing.assert_array_equal(labels, every_series.labels)
    assert not difference(grid, every_series.grid)


def test_the_label_map_lies_on_the_ct_as_others_read_it(
    straight_series, there_and_back, tmp_path, dsc_of_image
):
    assert there_and_back(straight_series, out="back.mha") == 0
    files = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(straight_series.folder))
    labels = sitk.Resample(
        sitk.ReadImage(str(tmp_path / "back.mha")),
        sitk.ReadImage(files),
        sitk.Transform(),
        sitk.sitkNearestNeighbor,
    )
    assert dsc_of_image(labels == 1, straight_series, "GTVp") > 0.99


def test_names_of_hospitals_and_names_that_are_given(a_series, there_and_back, tmp_path, capsys):
    assert there_and_back(a_series, change=renamed("GTV-T", "GTV_N 1")) == 0
    assert "GTVp is GTV-T\nGTVnd is GTV_N 1\n" in capsys.readouterr().out
    assert there_and_back(a_series, "--gtvnd", "Lump", "--gtvp", "Bump", change=renamed("Lump", "Bump")) == 0
    labels, _ = read_label_map(tmp_path / "back.nii.gz", 2)
    np.testing.assert_array_equal(labels, (3 - a_series.labels) * (a_series.labels > 0))


def test_both_at_one_place_are_gtvp_and_said(a_series, there_and_back, tmp_path, capsys):
    def both(dataset):
        dataset.ROIContourSequence[1].ContourSequence = dataset.ROIContourSequence[0].ContourSequence

    assert there_and_back(a_series, change=both) == 0
    count = np.count_nonzero(a_series.labels == 1)
    assert f"{count} voxels are of both structures: GTVp has them" in capsys.readouterr().out
    labels, _ = read_label_map(tmp_path / "back.nii.gz", 2)
    np.testing.assert_array_equal(labels, a_series.labels == 1)


def test_what_is_odd_is_said(a_series, there_and_back, capsys):
    def spoiled(dataset):
        frame = dataset.ReferencedFrameOfReferenceSequence[0]
        frame.RTReferencedStudySequence[0].RTReferencedSeriesSequence[0].SeriesInstanceUID = "1.2.99"
        contours = dataset.ROIContourSequence[0].ContourSequence
        contours[0].ContourGeometricType = "OPEN_PLANAR"
        uid = contours[len(contours) // 2].ContourImageSequence[0].ReferencedSOPInstanceUID
        kept = [one for one in contours if one.ContourImageSequence[0].ReferencedSOPInstanceUID != uid]
        dataset.ROIContourSequence[0].ContourSequence = kept

    assert there_and_back(a_series, change=spoiled) == 0
    said = capsys.readouterr().out
    assert "drawn on another series in the same frame of reference" in said
    assert "GTVp has no contour on 1 slices between its others: left empty" in said
    assert "1 contours of GTVp are not closed: passed over" in said


def test_unclear_names_and_a_name_that_is_no_image(a_series, there_and_back, tmp_path, capsys):
    assert there_and_back(a_series, change=renamed("Lump", "Bump")) == 2
    error = capsys.readouterr().err
    assert (
        "(ROIs: Lump, Bump); python -m dicom from-rtstruct (or from-seg) with --gtvp NAME and --gtvnd NAME chooses\n"
        in error
    )
    assert there_and_back(a_series, out="back.txt") == 2
    assert "back.txt: no name of an image; end it with one of .mha" in capsys.readouterr().err
    assert main(["from-rtstruct", "none.dcm", "none", "back.mhd"]) == 2  # before anything is read
    assert "back.mhd: would be two files; give one such as mask.mha" in capsys.readouterr().err
    assert not list(tmp_path.glob("back*"))


def test_a_real_tilted_series(tmp_path, capsys):
    if not REAL_SERIES.is_dir():
        pytest.skip(f"needs the real series {REAL_SERIES}")
    reference = read_reference(REAL_SERIES)
    grid = reference.stack.grid
    z, y, x = np.indices(grid.size_xyz[::-1])
    labels = (((z - 8) / 5) ** 2 + ((y - 300) / 30) ** 2 + ((x - 200) / 25) ** 2 < 1).astype(np.uint8)
    labels[:, 310:316, 195:205] = 0
    labels[4:7, 200:220, 330:345] = 2
    write_image(tmp_path / "mask.mha", labels, grid)
    mask, contours, back = (str(tmp_path / name) for name in ("mask.mha", "rtss.dcm", "back.mha"))
    assert main(["to-rtstruct", mask, str(REAL_SERIES), contours]) == 0
    assert main(["from-rtstruct", contours, str(REAL_SERIES), back]) == 0
    np.testing.assert_array_equal(read_label_map(tmp_path / "back.mha", 2)[0], labels)
    assert capsys.readouterr().err == ""
