"""Against DeepMind's surface-distance, closed forms, and the conventions for empty masks."""

import numpy as np
import pytest
from scipy import ndimage

from evaluation.metrics import dsc, lesion_detection, nsd, score
from evaluation.surface import surface_of

reference_library = pytest.importorskip("surface_distance")


def random_pair(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Blobs, specks and plates, touching the border as often as not."""
    shape = tuple(rng.integers(1, 14, 3))
    kind = rng.integers(4)
    masks = []
    for _ in range(2):
        noise = rng.standard_normal(shape)
        if kind == 0:
            mask = noise > rng.uniform(-1, 2)
        elif kind == 1:
            mask = ndimage.gaussian_filter(noise, 1.5) > rng.uniform(-0.1, 0.2)
        elif kind == 2:
            mask = np.zeros(shape, bool)
            mask[rng.integers(shape[0])] = True
        else:
            mask = np.zeros(shape, bool)
            mask[tuple(rng.integers(shape))] = True
        masks.append(mask)
    return masks[0], masks[0].copy() if rng.random() < 0.1 else masks[1]


def test_nsd_and_areas_equal_the_reference_implementation(monkeypatch):
    monkeypatch.setattr(np, "Inf", np.inf, raising=False)  # the library predates NumPy 2
    rng = np.random.default_rng(1)
    for _ in range(600):
        a, b = random_pair(rng)
        spacing = tuple(rng.uniform(0.4, 4, 3)) if rng.random() < 0.7 else (3.0, 1.0, 1.0)
        tolerance = float(rng.choice([0, 0.5, 1, 2, 3]))
        if not a.any() and not b.any():
            assert nsd(a, b, spacing, (tolerance,))[0] == 1
            continue
        expected = reference_library.compute_surface_distances(b, a, spacing)
        wanted = reference_library.compute_surface_dice_at_tolerance(expected, tolerance)
        assert nsd(a, b, spacing, (tolerance,))[0] == pytest.approx(wanted, abs=1e-6)
        assert surface_of(a, spacing).areas.sum() == pytest.approx(expected["surfel_areas_pred"].sum())


def test_dsc_equals_medpy():
    binary = pytest.importorskip("medpy.metric.binary")
    rng = np.random.default_rng(2)
    for _ in range(100):
        a, b = random_pair(rng)
        if a.any() or b.any():
            assert dsc(a, b) == pytest.approx(binary.dc(a, b), abs=1e-12)


def test_shifted_plate_is_within_tolerance_or_not():
    a = np.zeros((20, 20, 20), bool)
    b = a.copy()
    a[5, 2:18, 2:18], b[6, 2:18, 2:18] = True, True
    assert nsd(a, b, (1.0, 1.0, 1.0), (1.0,))[0] == 1
    assert nsd(a, b, (3.0, 1.0, 1.0), (1.0,))[0] == pytest.approx(0.5)


@pytest.mark.parametrize(("a", "b", "expected"), [(0, 0, 1), (1, 0, 0), (0, 1, 0), (1, 1, 1)])
def test_empty_masks(a, b, expected):
    masks = [np.full((4, 4, 4), bool(value)) for value in (a, b)]
    assert dsc(*masks) == expected
    assert nsd(*masks, (1.0, 1.0, 1.0), (1.0,))[0] == expected


def test_hd95_and_assd_equal_medpy():
    binary = pytest.importorskip("medpy.metric.binary")
    rng = np.random.default_rng(3)
    compared = 0
    for _ in range(500):
        a, b = random_pair(rng)
        spacing = tuple(rng.uniform(0.4, 4, 3))
        result = score(a, b, spacing, (1.0,))
        if a.any() and b.any():
            assert result.hd95_mm == pytest.approx(binary.hd95(a, b, spacing), abs=1e-9)
            assert result.assd_mm == pytest.approx(binary.assd(a, b, spacing), abs=1e-9)
            compared += 1
        else:
            assert np.isnan(result.hd95_mm) and np.isnan(result.assd_mm)
    assert compared > 300


def test_score_does_not_depend_on_where_the_masks_lie():
    rng = np.random.default_rng(4)
    for _ in range(50):
        a, b = random_pair(rng)
        if a.any() or b.any():
            margin = [(int(before), int(after)) for before, after in rng.integers(0, 4, (3, 2))]
            wide = [np.pad(mask, margin) for mask in (a, b)]
            inner, outer = score(a, b, (3.0, 1.0, 0.5), (1.0,)), score(*wide, (3.0, 1.0, 0.5), (1.0,))
            assert inner.nsd == pytest.approx(outer.nsd, abs=1e-12) and inner.dsc == outer.dsc


def test_cube_against_its_larger_copy():
    a, b = np.zeros((30, 30, 30), bool), np.zeros((30, 30, 30), bool)
    a[10:20, 10:20, 10:20], b[8:22, 10:20, 10:20] = True, True
    result = score(a, b, (1.0, 1.0, 1.0), (1.0, 2.0))
    assert result.dsc == pytest.approx(2 * 1000 / 2400)
    assert (result.tp_cm3, result.fp_cm3, result.fn_cm3) == pytest.approx((1.0, 0.0, 0.4))
    assert result.nsd[1] == pytest.approx(1)
    assert result.nsd[0] < 0.9
    assert result.hd95_mm == pytest.approx(2)


def test_lesions_are_counted_by_overlap():
    reference, prediction = np.zeros((9, 30, 9), bool), np.zeros((9, 30, 9), bool)
    for start in (2, 12, 22):
        reference[2:5, start : start + 4, 2:5] = True
    prediction[4:6, 5:7, 4:6] = True  # meets the first by one edge of voxels
    prediction[7:9, 12:14, 7:9] = True  # meets none
    lesions = lesion_detection(prediction, reference)
    assert (lesions.reference, lesions.found, lesions.predicted, lesions.true) == (3, 1, 2, 1)
    assert (lesions.sensitivity, lesions.precision) == (pytest.approx(1 / 3), 0.5)
    assert lesions.f1 == pytest.approx(0.4)
    nothing = np.zeros_like(reference)
    assert lesion_detection(nothing, nothing).f1 == 1 and lesion_detection(nothing, reference).f1 == 0
