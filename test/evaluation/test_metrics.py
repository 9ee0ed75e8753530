"""Against DeepMind's surface-distance, closed forms, and the conventions for empty masks."""

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.distance import cdist

from evaluation.metrics import added_path_mm, dsc, lesion_detection, nearest_mm, nsd, score
from evaluation.surface import surface_of
from model.errors import InputError

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


def test_distances_equal_medpy():
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
            assert result.hd100_mm == pytest.approx(binary.hd(a, b, spacing), abs=1e-9)
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


def border_mm(mask: np.ndarray, spacing: tuple[float, float, float]) -> np.ndarray:
    """Positions in mm of voxels with a neighbour outside, found voxel by voxel."""
    padded = np.pad(mask, 1)
    steps = [(axis, step) for axis in range(3) for step in (-1, 1)]
    inside = np.all([np.roll(padded, step, axis) for axis, step in steps], axis=0)
    return (np.argwhere(padded & ~inside) - 1) * spacing


def test_distances_equal_all_pairs_of_border_voxels():
    rng = np.random.default_rng(5)
    compared = 0
    for _ in range(100):
        a, b = random_pair(rng)
        spacing = tuple(rng.uniform(0.4, 4, 3))
        result = score(a, b, spacing)
        if not a.any() or not b.any():
            assert np.isnan([result.hd100_mm, result.masd_mm]).all()
            continue
        pairs = cdist(border_mm(a, spacing), border_mm(b, spacing))
        there, back = pairs.min(axis=1), pairs.min(axis=0)
        assert result.hd100_mm == pytest.approx(max(there.max(), back.max()), abs=1e-9)
        assert result.masd_mm == pytest.approx((there.mean() + back.mean()) / 2, abs=1e-9)
        assert result.iou == pytest.approx((a & b).sum() / (a | b).sum(), abs=1e-12)
        compared += 1
    assert compared > 50


def test_added_path_is_the_outline_of_the_reference_that_is_not_drawn():
    """A square of n voxels a side has 4 n - 4 on its outline; each slice by itself."""
    reference = np.zeros((5, 12, 12), bool)
    reference[1:4, 2:10, 2:10] = True
    missing = reference.copy()
    missing[2] = False
    spacing = (3.0, 0.5, 1.5)  # a voxel's mean side in the slice is 1 mm
    assert added_path_mm(reference, reference, spacing) == 0
    assert added_path_mm(np.zeros_like(reference), reference, spacing) == 3 * 28
    assert added_path_mm(missing, reference, spacing) == 28
    assert added_path_mm(reference, missing, spacing) == 0  # what is too much is not to be drawn
    wider = reference.copy()
    wider[2, 2:10, 10] = True
    assert added_path_mm(wider, reference, spacing) == 6  # of that side, but its ends


@pytest.mark.parametrize("spacing", [0.2, float(np.float32(0.2)), 0.1, float(np.float32(0.1)), 1 / 3])
def test_a_distance_of_exactly_the_tolerance_is_within_it(spacing):
    a, b = np.zeros((3, 24, 24), bool), np.zeros((3, 24, 24), bool)
    a[1, 2:20, 2:20] = True
    steps = round(1 / spacing)
    b[1, 2 : 20 - steps, 2:20] = True
    assert nsd(a, b, (3.0, spacing, spacing), (1.0,))[0] == 1
    assert nsd(a, b, (3.0, spacing, spacing), (0.999,))[0] < 1


def test_what_is_above_0_is_inside_whatever_the_type():
    rng = np.random.default_rng(6)
    a, b = rng.random((2, 5, 6, 7)) > 0.5
    wanted = score(a, b, (3.0, 1.0, 1.0))
    assert score(a * np.uint8(255), b.astype(float) / 2, (3.0, 1.0, 1.0)) == wanted


