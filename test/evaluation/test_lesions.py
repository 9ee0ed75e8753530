"""One-to-one pairs against all permutations, and lesions laid out by hand."""

from itertools import permutations

import numpy as np
import pytest
from scipy import ndimage

from evaluation.lesions import THRESHOLDS, best_pairs, match_lesions
from evaluation.metrics import dsc, lesion_detection

SPACING = (1.0, 1.0, 1.0)


def boxes(*spans: tuple[int, int]) -> np.ndarray:
    """A mask (5, 5, 60) with boxes of 3 x 3 voxels along x."""
    mask = np.zeros((5, 5, 60), bool)
    for start, stop in spans:
        mask[1:4, 1:4, start:stop] = True
    return mask


def test_pairs_have_the_largest_sum_of_all_permutations():
    rng = np.random.default_rng(0)
    for _ in range(200):
        rows, columns = rng.integers(1, 5, 2)
        table = np.where(rng.random((rows, columns)) < 0.5, rng.random((rows, columns)), 0)
        pairs = np.array(np.nonzero(table))
        found = best_pairs(pairs, table[tuple(pairs)])
        wide = np.zeros((rows, columns + rows))
        wide[:, :columns] = table
        best = max(wide[range(rows), order].sum() for order in permutations(range(columns + rows), int(rows)))
        assert sum(table[pair] for pair in found.items()) == pytest.approx(best)
        assert len(set(found.values())) == len(found) and all(table[pair] > 0 for pair in found.items())


def test_one_prediction_over_two_lesions_finds_one():
    """Where a voxel in common is enough, both are found; one to one, only that it shares more with."""
    reference, prediction = boxes((5, 9), (12, 22)), boxes((7, 22))
    detection, matching = (
        lesion_detection(prediction, reference),
        match_lesions(prediction, reference, SPACING),
    )
    assert (detection.found, detection.true) == (2, 1)
    small, large = matching.lesions
    assert (small.found, small.dsc, small.prediction_cm3) == ((), 0, 0)
    assert large.found == ("any", "iou10", "iou50") and large.iou == pytest.approx(10 / 15)
    assert large.dsc == pytest.approx(2 * 10 / 25) and large.prediction_cm3 == pytest.approx(9 * 15 / 1000)
    assert matching.predicted == 1 and matching.false_cm3 == ()


def test_thresholds_are_reached_or_not():
    """IoU 1/3, exactly 1/2, exactly 1/10, 1/19."""
    reference = boxes((2, 6), (12, 14), (20, 21), (35, 36))
    prediction = boxes((4, 8), (12, 16), (20, 30), (35, 54))
    matching = match_lesions(prediction, reference, SPACING)
    assert [lesion.iou for lesion in matching.lesions] == pytest.approx([1 / 3, 1 / 2, 1 / 10, 1 / 19])
    assert [matching.matched(name) for name in THRESHOLDS] == [4, 3, 1]


def test_what_is_false_and_what_is_missed_have_their_volumes():
    matching = match_lesions(boxes((30, 34)), boxes((5, 7)), (2.0, 1.0, 0.5))
    (missed,) = matching.lesions
    assert missed.reference_cm3 == pytest.approx(18 / 1000) and missed.found == ()
    assert matching.false_cm3 == pytest.approx((36 / 1000,)) and matching.predicted == 1
    nothing = match_lesions(boxes(), boxes(), SPACING)
    assert (nothing.lesions, nothing.predicted, nothing.false_cm3) == ((), 0, ())


def test_each_pair_has_the_overlap_of_its_two_components():
    rng = np.random.default_rng(1)
    for _ in range(30):
        a, b = (ndimage.gaussian_filter(rng.standard_normal((12, 14, 16)), 1) > 0.3 for _ in range(2))
        matching, counts = match_lesions(a, b, SPACING), lesion_detection(a, b)
        labels, number = ndimage.label(b, np.ones((3, 3, 3)))
        parts, predicted = ndimage.label(a, np.ones((3, 3, 3)))
        assert len(matching.lesions) == number == counts.reference and matching.predicted == predicted
        assert matching.matched("any") <= min(counts.found, counts.true)
        for k, lesion in enumerate(matching.lesions, 1):
            overlaps = [dsc(parts == p, labels == k) for p in range(1, predicted + 1)]
            assert lesion.dsc == 0 or np.isclose(overlaps, lesion.dsc).any()
        assert len(matching.false_cm3) + matching.matched("any") == predicted


def test_thousands_of_specks_cost_little():
    specks = np.zeros((40, 40, 40), bool)
    specks[::2, ::2, ::2] = True
    matching = match_lesions(specks, np.ones_like(specks), SPACING)
    assert matching.predicted == 8000 and matching.matched("any") == 1
    assert match_lesions(specks, specks, SPACING).matched("iou50") == 8000
