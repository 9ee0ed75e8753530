"""A plan that somebody wrote is checked value by value."""

import json
from dataclasses import asdict, replace

import pytest

from model.network.bundle import Normalisation
from training.data.plans import DataPlan, checked_plan

SCHEME = Normalisation(-200, 300, 30, 70)
PLAN = DataPlan(
    (3.0, 2.0, 2.0), (8, 8, 8), 1, (4, 8), ((3, 3, 3),) * 2, ((1, 1, 1), (2, 2, 2)), (SCHEME,) * 2
)
HU = {"lower": -200, "upper": 300, "mean": 30, "std": 70}


@pytest.fixture
def content():
    """The plan as plain values, as JSON gives them."""
    return json.loads(json.dumps(asdict(PLAN)))


def test_what_was_written_comes_back(content):
    assert checked_plan(content) == PLAN


def test_a_plan_without_the_kind_of_network_is_an_older_one(content):
    del content["residual"]
    assert checked_plan(content) == PLAN
    assert checked_plan(content | {"residual": True}).network.residual


def test_residual_networks_have_nnunets_blocks():
    """Seven stages, as for the largest patches."""
    plan = replace(
        PLAN,
        features=(4,) * 7,
        kernels=((3, 3, 3),) * 7,
        strides=((1, 1, 1),) + ((1, 1, 1),) * 6,
        residual=True,
    )
    assert plan.network.encoder_convs == (1, 3, 4, 6, 6, 6, 6) and plan.network.decoder_convs == (1,) * 6
    assert replace(plan, residual=False).network.encoder_convs == (2,) * 7


NONSENSE = {
    "residual": [1, 0, "true", None, []],
    "spacing_zyx": [[0, 1, 1], [-3, 1, 1], [float("nan"), 1, 1], [1e5, 1, 1], [1, 1], 3, "3,1,1", None, ["3", 1, 1]],
    "patch_zyx": [
        [0, 8, 8], [-8, 8, 8], [8, 8, 9], [8.0, 8, 8], [10**12, 8, 8], [4096, 4096, 4096], [2, 2, 2], [8, 8], {},
    ],
    "batch": [0, -1, 1.5, "2", True, None, 10**400, float("inf")],
    "features": [[32], [0, 8], [-4, 8], [4.5, 8], ["4", "8"], 32, [10**6, 8], [4, 8, 16], []],
    "kernels": [3, [[3, 3, 3]], [[2, 2, 2], [3, 3, 3]], [[0, 3, 3], [3, 3, 3]], [[99, 3, 3], [3, 3, 3]], [3, 3]],
    "strides": [[[1, 1, 1]], [[0, 1, 1], [2, 2, 2]], [[1, 1, 1], [2, -2, 2]], [[1, 1, 1], [1000, 1, 1]], None],
    "normalisation": [
        3, [], [HU], [HU] * 3, [HU | {"std": 0}] * 2, [HU | {"std": -1}] * 2, [HU | {"std": float("nan")}] * 2,
        [HU | {"lower": 400}] * 2, [HU | {"lower": 300}] * 2, [HU | {"mean": float("inf")}] * 2,
        [HU | {"scheme": "zscore"}] * 2,
        [HU | {"x": 1}] * 2, [{}] * 2, ["ct", "ct"], [HU | {"mean": None}] * 2,
    ],
    "patches": [3],
    "patch_zyx\n": [3],
}  # fmt: skip


@pytest.mark.parametrize(
    ("key", "value"), [(key, value) for key, values in NONSENSE.items() for value in values]
)
def test_nonsense_is_refused_and_named(content, key, value):
    with pytest.raises(ValueError, match=r".") as caught:
        checked_plan(content | {key: value})
    words = str(caught.value)
    assert key.strip() in words or "a plan of" in words
    assert len(words) < 200


def test_what_is_missing_is_named(content):
    del content["batch"]
    with pytest.raises(ValueError, match="batch is missing"):
        checked_plan(content)
