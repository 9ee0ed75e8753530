"""Scans that are made worse, against what is known of each way in closed form."""

import numpy as np
import pytest

from bench import degrade
from bench.degrade import EFFECTS, Scan

SPACING_ZYX = (4.0, 2.0, 2.0)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def scan() -> Scan:
    """A body of 40 HU with bone in front, the contrast 100 HU brighter in the primary, nodes beside it."""
    ct = np.full((24, 60, 60), -1000, np.int16)
    ct[:, 10:50, 10:50] = 40
    ct[8:16, 12:16, 25:35] = 1200
    truth = np.zeros(ct.shape, np.uint8)
    truth[9:15, 26:34, 26:34] = 1
    truth[9:15, 26:34, 38:44] = 2
    ce = ct.copy()
    ce[truth == 1] += 100
    return Scan(ct, ce, truth, SPACING_ZYX)


@pytest.mark.parametrize("name", EFFECTS)
def test_every_amount_gives_a_scan_of_one_shape_with_both_structures(scan, name):
    effect, values, few = EFFECTS[name]
    assert set(few) <= set(values)
    for value in values:
        worse = effect(scan, value, np.random.default_rng(0))
        assert worse.ct.shape == worse.ce.shape == worse.truth.shape
        assert worse.ct.dtype == worse.ce.dtype == np.int16 and worse.truth.dtype == np.uint8
        assert set(np.unique(worse.truth)) == {0, 1, 2}


def test_a_shift_is_as_long_as_it_says_and_moves_the_contrast_alone(scan, rng):
    """By the centre of what is enhanced."""
    worse = degrade.shifted(scan, 6.0, rng)
    assert worse.ct is scan.ct and worse.truth is scan.truth
    body = (slice(None), slice(20, 45), slice(15, 45))

    def centre(array: np.ndarray) -> np.ndarray:
        weights = np.clip(array[body].astype(float) - 40, 0, None)
        return np.array([np.average(g, weights=weights) for g in np.indices(weights.shape)]) * SPACING_ZYX

    assert np.linalg.norm(centre(worse.ce) - centre(scan.ce)) == pytest.approx(6.0, abs=0.1)


@pytest.mark.parametrize("plane", [(0, 1), (1, 2)])
def test_a_turn_moves_a_point_by_its_angle_and_back(scan, plane):
    turned = degrade._turned(scan, 15, plane)
    away = np.degrees(np.arccos(np.clip(_cosine(scan, turned, plane), -1, 1)))
    assert away == pytest.approx(15, abs=1.5)
    again = degrade._turned(turned, -15, plane).truth
    assert 2 * np.count_nonzero((again == 2) & (scan.truth == 2)) > 0.85 * (
        np.count_nonzero(again == 2) + np.count_nonzero(scan.truth == 2)
    )


def _cosine(before: Scan, after: Scan, plane: tuple[int, int]) -> float:
    """Of the angle by which bone moved about the volume's centre, in mm, in a plane."""
    arms = []
    for scan in (before, after):
        centre = (np.array(scan.ct.shape) - 1) / 2
        arm = (np.argwhere(scan.ct > 600).mean(0) - centre) * SPACING_ZYX
        arms.append(arm[list(plane)])
    return float(arms[0] @ arms[1] / np.linalg.norm(arms[0]) / np.linalg.norm(arms[1]))


def test_thicker_slices_are_means_and_thinner_ones_lie_between():
    np.testing.assert_allclose(degrade.slice_weights(4, 1.0, 2.0), [[0.5, 0.5, 0, 0], [0, 0, 0.5, 0.5]])
    np.testing.assert_allclose(degrade.slice_weights(3, 2.0, 2.0), np.eye(3))
    finer = degrade.slice_weights(2, 2.0, 1.0)
    np.testing.assert_allclose(finer, [[1, 0], [0.75, 0.25], [0.25, 0.75], [0, 1]])
    for new_mm in (1.0, 3.3, 5.0):
        np.testing.assert_allclose(degrade.slice_weights(30, 3.7, new_mm).sum(1), 1, rtol=1e-6)


def test_reslicing_keeps_volumes(scan, rng):
    for mm in (1.0, 2.0, 8.0):
        worse = degrade.resliced(scan, mm, rng)
        assert worse.spacing_zyx == (mm, 2.0, 2.0)
        kept = np.count_nonzero(worse.truth == 1) * mm / (np.count_nonzero(scan.truth == 1) * 4.0)
        assert kept == pytest.approx(1, abs=0.35)


def test_noise_has_its_standard_deviation_and_differs_between_both(scan, rng):
    worse = degrade.noisy(scan, 20.0, rng)
    body = (slice(None), slice(40, 50), slice(10, 50))
    ct, ce = ((array[body].astype(float) - 40) for array in (worse.ct, worse.ce))
    assert ct.std() == pytest.approx(20, rel=0.03) and ce.std() == pytest.approx(20, rel=0.03)
    assert abs(np.corrcoef(ct.ravel(), ce.ravel())[0, 1]) < 0.05


def test_metal_lies_in_bone_and_leaves_other_slices_alone(scan, rng):
    worse = degrade.with_metal(scan, 2, rng)
    metal = np.argwhere(worse.ct == degrade.METAL_HU)
    assert len(metal) and metal[:, 0].min() >= 8 and metal[:, 1].max() < 26
    changed = np.flatnonzero((worse.ct != scan.ct).any(axis=(1, 2)))
    assert len(changed) <= 4 and worse.ct[changed[0]].std() > scan.ct[changed[0]].std()


def test_crops_keep_what_they_say(scan, rng):
    sides = degrade.cropped_sides(scan, 20.0, rng)
    assert sides.ct.shape == (24, 21, 21)
    ends = degrade.cropped_ends(scan, 8.0, rng)
    assert ends.ct.shape == (6 + 4, 60, 60) and np.count_nonzero(ends.truth) == np.count_nonzero(scan.truth)


def test_contrast_and_offset(scan, rng):
    assert (degrade.without_contrast(scan, 0.5, rng).ce[scan.truth == 1] == 90).all()
    np.testing.assert_array_equal(degrade.without_contrast(scan, 0, rng).ce, scan.ct)
    assert degrade.offset(scan, 20, rng).ct[12, 40, 30] == 60
