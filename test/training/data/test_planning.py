"""The plan for SegRap's fingerprint is the published one or better; plans are consistent and may be overridden."""

import json
from dataclasses import replace
from math import prod

import numpy as np
import pytest

from model.errors import InputError
from model.network.unet import UNet
from training.data.memory import training_gb
from training.data.planning import (
    Fingerprint,
    explained,
    fingerprint,
    override,
    plan_for,
    read_plan,
    spacing_by_rule,
    with_larger_patches,
    write_plan,
)
from training.data.survey import Survey

HU = ((-60.0, 130.0, 40.0, 25.0), (-40.0, 190.0, 75.0, 35.0))
# The 120 training cases' medians, bodies taken to fill the images.
IMAGE_MM = (126 * 3.0, 1024 * 0.542, 1024 * 0.542)
SEGRAP = Fingerprint(120, (3.0, 0.542, 0.542), "the median", IMAGE_MM, IMAGE_MM, HU)


def test_segrap_gets_the_published_plan_or_better():
    """nnU-Net's published plan: 28 x 256 x 256, two in-plane poolings first, kernels likewise, base 32, batch 2."""
    plan = plan_for(SEGRAP, memory_gb=11)
    assert plan.spacing_zyx == (3.0, 0.542, 0.542)
    assert (
        prod(plan.patch_zyx) >= 28 * 256 * 256
        and plan.patch_zyx[1:] == (256, 256)
        and plan.patch_zyx[0] >= 28
    )
    assert plan.kernels == ((1, 3, 3),) * 2 + ((3, 3, 3),) * 5
    assert plan.strides[:5] == ((1, 1, 1), (1, 2, 2), (1, 2, 2), (2, 2, 2), (2, 2, 2))
    assert plan.features == (32, 64, 128, 256, 320, 320, 320) and plan.batch == 2
    assert plan.normalisation[1].mean == 75.0 and plan.normalisation[1].upper == 190.0


