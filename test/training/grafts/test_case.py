"""Training cases made of a real patient."""

from dataclasses import replace

import numpy as np

from training.grafts.case import _shorten, as_it_is, as_pair, core, with_tumours
from training.grafts.pair import Scans


def test_the_ct_as_it_is_counts_outside_the_high_dose_and_in_its_core(patient):
    scans, ignored = as_it_is(patient)
    assert scans.ct is scans.ce is patient.hu
    assert np.array_equal(ignored, patient.high_dose)
    assert np.array_equal(scans.label == 1, core(patient)) and core(patient).any()
    assert not (core(patient) & ~patient.high_dose).any()
    elsewhere, _ = as_it_is(replace(patient, nasopharynx_level=False))
    assert not elsewhere.label.any()


def test_a_pair_without_tumours_counts_the_same(patient):
    (scans, ignored), (known, _) = as_pair(patient, np.random.default_rng(1)), as_it_is(patient)
    assert np.array_equal(scans.label, known.label) and np.array_equal(ignored, patient.high_dose)


def test_with_tumours_the_rest_of_the_high_dose_is_not_counted(patient):
    labels, patient = set(), replace(patient, nasopharynx_level=False)
    for seed in range(6):
        scans, ignored = with_tumours(patient, np.random.default_rng(seed))
        labels |= set(np.unique(scans.label))
        assert not (ignored & (scans.label > 0)).any() and not (ignored & ~patient.high_dose).any()
        assert scans.ct.shape == scans.ce.shape == scans.label.shape
    assert labels == {0, 1, 2}


def test_where_the_high_dose_takes_in_the_nasopharynx_no_primary_is_set_in(patient):
    for seed in range(4):
        scans, _ = with_tumours(patient, np.random.default_rng(seed))
        assert not (scans.label == 1).any()
    elsewhere = replace(patient, nasopharynx_level=False)
    found = [with_tumours(elsewhere, np.random.default_rng(seed))[0].label for seed in range(4)]
    assert any((label == 1)[~core(patient)].any() for label in found)


def test_the_same_seed_gives_the_same_case(patient):
    one, other = (with_tumours(patient, np.random.default_rng(5))[0] for _ in range(2))
    assert np.array_equal(one.ct, other.ct) and np.array_equal(one.label, other.label)


def test_without_a_place_there_is_no_case(patient):
    for maker in (with_tumours, as_pair):
        assert maker(replace(patient, brainstem_zyx=None), np.random.default_rng(0)) is None


def test_a_shorter_image_has_nothing_in_the_slices_that_are_gone(patient):
    for seed in range(4):
        scans, ignored = as_it_is(patient)
        scans = replace(scans, ct=scans.ct.copy(), ce=scans.ce.copy())
        _shorten(scans, ignored := ignored.copy(), patient, np.random.default_rng(seed))
        gone = (scans.ct == -1000).all((1, 2))
        assert not scans.label[gone].any() and not ignored[gone].any() and (~gone).sum() * 5.0 >= 120


def test_an_image_is_not_shortened_to_what_shows_nothing_to_learn(patient):
    told = np.zeros(patient.hu.shape, bool)
    told[-1] = True  # lost with the smallest part of the upper end
    for seed in range(12):
        hu = patient.hu
        scans = Scans(hu.copy(), hu.copy(), np.zeros(hu.shape, np.uint8))
        _shorten(scans, ignored := told.copy(), patient, np.random.default_rng(seed))
        assert ignored.any()
