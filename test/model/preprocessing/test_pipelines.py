"""Each pipeline by its name, and what differs between them."""

import pytest
import torch

from model.network.bundle import PIPELINE_NAMES, Bundle, Normalisation
from model.network.plan import NetworkPlan
from model.preprocessing.pipelines import PIPELINES

PLAN = NetworkPlan(2, 3, (4, 8), ((1, 3, 3), (3, 3, 3)), ((1, 1, 1), (1, 2, 2)), (1, 1), (1,))


def bundle_of(pipeline: str) -> Bundle:
    scheme = Normalisation(-1024, 3071, 0, 1)
    return Bundle(PLAN, (4, 16, 16), (3.0, 2.0, 2.0), (scheme, scheme), (), {}, (), pipeline)


def test_every_name_that_weights_may_have_is_a_pipeline():
    assert tuple(PIPELINES) == PIPELINE_NAMES


def test_window_weights_and_averages_are_nnunets_where_its_weights_expect_them():
    assert [name for name, pipeline in PIPELINES.items() if pipeline.half_weights] == ["nnunet-v2"]
    assert [name for name, pipeline in PIPELINES.items() if pipeline.average_probabilities] == ["nnunet-v1"]


@pytest.mark.parametrize("name", PIPELINES)
def test_a_region_is_sampled_in_the_part_that_is_asked_for(pair_of, scan, name):
    """gtvseg's grid is the body's box, nnU-Net's the whole scan with the body in it."""
    pair, pipeline, bundle = pair_of(scan(-1000)), PIPELINES[name], bundle_of(name)
    region, reach = pipeline.find_region(pair, bundle)
    whole = tuple(slice(0, n) for n in region.network_shape)
    assert (reach == whole) == (name == "gtvseg")
    assert (region.box == tuple(slice(0, n) for n in pair.ct.shape)) == (name != "gtvseg")
    everything = pipeline.sample(pair, bundle, region, whole)
    part = (slice(1, 4), slice(2, 20), slice(3, 30))
    torch.testing.assert_close(
        pipeline.sample(pair, bundle, region, part), everything[(slice(None), *part)], atol=1e-2, rtol=0
    )


@pytest.mark.parametrize("name", PIPELINES)
def test_a_scan_without_a_body_has_no_region(pair_of, scan, name):
    empty = scan(-1000)
    empty[...] = -1000
    assert PIPELINES[name].find_region(pair_of(empty), bundle_of(name)) is None
