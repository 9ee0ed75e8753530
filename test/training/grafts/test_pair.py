"""Pairs made of one CT."""

import numpy as np
import pytest
from scipy import ndimage

from phantom.drawing.canvas import Kind
from training.grafts.pair import (
    BRIGHTER_HU,
    DEAD_SHARE,
    NOISE_HU,
    RIM_MM,
    dead_core,
    made_pair,
    moved,
    noise_like,
    paint,
    repainted,
    soft_hu,
    with_contrast,
    with_noise,
    without_contrast,
)
from training.grafts.patient import kinds
from training.grafts.tumours import Field


def test_contrast_is_taken_from_vessels_and_little_else(patient):
    kind = kinds(patient)
    plain = without_contrast(patient, patient.hu, kind, np.random.default_rng(0))
    vessel = patient.hu == 180
    assert np.median(plain[vessel]) < 90
    change = np.abs(plain - patient.hu)
    assert change[patient.hu == 600].max() == 0 and change[~vessel].max() < 60


def test_contrast_is_added_to_soft_tissue_and_vessels_alone(patient):
    kind = kinds(patient)
    added = with_contrast(patient, patient.hu, kind, np.random.default_rng(0)) - patient.hu
    assert added.min() >= -1e-3 and added.max() > 50
    assert not added[kind == 0].any() and not added[patient.hu == 600].any()


def test_repainting_keeps_outside_and_order_of_tissues(patient):
    kind = kinds(patient)
    hu = repainted(patient, kind, np.random.default_rng(2))
    fat, soft, bone = (np.median(hu[patient.hu == value]) for value in (-100, 50, 600))
    air = hu[(kind == 0) & (patient.hu == -1000)]
    assert fat < soft < bone and np.abs(air + 1000).max() < 60


def test_the_pair_of_each_mode_is_one_grid_and_close_to_the_ct(patient):
    kind = kinds(patient)
    for seed in range(4):
        ct, ce = made_pair(patient, kind, repaint=False, rng=np.random.default_rng(seed))
        # Noise comes at most on top, in both.
        assert (np.abs(ct - patient.hu).mean() < 20) and (np.abs(ce - patient.hu).mean() < 20)
        assert (ce - ct).mean() > -0.1


@pytest.mark.parametrize("same", [True, False])
def test_tumours_are_painted_where_the_label_map_says(patient, same):
    ct, ce = patient.hu.copy(), patient.hu + np.float32(0 if same else 1)
    distance = np.full(ct.shape, 30, np.float32)
    distance[20:24, 20:24, 10:14] = -20
    node = Field(distance, np.zeros_like(distance))
    primary = Field(np.roll(distance, 2, 2), node.relief)
    scans = paint(ct, ce, primary, [node], 4.0, np.random.default_rng(0))
    assert (scans.label == 1).sum() == 64 and (scans.label == 2).sum() == 32
    changed = scans.ce != (patient.hu if same else patient.hu + 1)
    assert changed[scans.label > 0].mean() > 0.95 and not changed[scans.label == 0].any()
    assert np.array_equal(scans.ct, scans.ce) is same
    if not same:
        assert (scans.ce - scans.ct)[scans.label > 0].mean() > 5


@pytest.mark.parametrize("same", [True, False])
def test_tumours_are_brighter_than_the_tissue_around_them(same):
    z, y, x = np.meshgrid(*[np.arange(40.0)] * 3, indexing="ij")
    distance = np.sqrt((z - 20) ** 2 + (y - 20) ** 2 + (x - 12) ** 2).astype(np.float32) - 6
    field = Field(distance, np.zeros_like(distance))
    ct = np.where(x < 26, np.float32(40), np.float32(80))
    ce = ct.copy() if same else np.where(x < 26, np.float32(60), np.float32(100))
    around = 40 if same else 60
    assert soft_hu(ce, field) == around
    for seed in range(5):
        scans = paint(ct.copy(), ce.copy(), None, [field], 1.0, np.random.default_rng(seed))
        middle = scans.ce[(distance < -1) & (distance > -2.5)].mean()  # outside what may be dead
        assert BRIGHTER_HU[0] <= middle - around <= BRIGHTER_HU[1]
        assert same or abs(scans.ct[(distance < -1) & (distance > -2.5)].mean() - 40) < 25


@pytest.mark.parametrize("grain", [0.4, 0.8])
def test_noise_is_as_strong_and_as_coarse_as_in_soft_tissue(grain):
    rng = np.random.default_rng(0)
    image = 9 * ndimage.gaussian_filter(rng.standard_normal((20, 60, 60)), (0, grain, grain))
    image = (50 + image).astype(np.float32)
    image[:, :, 30:] = -100  # an edge is no noise
    noise, there = noise_like(image, rng), image[:, :, :25]
    assert noise.std() == pytest.approx(there.std(), rel=0.2)
    assert np.diff(noise).std() == pytest.approx(np.diff(there).std(), rel=0.2)
    assert not noise_like(np.full_like(image, 50), rng).any()


def test_noise_is_added_inside_the_patient(patient):
    kind, noisy = kinds(patient), patient.hu.copy()
    with_noise((noisy,), kind, np.random.default_rng(0))
    added = noisy - patient.hu
    assert not added[kind == Kind.OUTSIDE].any()
    assert NOISE_HU[0] * 0.9 < added[kind == Kind.SOFT].std() < NOISE_HU[1] * 1.1


def test_what_is_moved_is_nearly_the_same(patient):
    off = moved(patient.hu, patient.spacing_zyx, np.random.default_rng(0))
    assert 0 < np.abs(off - patient.hu).mean() < 50


@pytest.mark.parametrize("radius_mm", [2.0, 8.0, 25.0])
def test_a_dead_core_is_a_part_of_the_tumour_under_a_living_rim(radius_mm):
    z, y, x = (axis.astype(np.float32) for axis in np.mgrid[-30:31, -30:31, -30:31])
    ball = Field(np.sqrt(z * z + y * y + x * x) - np.float32(radius_mm), np.zeros((61,) * 3, np.float32))
    for seed in range(5):
        core = dead_core(ball, 1.0, np.random.default_rng(seed))
        share = core.sum() / np.count_nonzero(ball.distance < 0)
        assert share < DEAD_SHARE[1] + 0.05 and (share > 0.03) == (radius_mm > 4)
        assert not core[ball.distance > -RIM_MM + 0.51].any()
