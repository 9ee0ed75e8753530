"""The plan for SegRap's fingerprint is the published one or better; plans are consistent and may be overridden."""

import json
from dataclasses import replace
from math import prod

import pytest

from model.errors import InputError
from model.network.unet import UNet
from training.data.planning import Fingerprint, override, plan_for, read_plan, training_gb, write_plan

HU = ((-60.0, 130.0, 40.0, 25.0), (-40.0, 190.0, 75.0, 35.0))
SEGRAP = Fingerprint(120, (126, 1024, 1024), (3.0, 0.542, 0.542), HU)  # the 120 training cases' medians


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
