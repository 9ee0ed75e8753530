"""Pairs made of one CT."""

import numpy as np
import pytest

from training.grafts.pair import (
    BRIGHTER_HU,
    like_noise_of,
    made_pair,
    moved,
    paint,
    repainted,
    soft_hu,
    with_contrast,
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
        assert np.array_equal(ct, patient.hu) or np.array_equal(ce, patient.hu)
        assert (ce >= ct - 1e-3).all()


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


def test_noise_is_as_strong_as_in_the_image():
    rng = np.random.default_rng(0)
    image = (50 + 12 * rng.standard_normal((20, 40, 40))).astype(np.float32)
    noise = like_noise_of(image, rng)
    assert noise.std() == pytest.approx(12, rel=0.15)
    assert like_noise_of(np.full_like(image, 50), rng).std() == 0


def test_what_is_moved_is_nearly_the_same(patient):
    off = moved(patient.hu, patient.spacing_zyx, np.random.default_rng(0))
    assert 0 < np.abs(off - patient.hu).mean() < 50
