"""Contours and segmentations on the grid of an image, as evaluate.py reads them."""

import csv

import numpy as np
import pydicom
import pytest

from dicom.masks import labels_on_series
from dicom.on_grid import read_on_grid
from dicom.rtstruct import write_rtstruct
from dicom.seg import write_seg
from evaluate import main
from model.errors import InputError
from model.images.grid import Grid
from model.images.write import write_image


@pytest.fixture(params=[write_rtstruct, write_seg])
def drawn(request, tmp_path):
    """Writes a series' masks, changed on request, as contours or as a segmentation."""

    def write(written, path=tmp_path / "drawn.dcm"):
        masks = labels_on_series(written.labels, written.grid, written.reference)
        request.param(path, masks, written.reference)
        return path

    return write


def flipped(grid: Grid) -> Grid:
    """The same voxels, the first axis backwards and the others exchanged, as tools write NIfTI."""
    directions = np.reshape(grid.direction, (3, 3))
    (nx, ny, nz), (sx, sy, sz) = grid.size_xyz, grid.spacing_xyz
    origin = np.array(grid.origin_xyz) + directions[:, 0] * (nx - 1) * sx
    turned = np.column_stack([-directions[:, 0], directions[:, 2], directions[:, 1]])
    return Grid((nx, nz, ny), (sx, sz, sy), tuple(origin), tuple(turned.ravel()))


def test_every_voxel_however_slices_and_grid_lie(straight_series, drawn, tmp_path):
    masks, odd = read_on_grid(drawn(straight_series), straight_series.grid)
    assert not odd
    for number, structure in enumerate(("GTVp", "GTVnd"), 1):
        np.testing.assert_array_equal(masks[structure], straight_series.labels == number)
    other = flipped(straight_series.grid)
    expected = np.swapaxes(straight_series.labels, 0, 1)[:, :, ::-1]
    for number, (structure, mask) in enumerate(read_on_grid(drawn(straight_series), other)[0].items(), 1):
        np.testing.assert_array_equal(mask, expected == number, structure)


def test_rt_structs_of_tilted_series_lie_on_their_straight_grid(tilted_series, tmp_path):
    masks = labels_on_series(tilted_series.labels, tilted_series.grid, tilted_series.reference)
    write_rtstruct(tmp_path / "rtss.dcm", masks, tilted_series.reference)
    found, _ = read_on_grid(tmp_path / "rtss.dcm", tilted_series.grid)
    for structure, mask in masks.items():
        np.testing.assert_array_equal(found[structure], mask)


def test_what_plastimatch_writes(a_series, run_tool, dsc, tmp_path):
    for number, structure in enumerate(("GTV_T", "GTV_N"), 1):
        write_image(
            tmp_path / "masks" / f"{structure}.mha",
            (a_series.labels == number).astype(np.uint8),
            a_series.grid,
        )
    where = ("--referenced-ct", a_series.folder, "--output-dicom", tmp_path / "out")
    run_tool("plastimatch", "plastimatch", "convert", "--input-prefix", tmp_path / "masks", *where)
    (path,) = [p for p in (tmp_path / "out").iterdir() if pydicom.dcmread(p).Modality == "RTSTRUCT"]
    masks, odd = read_on_grid(path, a_series.grid)
    assert set(masks) == {"GTVp", "GTVnd"} and not odd
    # It draws through the centres of the voxels at the border.
    for number, mask in enumerate(masks.values(), 1):
        assert dsc(mask, a_series.labels == number) > 0.9


def test_what_is_named_but_not_drawn_is_empty_and_what_is_not_named_is_missing(a_series, tmp_path):
    masks = labels_on_series(a_series.labels, a_series.grid, a_series.reference)
    write_rtstruct(tmp_path / "rtss.dcm", masks, a_series.reference)
    dataset = pydicom.dcmread(tmp_path / "rtss.dcm")
    del dataset.ROIContourSequence[1].ContourSequence
    dataset.save_as(tmp_path / "rtss.dcm")
    found, _ = read_on_grid(tmp_path / "rtss.dcm", a_series.grid)
    assert found["GTVp"].any() and not found["GTVnd"].any()
    dataset.StructureSetROISequence[1].ROIName = "Parotid"
    dataset.save_as(tmp_path / "rtss.dcm")
    assert set(read_on_grid(tmp_path / "rtss.dcm", a_series.grid)[0]) == {"GTVp"}
    del dataset.ROIContourSequence[0].ContourSequence
    dataset.save_as(tmp_path / "rtss.dcm")
    found, odd = read_on_grid(tmp_path / "rtss.dcm", a_series.grid)
    assert set(found) == {"GTVp"} and not found["GTVp"].any() and not odd
    dataset.StructureSetROISequence[0].ROIName = "Body"
    dataset.save_as(tmp_path / "rtss.dcm")
    with pytest.raises(InputError, match="no ROI with contours is named"):
        read_on_grid(tmp_path / "rtss.dcm", a_series.grid)


