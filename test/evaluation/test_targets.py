"""Where to look: the largest error is the evaluator's own, lesions are those of the matching."""

import numpy as np
import pytest

from evaluation.lesions import match_lesions
from evaluation.metrics import score
from evaluation.scene import Scene
from evaluation.targets import MOST_LESIONS, bins, bounds_mm, look, middle

SPACING = (3.0, 1.0, 1.0)


def scene_of(reference: np.ndarray, prediction: np.ndarray, structure: str = "GTVp") -> Scene:
    return Scene({}, {structure: reference}, {structure: prediction}, SPACING, np.zeros(3), np.eye(3))


def blobs(seed: int) -> np.ndarray:
    """A few boxes, some of them in both if the seeds are near."""
    rng, mask = np.random.default_rng(seed), np.zeros((14, 50, 50), bool)
    for z, y, x in rng.integers(0, (10, 40, 40), (5, 3)):
        mask[z : z + 3, y : y + 6, x : x + 6] = True
    return mask


@pytest.mark.parametrize("seed", range(6))
def test_targets_are_what_the_evaluator_scores(seed):
    reference, prediction = blobs(seed), blobs(seed + 100)
    expected, matching = score(prediction, reference, SPACING), match_lesions(prediction, reference, SPACING)
    errors, targets, left_out = look(scene_of(reference, prediction))
    largest = [
        t.size if t.kind == "error" else t.error_mm for t in targets if t.kind == "error" or t.error_mm
    ]
    assert largest == [pytest.approx(expected.hd100_mm)] and left_out == 0
    missed = sorted(lesion.reference_cm3 for lesion in matching.lesions if not lesion.found)
    assert sorted(t.size for t in targets if t.kind == "missed") == pytest.approx(missed)
    assert sorted(t.size for t in targets if t.kind == "false") == pytest.approx(sorted(matching.false_cm3))
    for target in targets:
        assert (prediction if target.kind == "false" else reference | prediction)[target.at]
    both = np.concatenate([volume[volume >= 0] for volume in (errors.prediction_mm, errors.reference_mm)])
    assert both.mean() == pytest.approx(expected.assd_mm, rel=1e-6)


def test_where_a_side_is_empty_all_of_the_other_is_far():
    mask = blobs(0)
    errors, targets, _ = look(scene_of(mask, np.zeros_like(mask)))
    assert {t.kind for t in targets} == {"missed"} and (errors.prediction_mm == -1).all()
    assert np.isinf(errors.reference_mm).any() and set(errors.reference_mm[~mask]) == {-1}
    _, targets, _ = look(scene_of(mask, mask))
    assert targets == []


def test_without_a_reference_each_lesion_is_a_target():
    scene = Scene({}, {}, {"GTVnd": blobs(1)}, SPACING, np.zeros(3), np.eye(3))
    _, targets, _ = look(scene)
    assert {t.kind for t in targets} == {"lesion"} and len(targets) >= 3
    assert [t.size for t in targets] == sorted((t.size for t in targets), reverse=True)


def test_a_structure_without_a_reference_is_not_false():
    """Where the reference has files by structure and one is not there, as the scores have it."""
    scene = Scene(
        {}, {"GTVp": blobs(1)}, {"GTVp": blobs(1), "GTVnd": blobs(2)}, SPACING, np.zeros(3), np.eye(3)
    )
    errors, targets, _ = look(scene)
    assert {(t.kind, t.structure) for t in targets} == {("lesion", "GTVnd")}
    assert (errors.prediction_mm[blobs(2) & ~blobs(1)] == -1).all()


def test_specks_beyond_the_largest_lesions_are_counted():
    mask = np.zeros((14, 50, 50), bool)
    mask[4, ::4, ::4] = True
    _, targets, left_out = look(scene_of(np.zeros_like(mask), mask))
    assert (len(targets), left_out) == (MOST_LESIONS, 13 * 13 - MOST_LESIONS)


def test_the_middle_is_that_of_the_largest_lesion():
    mask, empty = np.zeros((9, 30, 30), bool), np.zeros((9, 30, 30), bool)
    mask[2:7, 4:15, 6:17] = True
    mask[1, 25, 25] = True
    assert middle(scene_of(mask, empty), "GTVp") == (4, 9, 11)
    assert middle(scene_of(empty, mask), "GTVp") == (
        4,
        9,
        11,
    )  # of the prediction where there is no reference
    assert middle(scene_of(empty, empty), "GTVp") is None


@pytest.mark.parametrize(
    "tolerance, bounds",
    [
        (0.0, (0, 3, 5, 10)),
        (1.0, (1, 3, 5, 10)),
        (3.0, (3, 5, 10)),
        (5.0, (5, 10)),
        (10.0, (10,)),
        (20.0, (20,)),
    ],
)
def test_bounds_rise_from_the_tolerance(tolerance, bounds):
    assert bounds_mm(tolerance) == bounds


def test_bins_are_those_of_exact_distances_with_the_nsds_slack():
    """1.0156 mm is beyond 1 mm; five steps of 0.2 mm as a float32 are not."""
    five = 5 * float(np.float32(0.2))
    mm = np.array([-1, 0, 1, five, 1.00001, 1.0156, 3, 3.01, 5, 10, 10.1, np.inf], np.float32)
    assert five > 1
    assert bins(mm, 1.0).tolist() == [-1, 0, 0, 0, 1, 1, 1, 2, 2, 3, 4, 4]
    assert bins(mm, 5.0).tolist() == [-1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 2]
