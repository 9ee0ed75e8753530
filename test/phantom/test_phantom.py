"""The phantoms as a whole: what the two scans and the two masks must have in common."""

import numpy as np
import pytest
from scipy import ndimage

from phantom import Phantom, make_phantom
from phantom.acquisition import BACKGROUNDS, Contrast

CASES = 10
MUSCLE_HU, AIR_HU = 54, -500


def _phantom(case: int) -> Phantom:
    return make_phantom(2, case, "small", Contrast())


@pytest.fixture(scope="session")
def phantoms() -> list[Phantom]:
    return [_phantom(case) for case in range(CASES)]


def _smoothed(scan: np.ndarray) -> np.ndarray:
    return ndimage.gaussian_filter(scan.clip(-1000, 400).astype(np.float32), 1)


def _closed(layer: np.ndarray) -> np.ndarray:
    """A slice of the body with its airway; the wide closing bridges the nostrils."""
    padded = np.pad(layer, 12)
    return ndimage.binary_fill_holes(ndimage.binary_closing(padded, iterations=8))[12:-12, 12:-12]


def test_same_seed_gives_same_phantom(phantoms: list[Phantom]) -> None:
    again = _phantom(0)
    for name in ("ct", "ce", "gtvp", "gtvnd"):
        np.testing.assert_array_equal(getattr(again, name), getattr(phantoms[0], name))
    assert (again.spacing_xyz, again.origin_xyz) == (phantoms[0].spacing_xyz, phantoms[0].origin_xyz)


def test_cases_differ_in_anatomy_grid_and_origin(phantoms: list[Phantom]) -> None:
    assert len({phantom.spacing_xyz for phantom in phantoms}) == CASES
    assert len({phantom.origin_xyz for phantom in phantoms}) == CASES
    assert len({int(phantom.gtvp.sum()) for phantom in phantoms}) == CASES


def test_small_geometry_covers_a_head_and_neck(phantoms: list[Phantom]) -> None:
    for phantom in phantoms:
        z, y, x = phantom.ct.shape
        assert y == x and 240 <= x <= 272 and 260 <= z * phantom.spacing_xyz[2] <= 412
        assert 1.7 <= phantom.spacing_xyz[0] <= 2.3 and 3 <= phantom.spacing_xyz[2] <= 5.5


def test_arrays_agree_in_shape_and_have_the_promised_types(phantoms: list[Phantom]) -> None:
    for phantom in phantoms:
        assert phantom.ct.shape == phantom.ce.shape == phantom.gtvp.shape == phantom.gtvnd.shape
        assert phantom.ct.dtype == phantom.ce.dtype == np.int16
        assert phantom.gtvp.dtype == phantom.gtvnd.dtype == np.uint8


def test_masks_are_disjoint_and_the_primary_is_never_empty(phantoms: list[Phantom]) -> None:
    for phantom in phantoms:
        assert not (phantom.gtvp & phantom.gtvnd).any()
        volume_cm3 = phantom.gtvp.sum() * np.prod(phantom.spacing_xyz) / 1000
        assert 1 < volume_cm3 < 120


def test_masks_hold_tissue_not_air(phantoms: list[Phantom]) -> None:
    for phantom in phantoms:
        for mask in (phantom.gtvp, phantom.gtvnd):
            if mask.any():
                assert np.mean(phantom.ct[mask > 0] < AIR_HU) < 0.01


def test_each_structure_lies_inside_the_body(phantoms: list[Phantom]) -> None:
    for phantom in phantoms:
        tissue = ndimage.binary_opening(phantom.ct > -300, iterations=2)
        pieces, _ = ndimage.label(tissue)
        body = pieces == np.bincount(pieces[pieces > 0]).argmax()
        filled = np.array([_closed(layer) for layer in body])
        for mask in (phantom.gtvp, phantom.gtvnd):
            assert not (mask.astype(bool) & ~filled).any()


def test_primary_is_as_dense_as_muscle_without_contrast(phantoms: list[Phantom]) -> None:
    densities = []
    for phantom in phantoms:
        core = ndimage.binary_erosion(phantom.gtvp)
        densities.append(np.median(phantom.ct[core]))
    assert abs(np.mean(densities) - MUSCLE_HU) < 10


