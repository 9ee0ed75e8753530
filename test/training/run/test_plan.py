"""What a run does, as plain values."""

import json
from dataclasses import replace

import pytest

from training.data.patches import Sampling
from training.run.loss import LossPlan
from training.run.plan import POWER, WARM_UP, WARM_UP_SHARE


def test_a_run_is_done_by_iterations_or_by_minutes(tiny_plan):
    assert replace(tiny_plan, iterations=40).share_done(10, 99.0) == 0.25
    assert replace(tiny_plan, iterations=None, minutes=2.0).share_done(10, 30.0) == 0.25


def test_the_learning_rate_rises_shortly_and_falls_polynomially(tiny_plan):
    assert tiny_plan.learning_rate_at(0, 0.0) == pytest.approx(tiny_plan.learning_rate / WARM_UP)
    short = tiny_plan.learning_rate_at(3, WARM_UP_SHARE)  # of 80 iterations: four of them
    assert short == pytest.approx(tiny_plan.learning_rate * (1 - WARM_UP_SHARE) ** POWER)
    half = tiny_plan.learning_rate_at(WARM_UP, 0.5)
    assert half == pytest.approx(tiny_plan.learning_rate * 0.5**POWER)
    assert tiny_plan.learning_rate_at(1000, 1.1) == 0


def test_what_must_be_the_same_to_go_on_is_plain_values(tiny_plan):
    assert json.loads(json.dumps(tiny_plan.identity)) == json.loads(
        json.dumps(replace(tiny_plan, iterations=3).identity)
    )
    longer = replace(tiny_plan, iterations=99, learning_rate=0.5)
    assert longer.identity == tiny_plan.identity


def test_another_fold_is_another_run(tiny_plan):
    """Also one that trains on the same cases, as splits of one's own may have it."""
    one = replace(tiny_plan, names=("a", "b"), held_out=("c",))
    assert one.identity != replace(one, held_out=("d",)).identity
    assert one.identity != replace(one, names=("a", "d")).identity


def test_what_an_older_version_did_not_save_was_as_the_default_is(tiny_plan):
    saved = tiny_plan.identity
    del saved["loss"]["lower_target"], saved["recipe"][0]["no_contrast"]
    assert tiny_plan.differs_in(saved) is None
    assert replace(tiny_plan, loss=LossPlan(lower_target="any")).differs_in(saved) == "loss"
    for what in saved:
        for other in (None, [1, 2], {"x": 1}):
            assert tiny_plan.differs_in(saved | {what: other}) == what


def test_late_patches_follow_from_the_iteration_alone(tiny_plan):
    late = replace(tiny_plan.data, batch=7)
    plan = replace(tiny_plan, iterations=1000, late=late, sampling=Sampling(late_share=0.1))
    assert [plan.data_at(k).batch for k in (-1, 0, 899, 900, 999, 1000)] == [1, 1, 1, 7, 7, 7]
    assert replace(plan, late=None).data_at(999) == plan.data
    assert replace(plan, iterations=2000).data_at(1799).batch == 1
