"""Maps of probability: whose they are, and their lesions."""

import numpy as np
import pytest

from evaluation.lesions import match_lesions
from evaluation.probabilities import PROBABILITIES, find_maps, lesion_counts
from model.errors import InputError

SPACING = (3.0, 1.0, 1.0)


@pytest.fixture
def levels() -> np.ndarray:
    """Three blobs of certainty 255, 128 and 60, of which the second is a hole's width from the third."""
    array = np.zeros((6, 30, 30), np.uint8)
    array[1:4, 2:8, 2:8] = 255
    array[1:4, 12:18, 2:8] = 128
    array[2:5, 12:18, 20:26] = 60
    return array


def test_at_each_probability_lesions_are_those_of_its_mask(levels):
    reference = np.zeros(levels.shape, bool)
    reference[1:4, 2:8, 2:8] = reference[2:5, 12:18, 20:24] = True
    counts = lesion_counts(levels, reference, SPACING)
    assert [of.probability for of in counts] == list(PROBABILITIES)
    for of in counts:
        expected = match_lesions(levels / 255 >= of.probability, reference, SPACING)
        assert of.predicted == expected.predicted and of.reference == 2
        assert of.matched == {name: expected.matched(name) for name in ("any", "iou10", "iou50")}
    assert [(of.predicted, of.matched["any"]) for of in counts][::6] == [(3, 2), (2, 1), (1, 1), (1, 1)]


@pytest.mark.parametrize("probability", PROBABILITIES)
def test_a_fraction_reaches_itself(probability):
    fractions = np.zeros((3, 8, 8), np.float32)
    fractions[1, 2:5, 2:5] = probability
    counts = lesion_counts(fractions, fractions > 0, SPACING)
    assert {of.probability for of in counts if of.predicted} == {p for p in PROBABILITIES if p <= probability}


def test_without_any_lesion_there_are_none():
    counts = lesion_counts(np.zeros((3, 4, 5), np.uint8), np.zeros((3, 4, 5), bool), SPACING)
    assert {(of.reference, of.predicted, *of.matched.values()) for of in counts} == {(0, 0, 0, 0, 0)}


def test_maps_are_found_in_folders_of_their_structures(tmp_path, save, levels):
    for structure in ("GTVp", "GTVnd"):
        for name in ("a", "b"):
            save(levels, tmp_path / f"probability_{structure}" / f"{name}.nii.gz")
    save((levels > 128).astype(np.uint8), tmp_path / "a.nii.gz")  # the masks beside
    maps = {case.name: case.by_structure for case in find_maps(tmp_path)}
    assert set(maps) == {"a", "b"} and maps["b"]["GTVnd"] == tmp_path / "probability_GTVnd" / "b.nii.gz"


def test_maps_may_lie_as_files_of_structures_do(tmp_path, save, levels):
    save(levels, tmp_path / "a_GTVp.nii.gz")
    (case,) = find_maps(tmp_path)
    assert case.name == "a" and case.by_structure == {"GTVp": tmp_path / "a_GTVp.nii.gz"}


def test_maps_of_cases_of_one_name_are_told_apart_also_where_one_is_missing(tmp_path, save, levels):
    for name in ("GTVp/Cohort1/a", "GTVp/Cohort2/a", "GTVnd/Cohort1/a"):
        save(levels, tmp_path / f"probability_{name}.nii.gz")
    found = {case.name: set(case.by_structure) for case in find_maps(tmp_path)}
    assert found == {"Cohort1/a": {"GTVp", "GTVnd"}, "Cohort2/a": {"GTVp"}}


def test_masks_that_lie_below_are_no_maps(tmp_path, save, levels):
    save(levels, tmp_path / "a_GTVp.nii.gz")
    save((levels > 0).astype(np.uint8), tmp_path / "masks" / "a_GTVp.nii.gz")
    (case,) = find_maps(tmp_path, [tmp_path, tmp_path / "masks"])
    assert case.by_structure == {"GTVp": tmp_path / "a_GTVp.nii.gz"}


def test_where_none_says_its_structure_it_is_said(tmp_path, save, levels):
    save(levels, tmp_path / "a.nii.gz")
    with pytest.raises(
        InputError, match="no file whose name says GTVp or GTVnd; name folders probability_GTVp and"
    ):
        find_maps(tmp_path)


def test_masks_as_fractions_are_no_maps_and_a_map_with_certain_voxels_is_one(tmp_path, save, levels):
    """Fractions that are 0 and 1 alone are masks; one value between settles it, in any map of the structure."""
    mask = (levels > 0).astype(np.float32)
    for name in ("a", "b"):
        save(mask, tmp_path / f"{name}_GTVnd.nii.gz")
    with pytest.raises(InputError, match="no value but 0 and 1 in the maps of GTVnd, as in masks; give prob"):
        find_maps(tmp_path)
    mask[2, 15, 5] = 0.5
    save(mask, tmp_path / "b_GTVnd.nii.gz")
    assert {case.name for case in find_maps(tmp_path)} == {"a", "b"}