@pytest.mark.parametrize("memory_gb", [2, 6, 24, 80])
@pytest.mark.parametrize("spacing", [None, (3.0, 1.0, 1.0), (1.0, 1.0, 1.0), (5.0, 0.4, 0.4)])
def test_plans_fit_memory_and_network(memory_gb, spacing):
    plan = plan_for(SEGRAP, memory_gb, spacing_zyx=spacing)
    assert training_gb(plan) <= memory_gb
    stride = plan.network.total_stride_zyx
    assert all(p % s == 0 and p // s >= 3 for p, s in zip(plan.patch_zyx, stride, strict=True))
    assert all(k in (1, 3) for kernel in plan.kernels for k in kernel)
    assert sum(p.numel() for p in UNet(plan.network).parameters()) > 1e6


def test_more_memory_never_gives_a_smaller_patch():
    sizes = [prod(plan_for(SEGRAP, gb).patch_zyx) for gb in (4, 8, 11, 16, 24, 48, 80)]
    assert sizes == sorted(sizes)


def test_larger_numbers_leave_room_for_a_smaller_patch():
    half, single = plan_for(SEGRAP, 11), plan_for(SEGRAP, 11, number_bytes=4)
    assert prod(single.patch_zyx) < prod(half.patch_zyx) and training_gb(single, 4) <= 11
    assert training_gb(half, 4) > 11


def test_too_little_memory_is_refused():
    with pytest.raises(InputError, match="0.001 GB"):
        plan_for(SEGRAP, 0.001)


def test_a_spacing_that_no_ct_has_is_refused():
    with pytest.raises(InputError, match="median spacing is 3000, 542, 542 mm"):
        plan_for(replace(SEGRAP, spacing_zyx=(3000.0, 542.0, 542.0)), 11)


def fingerprint_of(shape, spacings, body_share=(1.0, 1.0, 1.0)):
    """Of cases of one shape, with bodies that take a share of each axis."""
    body = tuple(round(n * share) for n, share in zip(shape, body_share, strict=True))
    hu = np.array([[-60, 40, 130], [-40, 75, 190]], np.int16)
    return fingerprint([Survey(f"{k}", shape, mm, (1.0, 1.0), hu, body) for k, mm in enumerate(spacings)])


THIN_AND_THICK = [(mm, 0.9, 0.9) for mm in (1.0, 1.0, 3.0, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0)]


@pytest.mark.parametrize(
    ("spacings", "shape", "spacing"),
    [
        (THIN_AND_THICK, (60, 512, 512), (1.0, 0.9, 0.9)),  # coarse and short: the 10th percentile
        (THIN_AND_THICK, (180, 512, 512), (5.0, 0.9, 0.9)),  # coarse, with many slices
        ([(2.5, 0.9, 0.9)] * 3 + [(1.0, 0.9, 0.9)], (60, 512, 512), (2.5, 0.9, 0.9)),  # not coarse
        (
            [(0.3, 0.9, 0.9)] * 2 + [(4.0, 0.9, 0.9)] * 3,
            (60, 512, 512),
            (0.9, 0.9, 0.9),
        ),  # no finer than y, x
        ([(0.9, 0.9, 5.0)] * 9 + [(0.9, 0.9, 1.0)] * 2, (512, 512, 60), (0.9, 0.9, 1.0)),  # whichever axis
    ],
)
def test_spacing_follows_nnunets_rule_where_thickness_is_mixed(spacings, shape, spacing):
    found, rule = spacing_by_rule(np.array(spacings), np.array([shape] * len(spacings)))
    assert found == pytest.approx(spacing)
    assert ("percentile" in rule) == (spacing != tuple(np.median(spacings, axis=0)))
    data = fingerprint_of(shape, spacings)
    assert data.spacing_zyx == found
    plan = plan_for(data, 6)
    assert explained(plan, data, 6, 2)[0].endswith(f": {rule}")
    plan = plan_for(data, 6, spacing_zyx=(3.0, 2.0, 2.0))
    assert "as --spacing says" in explained(plan, data, 6, 2)[0]


def test_the_patch_has_the_bodys_proportions_not_the_images():
    image = fingerprint_of((120, 400, 400), [(1.0, 1.0, 1.0)] * 50)
    thin = fingerprint_of((120, 400, 400), [(1.0, 1.0, 1.0)] * 50, (1.0, 0.4, 0.8))
    square, flat = plan_for(image, 8).patch_zyx, plan_for(thin, 8).patch_zyx
    assert square[1] == square[2] and 1.7 < flat[2] / flat[1] < 2.3
    assert flat[0] > square[0]  # what was spent on air


@pytest.mark.parametrize("spacing", [(3.0, 2.0, 2.0), (5.0, 4.0, 4.0), (9.0, 9.0, 9.0), (2.5, 3.9, 3.9)])
@pytest.mark.parametrize("memory_gb", [1.0, 4.0, 80.0])
def test_a_patch_is_no_larger_than_the_largest_body_and_never_two_deep(spacing, memory_gb):
    """At no stage: where an axis is two voxels deep, bfloat16 gradients may be wrong."""
    for shape in ((37, 61, 95), (31, 128, 127), (90, 63, 120), (14, 30, 30), (15, 15, 15)):
        data = fingerprint_of(shape, [spacing] * 40)
        plan = plan_for(data, memory_gb, base_features=16)
        assert all(p <= n for p, n in zip(plan.patch_zyx, shape, strict=True))
        assert all(p % s == 0 for p, s in zip(plan.patch_zyx, plan.network.total_stride_zyx, strict=True))
        left = np.array(plan.patch_zyx)
        for stride in plan.strides:
            left = left // stride
            assert (left >= 3).all()


def test_the_batch_takes_the_memory_that_the_body_leaves():
    """Up to a twentieth of the data set."""
    many, few = (fingerprint_of((40, 64, 64), [(5.0, 4.0, 4.0)] * count) for count in (400, 90))
    assert plan_for(many, 1.4).batch == 2
    grown = plan_for(many, 6.0)
    assert grown.patch_zyx == (40, 64, 64) and grown.batch > 2
    assert training_gb(grown) <= 6.0 < training_gb(replace(grown, batch=grown.batch + 1))
    assert plan_for(few, 80.0).batch == round(0.05 * 90)
    assert plan_for(fingerprint_of((40, 64, 64), [(5.0, 4.0, 4.0)] * 3), 80.0).batch == 2


def test_a_batch_of_one_is_the_last_resort_and_said():
    """A body for which there is one patch only."""
    data = fingerprint_of((8, 8, 8), [(5.0, 4.0, 4.0)] * 10)
    usual = plan_for(data, 11)
    two, one = training_gb(usual), training_gb(replace(usual, batch=1))
    assert usual.batch == 2 and plan_for(data, two).batch == 2
    assert "too small" not in " ".join(explained(usual, data, 11, 2))
    least = plan_for(data, (one + two) / 2)
    assert least.batch == 1 and "too small for 2" in " ".join(explained(least, data, two, 2))
    with pytest.raises(InputError, match="too little memory"):
        plan_for(data, 0.9 * one)


def test_a_grid_with_nothing_left_of_the_body_is_refused():
    with pytest.raises(InputError, match=r"median body is 4 x 4 x 4 voxels.*; give a finer --spacing"):
        plan_for(fingerprint_of((40, 60, 60), [(1.0, 1.0, 1.0)] * 10), 11, spacing_zyx=(20.0, 20.0, 20.0))


def test_residual_plans_have_nnunets_blocks_and_fit_too():
    plain, residual = plan_for(SEGRAP, 11), plan_for(SEGRAP, 11, residual=True)
    assert residual.network.encoder_convs == (1, 3, 4, 6, 6, 6, 6)[: len(residual.features)]
    assert set(residual.network.decoder_convs) == {1} and residual.network.residual
    assert training_gb(residual) <= 11 < training_gb(replace(plain, residual=True))


def test_plan_round_trip_and_override(tmp_path):
    plan = plan_for(SEGRAP, 11)
    write_plan(plan, tmp_path / "plan.json")
    assert read_plan(tmp_path / "plan.json") == plan
    (tmp_path / "mine.json").write_text(json.dumps({"batch": 4, "spacing_zyx": [3, 1, 1]}))
    changed = override(plan, tmp_path / "mine.json")
    assert (changed.batch, changed.spacing_zyx, changed.patch_zyx) == (4, (3, 1, 1), plan.patch_zyx)


@pytest.mark.parametrize(
    "content",
    [
        "{",
        '{"patches": 3}',
        '{"patch_zyx": [30, 256, 256]}',
        '{"features": [32]}',
        '{"normalisation": 3}',
        "3",
        "",
        "null",
        '{"batch": ' + "[" * 100_000,
        '{"batch": ' + "9" * 5000 + "}",
        '{"spacing_zyx": [1e999, 1, 1]}',
        '{"spacing_zyx": [NaN, 1, 1]}',
    ],
)
def test_nonsense_in_the_config_is_refused(tmp_path, content):
    (tmp_path / "mine.json").write_text(content)
    with pytest.raises(InputError, match=r"mine\.json"):
        override(plan_for(SEGRAP, 11), tmp_path / "mine.json")


@pytest.mark.parametrize("growth", [(1.0, 1.4, 1.4), (1.5, 1.0, 1.3), (2.0, 1.0, 1.0), (1.0, 1.0, 1.9)])
@pytest.mark.parametrize("memory_gb", [4, 11, 24])
def test_larger_patches_fit_network_cases_and_memory(memory_gb, growth):
    plan = plan_for(SEGRAP, memory_gb)
    largest = (140, 900, 900)
    larger = with_larger_patches(plan, growth, largest)
    assert replace(larger, patch_zyx=plan.patch_zyx, batch=plan.batch) == plan
    assert training_gb(larger) <= training_gb(plan) and prod(larger.patch_zyx) > prod(plan.patch_zyx)
    sides = zip(plan.patch_zyx, larger.patch_zyx, growth, largest, strict=True)
    assert all(side <= new <= max(side, min(side * factor, most)) for side, new, factor, most in sides)
    assert not any(p % s for p, s in zip(larger.patch_zyx, plan.network.total_stride_zyx, strict=True))
    bigger_batch = replace(larger, batch=larger.batch + 1)
    assert larger.batch == plan.batch or training_gb(bigger_batch) > training_gb(plan)


@pytest.mark.parametrize(
    ("growth", "largest", "words"),
    [
        ((1.0, 1.0, 1.0), (999, 999, 999), "cannot become larger"),
        ((1.0, 1.4, 1.4), (20, 100, 100), "cannot become larger"),
        ((2.0, 2.0, 2.0), (999, 999, 999), "takes .* GB, of"),
    ],
)
def test_patches_that_cannot_grow_are_refused(growth, largest, words):
    with pytest.raises(InputError, match=f"late_growth: .*{words}"):
        with_larger_patches(plan_for(SEGRAP, 11), growth, largest)


def test_larger_patches_may_take_the_memory_that_is_given():
    plan = replace(plan_for(SEGRAP, 4), batch=1)
    with pytest.raises(InputError, match="late_growth"):
        with_larger_patches(plan, (1.0, 1.4, 1.4), (999, 999, 999), 0.1)
    larger = with_larger_patches(plan, (1.0, 1.4, 1.4), (999, 999, 999), 24)
    assert training_gb(plan) < training_gb(larger) <= 24
