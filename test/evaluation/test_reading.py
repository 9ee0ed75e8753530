"""Masks of a case in every layout, and which are refused."""

import numpy as np
import pytest

from evaluation.cases import CaseFiles
from evaluation.metrics import nsd
from evaluation.reading import check_same_grid, read_masks
from model.errors import InputError
from model.images.grid import Grid
from model.images.write import write_image
from model.structures import STRUCTURES


def test_every_layout_gives_the_same_masks(save, label_map, tmp_path):
    each = [(label_map == value).astype(np.uint8) for value in (1, 2)]
    cases = [
        CaseFiles("map", save(label_map, tmp_path / "map.nii.gz"), {}),
        CaseFiles("channels", save(np.stack(each), tmp_path / "channels.mha"), {}),
        CaseFiles(
            "files", None, {s: save(m, tmp_path / f"{s}.nrrd") for s, m in zip(STRUCTURES, each, strict=True)}
        ),
    ]
    for case in cases:
        masks = read_masks(case, STRUCTURES)
        assert masks.grid.spacing_zyx == (3.0, 1.5, 1.0)
        for structure, expected in zip(STRUCTURES, each, strict=True):
            np.testing.assert_array_equal(masks.arrays[structure], expected > 0)
        assert list(read_masks(case, ("GTVnd",)).arrays) == ["GTVnd"]


def test_a_structure_without_a_file_is_left_out_and_none_at_all_is_refused(save, label_map, tmp_path):
    case = CaseFiles("a", None, {"GTVp": save((label_map == 1).astype(np.uint8), tmp_path / "GTVp.mha")})
    assert list(read_masks(case, STRUCTURES).arrays) == ["GTVp"]
    with pytest.raises(InputError, match="a: no file for GTVnd"):
        read_masks(case, ("GTVnd",))


def test_files_of_a_case_on_several_grids_are_refused(save, label_map, tmp_path):
    mask = (label_map == 1).astype(np.uint8)
    files = {
        "GTVp": save(mask, tmp_path / "GTVp.mha"),
        "GTVnd": save(mask, tmp_path / "GTVnd.mha", (0.0, 0.01, 0.0)),
    }
    with pytest.raises(InputError, match="GTVnd.mha: origin .* as in .*GTVp.mha"):
        read_masks(CaseFiles("a", None, files), STRUCTURES)


def test_a_difference_within_a_thousandth_is_none(save, label_map, tmp_path):
    one, other = (
        read_masks(CaseFiles("a", save(label_map, tmp_path / name, (x, 0.0, 0.0)), {}), STRUCTURES)
        for name, x in (("a.mha", 0.0), ("b.mha", 0.0009))
    )
    check_same_grid(other.grid, one.grid, other.path, one.path)


@pytest.mark.parametrize("suffix", [".mha", ".nii.gz", ".nrrd"])
def test_a_flipped_bit_anywhere_in_compressed_masks_is_refused_or_harmless(save, label_map, tmp_path, suffix):
    """Behind the header no bit can change unnoticed."""
    path = save(label_map, tmp_path / f"mask{suffix}")
    whole = path.read_bytes()
    begin = {".mha": whole.find(b"LOCAL\n") + 6, ".nrrd": whole.find(b"\n\n") + 2, ".nii.gz": 40}[suffix]
    for at in np.linspace(begin, len(whole) - 1, 60).astype(int):
        damaged = bytearray(whole)
        damaged[at] ^= 1 << (at % 8)
        path.write_bytes(damaged)
        try:
            masks = read_masks(CaseFiles("a", path, {}), STRUCTURES)
        except InputError as error:
            assert str(path) in str(error)
            continue
        for value, structure in enumerate(STRUCTURES, 1):
            np.testing.assert_array_equal(masks.arrays[structure], label_map == value)


@pytest.mark.parametrize("suffix", [".mha", ".nii", ".nii.gz", ".nrrd"])
@pytest.mark.parametrize("kept", [0.99, 0.8, 0.5])
def test_masks_cut_short_are_refused(save, label_map, tmp_path, suffix, kept):
    path = save(label_map, tmp_path / f"mask{suffix}")
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    with pytest.raises(InputError, match=f"mask{suffix}: .+; "):
        read_masks(CaseFiles("a", path, {}), STRUCTURES)


@pytest.mark.parametrize("inside", [1, 2, 255, 1000, 0.5])
@pytest.mark.parametrize("suffix", [".mha", ".nii.gz"])
def test_in_a_file_of_one_structure_any_one_value_is_inside(save, label_map, tmp_path, inside, suffix):
    mask = label_map == 1
    array = (mask * inside).astype({255: np.uint8, 1000: np.int16, 0.5: np.float32}.get(inside, np.uint8))
    path = save(array, tmp_path / f"GTVp{suffix}")
    found = read_masks(CaseFiles("a", None, {"GTVp": path}), ("GTVp",))
    np.testing.assert_array_equal(found.arrays["GTVp"], mask)
    if inside not in (1, 2):
        with pytest.raises(InputError, match="labels are 0 to 2"):
            read_masks(CaseFiles("a", path, {}), STRUCTURES)


@pytest.mark.parametrize("values", [(0, 1, 2), (0, 1, 255), (-1, 0, 1), (0, 0.4, 0.9), (0, 1, np.nan)])
def test_several_values_are_no_mask_of_one_structure(save, tmp_path, values):
    array = np.resize(np.array(values, np.float32), (4, 6, 5))
    path = save(array, tmp_path / "GTVp.mha")
    with pytest.raises(
        InputError, match="as a mask of GTVp: values from .* one value above it; write a file"
    ):
        read_masks(CaseFiles("a", None, {"GTVp": path}), ("GTVp",))


def test_a_distance_of_the_tolerance_is_within_it_in_every_format(tmp_path):
    """NIfTI holds a spacing of 0.2 mm as a float32, MetaImage as it is."""
    reference, prediction = np.zeros((2, 4, 20, 20), np.uint8)
    reference[1:3, 2:18, 2:18], prediction[1:3, 2:13, 2:18] = 1, 1
    for suffix in (".mha", ".nii.gz", ".nrrd"):
        masks = []
        for name, array in (("r", reference), ("p", prediction)):
            path = tmp_path / f"{name}{suffix}"
            write_image(path, array, Grid((20, 20, 4), (0.2, 0.2, 3.0), (0.0,) * 3, tuple(np.eye(3).ravel())))
            masks.append(read_masks(CaseFiles("a", path, {}), ("GTVp",)))
        r, p = masks
        assert nsd(p.arrays["GTVp"], r.arrays["GTVp"], r.grid.spacing_zyx, (1.0,)) == (1.0,)
