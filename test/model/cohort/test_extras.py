"""Where pictures and maps go, and that none is left where it must not be."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from model.cases import Case
from model.cohort.extras import Extras, taken_back, write_maps, write_picture
from model.errors import InputError
from model.images.grid import Grid
from model.preprocessing.restore import Inside
from model.structures import MAP_FOLDERS

OUT = Path("out")
IDENTITY = (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0)


def case_at(output: str, kind="label_map", root=OUT) -> Case:
    return Case("a", Path("in/a/image.nii.gz"), Path("in/a/image_contrast.nii.gz"), root / output, kind)


def all_at(folder: Path, masks: Path) -> Extras:
    return Extras(folder, masks, preview=True, probabilities=True, uncertainty=True)


def test_each_kind_has_a_folder_and_each_file_the_masks_name():
    assert all_at(OUT, OUT).paths(case_at("a.nii.gz")) == [
        OUT / "preview/a.png",
        OUT / "probability_GTVp/a.nii.gz",
        OUT / "probability_GTVnd/a.nii.gz",
        OUT / "uncertainty/a.nii.gz",
    ]
    assert all_at(OUT, OUT).kinds[1:] == MAP_FOLDERS
    assert Extras(OUT, OUT).paths(case_at("a.nii.gz")) == []


@pytest.mark.parametrize(
    ("output", "kind", "expected"),
    [
        ("Cohort1/a.nii.gz", "label_map", "uncertainty/Cohort1/a.nii.gz"),
        ("images/gtv/uuid.mha", "channels", "uncertainty/uuid.mha"),
        ("a.nii", "label_map", "uncertainty/a.nii.gz"),  # compressed
        ("A.NRRD", "label_map", "uncertainty/A.nrrd"),
    ],
)
def test_maps_are_kept_apart_as_the_masks_are(output, kind, expected):
    extras = Extras(Path("more"), OUT, uncertainty=True)
    assert extras.paths(case_at(output, kind)) == [Path("more") / expected]


def test_names_in_the_manifest_are_relative_where_they_lie_below_it():
    case = case_at("a.nii.gz")
    assert Extras(OUT, OUT, preview=True).names(case) == ["preview/a.png"]
    assert Extras(Path("/more"), OUT, preview=True).names(case) == ["/more/preview/a.png"]


@pytest.mark.parametrize("folder", ["out", "out/images/gtv", "out/images/gtv/more"])
def test_in_the_platforms_output_nothing_lies_beside_the_mask(tmp_path, folder):
    case = case_at("images/gtv/uuid.mha", "channels", tmp_path / "out")
    with pytest.raises(InputError, match="the platform takes what lies in the output; give a folder"):
        Extras(tmp_path / folder, tmp_path / "out", preview=True).check([case])
    Extras(tmp_path / folder, tmp_path / "out").check([case])
    Extras(tmp_path / "more", tmp_path / "out", preview=True).check([case])


def test_no_ct_is_replaced(tmp_path):
    ct = tmp_path / "uncertainty/a.nii.gz"
    case = Case("a", ct, ct, tmp_path / "a.nii.gz", "label_map")
    with pytest.raises(InputError, match="would replace an input"):
        Extras(tmp_path, tmp_path, uncertainty=True).check([case])


def test_what_an_earlier_run_left_is_found_whatever_is_asked_for(tmp_path):
    for name in ("preview/a.png", "uncertainty/a.nii.gz", "uncertainty/b.nii.gz"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = Extras(tmp_path, tmp_path).earlier(case_at("a.nii.gz", root=tmp_path))
    assert found == [tmp_path / "preview/a.png", tmp_path / "uncertainty/a.nii.gz"]
    # Also where this run's are to lie elsewhere: beside the new mask they would be taken for its own.
    (tmp_path / "more/preview").mkdir(parents=True)
    (tmp_path / "more/preview/a.png").touch()
    found = Extras(tmp_path / "more", tmp_path).earlier(case_at("a.nii.gz", root=tmp_path))
    assert [path.relative_to(tmp_path).as_posix() for path in found] == [
        "more/preview/a.png", "preview/a.png", "uncertainty/a.nii.gz",
    ]  # fmt: skip


def test_maps_of_an_earlier_run_are_found_whatever_suffix_the_cts_had(tmp_path):
    for name in (
        "uncertainty/a.nrrd",
        "probability_GTVp/a.nii.gz",
        "preview/a.nii.gz",
        "uncertainty/ab.nrrd",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = Extras(tmp_path, tmp_path).earlier(case_at("a.mha", root=tmp_path))
    assert found == [tmp_path / "probability_GTVp/a.nii.gz", tmp_path / "uncertainty/a.nrrd"]


def test_all_that_is_asked_for_has_to_be_listed_and_there(tmp_path):
    extras, case = Extras(tmp_path, tmp_path, preview=True), case_at("a.nii.gz", root=tmp_path)
    listed = {"extras": ["preview/a.png", "uncertainty/a.nii.gz"]}
    assert not extras.are_there(case, listed)
    (tmp_path / "preview").mkdir()
    (tmp_path / "preview/a.png").touch()
    assert extras.are_there(case, listed)
    assert not extras.are_there(case, {"extras": []})
    assert not extras.are_there(case, {"extras": None})
    assert Extras(tmp_path, tmp_path).are_there(case, {"extras": []})


def test_nothing_is_left_where_something_goes_wrong(tmp_path):
    path = tmp_path / "a.png"
    with pytest.raises(ZeroDivisionError), taken_back([path, tmp_path / "never"]):
        path.touch()
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [".nii.gz", ".mha", ".nrrd"])
def test_maps_return_as_they_were_on_the_inputs_own_axes(tmp_path, suffix):
    values = np.random.default_rng(0).integers(0, 256, (2, 3, 4), dtype=np.uint8)
    inside = Inside(values, (slice(1, 3), slice(2, 5), slice(0, 4)), (6, 7, 8))
    # The file's axes run right, front, head; half of them against the patient's.
    grid = Grid((8, 7, 6), (0.5, 0.6, 3.0), (10.0, 20.0, 30.0), (-1.0, 0, 0, 0, -1.0, 0, 0, 0, 1.0))
    case, lines = case_at(f"a{suffix}", root=tmp_path), []
    write_maps(
        Extras(tmp_path, tmp_path, uncertainty=True), case, {"uncertainty": inside}, grid, lines.append
    )
    image = sitk.ReadImage(str(tmp_path / f"uncertainty/a{suffix}"))
    assert image.GetPixelID() == sitk.sitkUInt8
    assert image.GetDirection() == grid.direction
    array = sitk.GetArrayFromImage(sitk.DICOMOrient(image, "LPS"))
    np.testing.assert_array_equal(array, inside.whole())
    assert array[1:3, 2:5, :4].tolist() == values.tolist()
    assert len(lines) == 1


def test_a_picture_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        write_picture(tmp_path / "file/a.png", b"")