def test_lesions_enhance_more_than_their_surroundings(phantoms: list[Phantom]) -> None:
    for phantom in phantoms:
        gain = _smoothed(phantom.ce) - _smoothed(phantom.ct)
        lesion = (phantom.gtvp | phantom.gtvnd) > 0
        near = ndimage.binary_dilation(lesion, iterations=6) & ~ndimage.binary_dilation(lesion, iterations=2)
        soft = near & (np.abs(_smoothed(phantom.ct) - MUSCLE_HU) < 40)
        assert np.median(gain[phantom.gtvp > 0]) > np.median(gain[soft]) + 5


def test_vessels_show_only_with_contrast(phantoms: list[Phantom]) -> None:
    for phantom in phantoms:
        gain = _smoothed(phantom.ce) - _smoothed(phantom.ct)
        vessels = (gain > 60) & (phantom.ct < 300)
        assert vessels.sum() * np.prod(phantom.spacing_xyz) / 1000 > 5
        assert np.median(phantom.ct[vessels]) < 110
        assert np.percentile(gain, 0.01) > -60


def test_phase_and_registration_of_the_contrast_scan_change_nothing_else() -> None:
    """Missing contrast: both scans alike. A shift: the contrast scan is the other's, moved by that much."""
    usual = _phantom(1)
    missing = make_phantom(2, 1, "small", Contrast(0, 0, 0))
    shift_mm = 2 * usual.spacing_xyz[0]
    moved = make_phantom(2, 1, "small", Contrast(shift_mm=(0, 0, shift_mm)))
    for other in (missing, moved):
        np.testing.assert_array_equal(other.gtvp, usual.gtvp)
        np.testing.assert_array_equal(other.ct, usual.ct)
    assert np.abs(np.median((missing.ce - missing.ct)[usual.gtvp > 0])) < 15
    assert np.median((usual.ce - usual.ct)[usual.gtvp > 0]) > 20
    middle = (slice(20, -20), slice(60, -60), slice(60, -60))
    apart = [np.abs(np.roll(moved.ce, by, 2) - usual.ce.astype(int))[middle].mean() for by in (-2, 0, 2)]
    assert apart[0] < 0.8 * apart[1] and apart[1] < apart[2]


def test_noise_of_the_two_scans_is_independent(phantoms: list[Phantom]) -> None:
    for phantom in phantoms:
        layer = phantom.ct.shape[0] - 6
        brain = np.abs(_smoothed(phantom.ct[layer]) - 33) < 15
        # Anatomy cancels in the difference; shared noise would, too, and leave rounding (below 1 HU).
        difference = phantom.ce[layer].astype(float) - phantom.ct[layer]
        fine = difference - ndimage.gaussian_filter(difference, 3)
        assert fine[brain].std() > 4


def test_background_is_one_of_the_known_values_outside_the_circle(phantoms: list[Phantom]) -> None:
    seen = set()
    for phantom in phantoms:
        corners = phantom.ct[:, [0, 0, -1, -1], [0, -1, 0, -1]]
        if np.ptp(corners) == 0:
            seen.add(int(corners[0, 0]))
            np.testing.assert_array_equal(corners, phantom.ce[:, [0, 0, -1, -1], [0, -1, 0, -1]])
        else:
            assert corners.mean() < -900
    assert seen and seen <= set(BACKGROUNDS)


def test_some_patients_have_no_nodes_and_some_have_several(phantoms: list[Phantom]) -> None:
    counts = [ndimage.label(phantom.gtvnd)[1] for phantom in phantoms]
    assert min(counts) == 0 and max(counts) >= 2


def test_unknown_geometry_is_an_error() -> None:
    with pytest.raises(ValueError, match="unknown geometry 'tiny'; choose one of segrap, small"):
        make_phantom(0, 0, "tiny")


@pytest.mark.slow
def test_segrap_geometry_is_exactly_the_challenges() -> None:
    phantom = make_phantom(2, 0, "segrap")
    assert phantom.ct.shape == phantom.ce.shape == phantom.gtvp.shape == (127, 1024, 1024)
    assert phantom.spacing_xyz == (0.54, 0.54, 3.0)
    assert phantom.gtvp.any()