def test_what_is_left_by_its_name_is_told(a_series, tmp_path):
    masks = labels_on_series(a_series.labels, a_series.grid, a_series.reference)
    write_rtstruct(tmp_path / "rtss.dcm", masks, a_series.reference)
    dataset = pydicom.dcmread(tmp_path / "rtss.dcm")
    dataset.StructureSetROISequence[1].ROIName = "GTVp_PET"
    dataset.save_as(tmp_path / "rtss.dcm")
    found, odd = read_on_grid(tmp_path / "rtss.dcm", a_series.grid)
    np.testing.assert_array_equal(found["GTVp"], masks["GTVp"])
    assert odd == [f"{tmp_path / 'rtss.dcm'}: not taken: GTVp_PET"]


def test_contours_that_are_not_closed_are_told(a_series, tmp_path):
    masks = labels_on_series(a_series.labels, a_series.grid, a_series.reference)
    write_rtstruct(tmp_path / "rtss.dcm", masks, a_series.reference)
    dataset = pydicom.dcmread(tmp_path / "rtss.dcm")
    dataset.ROIContourSequence[0].ContourSequence[0].ContourGeometricType = "POINT"
    dataset.save_as(tmp_path / "rtss.dcm")
    assert "1 contours of GTVp are not closed" in read_on_grid(tmp_path / "rtss.dcm", a_series.grid)[1][0]
    for contour in dataset.ROIContourSequence[0].ContourSequence:
        contour.ContourGeometricType = "OPEN_PLANAR"
    dataset.save_as(tmp_path / "rtss.dcm")
    found, odd = read_on_grid(tmp_path / "rtss.dcm", a_series.grid)
    count = len(dataset.ROIContourSequence[0].ContourSequence)
    assert not found["GTVp"].any() and f"{count} contours of GTVp are not closed" in odd[0]


def test_contours_outside_the_image_are_refused(a_series, drawn):
    grid = a_series.grid
    x, y, z = grid.origin_xyz
    with pytest.raises(InputError, match="outside the reference or the CT"):
        read_on_grid(drawn(a_series), Grid(grid.size_xyz, grid.spacing_xyz, (x, y, z + 300), grid.direction))


def dsc_in(path) -> dict[tuple[str, str], float]:
    with path.open() as file:
        return {(row["case"], row["structure"]): float(row["dsc"]) for row in csv.DictReader(file)}


def test_the_evaluator_takes_them_on_either_side(a_series, drawn, tmp_path, capsys):
    """Against a mask, against the contours beside their CT, and with the CT given."""
    (tmp_path / "p" / "case").mkdir(parents=True)
    drawn(a_series, tmp_path / "p" / "case" / "RTSS.dcm")
    write_image(tmp_path / "r" / "case.nii.gz", a_series.labels, a_series.grid)
    scores = tmp_path / "s.csv"
    expected = {("case", "GTVp"): 1.0, ("case", "GTVnd"): 1.0}
    assert main([str(tmp_path / "p"), str(tmp_path / "r"), "--csv", str(scores)]) == 0
    assert dsc_in(scores) == expected
    scores.unlink()
    assert main([str(tmp_path / "r"), str(tmp_path / "p"), "--csv", str(scores)]) == 2
    assert (
        "RTSS.dcm: on which grid its contours are meant is not known; give --image" in capsys.readouterr().err
    )
    ct = ["--image", str(a_series.folder), "--report", str(tmp_path / "r.html")]
    assert main([str(tmp_path / "r"), str(tmp_path / "p"), "--csv", str(scores), *ct]) == 0
    assert dsc_in(scores) == expected and "cannot" not in (tmp_path / "r.html").read_text()


def test_contours_beside_their_slices_are_references(a_series, tmp_path):
    folder = tmp_path / "r" / "case"
    folder.mkdir(parents=True)
    for path in a_series.folder.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    masks = labels_on_series(a_series.labels, a_series.grid, a_series.reference)
    write_rtstruct(folder / "zz.dcm", masks, a_series.reference)
    write_image(tmp_path / "p" / "case.nii.gz", a_series.labels, a_series.grid)
    assert main([str(tmp_path / "p"), str(tmp_path / "r"), "--csv", str(tmp_path / "s.csv")]) == 0
    assert set(dsc_in(tmp_path / "s.csv").values()) == {1.0}
