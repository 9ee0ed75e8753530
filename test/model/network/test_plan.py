"""Networks as plain values."""

import pytest

from model.network.plan import NetworkPlan, as_lists, as_tuples, triple


def test_sides_must_be_multiples_of_all_strides_together():
    strides = ((1, 1, 1), (1, 2, 2), (2, 2, 2))
    plan = NetworkPlan(2, 3, (4, 8, 8), ((3, 3, 3),) * 3, strides, (2,) * 3, (2,) * 2)
    assert plan.total_stride_zyx == (2, 4, 4)


@pytest.mark.parametrize(
    "change",
    [
        {"kernels": ((3, 3, 3),)},
        {"decoder_convs": (2, 2)},
        {"features": (4,)},
        {"decoder_kernels": ((3, 3, 3),) * 2},
    ],
)
def test_stages_that_do_not_fit_are_refused(change):
    plan = {
        "in_channels": 2, "num_classes": 3, "features": (4, 8), "kernels": ((3, 3, 3),) * 2,
        "strides": ((1, 1, 1), (2, 2, 2)), "encoder_convs": (2, 2), "decoder_convs": (2,),
    }  # fmt: skip
    NetworkPlan(**plan)
    with pytest.raises(ValueError, match="stages"):
        NetworkPlan(**(plan | change))


@pytest.mark.parametrize(
    "change",
    [
        {"features": (4, 0)}, {"features": (4, 10**9)}, {"features": (4, True)}, {"features": (4, 8.0)},
        {"features": (4, "8")}, {"features": (4, -8)}, {"in_channels": 0}, {"num_classes": None},
        {"kernels": ((3, 3, 3), (3, 2, 3))}, {"kernels": ((3, 3, 3), (3, 3, 99))}, {"kernels": ((3, 3, 3), (3, 3))},
        {"strides": ((1, 1, 1), (0, 2, 2))}, {"strides": ((1, 1, 1), (2, 2, -2))}, {"strides": ((1, 1, 1),
        (2, 2, 10**6))},
        {"encoder_convs": (2, 0)}, {"encoder_convs": (2, 10**9)}, {"decoder_convs": (None,)},
        {"decoder_kernels": ((3, 3, 4),)}, {"residual": 1}, {"residual": "no"},
    ],
    ids=str,
)  # fmt: skip
def test_values_that_no_network_has_are_refused(change):
    plan = {
        "in_channels": 2, "num_classes": 3, "features": (4, 8), "kernels": ((3, 3, 3),) * 2,
        "strides": ((1, 1, 1), (2, 2, 2)), "encoder_convs": (2, 2), "decoder_convs": (2,),
    }  # fmt: skip
    with pytest.raises((ValueError, TypeError)):
        NetworkPlan(**(plan | change))
    with pytest.raises(ValueError, match="stages"):
        NetworkPlan(2, 3, (1,) * 40, ((1, 1, 1),) * 40, ((1, 1, 1),) * 40, (1,) * 40, (1,) * 39)


def test_tuples_are_stored_as_lists_and_come_back():
    value = (1, ((2, 3), "x"), ())
    assert as_lists(value) == [1, [[2, 3], "x"], []] and as_tuples(as_lists(value)) == value


def test_a_triple_is_three_whole_numbers():
    assert triple([1.0, 2, 3]) == (1, 2, 3)
    for wrong in ([1, 2], [1, 2, 3, 4], [1, 2, 2.5], [1, 2, "3"], "123", [1, 2, True], [1, 2, float("inf")]):
        with pytest.raises(ValueError):
            triple(wrong)