@pytest.mark.parametrize(
    ("shapes", "spacing", "words"),
    [
        (((4, 4), (4, 4)), (1.0, 1.0, 1.0), "prediction: an array of 2 dimensions"),
        (((4, 4, 4), (2, 4, 4, 4)), (1.0, 1.0, 1.0), "reference: an array of 4 dimensions"),
        (((4, 4, 4), (4, 4, 5)), (1.0, 1.0, 1.0), "on one grid"),
        (((0, 4, 4), (0, 4, 4)), (1.0, 1.0, 1.0), "voxels"),
        (((4, 4, 4), (4, 4, 4)), (1.0, 1.0), "spacing"),
        (((4, 4, 4), (4, 4, 4)), (1.0, 0.0, 1.0), "spacing"),
        (((4, 4, 4), (4, 4, 4)), (1.0, float("nan"), 1.0), "spacing"),
    ],
)
def test_arrays_that_are_no_masks_of_one_grid_are_refused(shapes, spacing, words):
    with pytest.raises(InputError, match=words):
        score(*(np.ones(shape, bool) for shape in shapes), spacing)


def test_an_undefined_distance_may_count_the_grids_diagonal():
    empty, cube = np.zeros((3, 4, 12), bool), np.ones((3, 4, 12), bool)
    spacing = (1.0, 1.0, 1.0)
    one, both, neither = score(empty, cube, spacing), score(cube, cube, spacing), score(empty, empty, spacing)
    assert one.penalised_mm(one.hd95_mm) == 13  # 3, 4, 12
    assert both.penalised_mm(both.hd95_mm) == neither.penalised_mm(neither.hd95_mm) == 0
    assert np.isnan(one.hd95_mm) and np.isnan(one.penalised_mm(np.nan)) == 0
    assert one.difference_percent == -100 and np.isnan(neither.difference_percent)


def test_distances_are_those_of_all_pairs_and_inf_beyond_the_farthest():
    rng = np.random.default_rng(9)
    spacing = (3.0, 0.7, 0.7)
    points, others = rng.integers(0, 30, (200, 3)), rng.integers(0, 30, (150, 3))
    expected = cdist(points * spacing, others * spacing).min(axis=1)
    np.testing.assert_allclose(nearest_mm(points, others, spacing), expected, rtol=1e-12)
    found = nearest_mm(points, others, spacing, 3.0)  # 3 mm, the step of a slice, is within
    np.testing.assert_allclose(found, np.where(expected <= 3 + 1e-9, expected, np.inf), rtol=1e-12)
    assert 0 < np.isinf(found).sum() < len(found) and (abs(expected - 3) < 1e-9).any()
    assert nearest_mm(others, others, spacing, 0.0).tolist() == [0] * len(others)


def test_an_array_with_values_that_are_no_numbers_is_no_mask():
    mask = np.zeros((3, 4, 5), np.float32)
    mask[1, 1, 1] = np.nan
    with pytest.raises(InputError, match="reference: values that are no numbers; "):
        score(np.zeros((3, 4, 5)), mask, (1.0, 1.0, 1.0))


def test_spacings_are_any_three_numbers_and_fields_plain_floats():
    mask = np.zeros((5, 6, 7), bool)
    mask[1:4, 2:4, 2:5] = True
    moved = np.roll(mask, 1, axis=1)
    expected = score(moved, mask, (3.0, 1.0, 2.0), (1.0, 2.0))
    for spacing in ([3, 1, 2], np.array([3, 1, 2], np.float32)):
        found = score(moved, mask, spacing, np.array([1, 2]))
        assert found == expected
        assert {type(v) for v in (found.dsc, found.iou, found.hd95_mm, found.tp_cm3, *found.nsd)} == {float}


@pytest.mark.parametrize("tolerances", [1.0, (), (-1.0,), (float("nan"),), (1.0, float("inf")), ("a",)])
def test_tolerances_that_make_no_sense_are_refused(tolerances):
    mask = np.ones((2, 2, 2), bool)
    with pytest.raises(InputError, match="tolerances_mm: .* makes no sense; give a list"):
        score(mask, mask, (1.0, 1.0, 1.0), tolerances)
