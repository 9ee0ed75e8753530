"""A network's tensors: whether they fit, and their fingerprint."""

import pytest
import torch

from model.network.plan import NetworkPlan
from model.network.states import check_states, fingerprint
from model.network.unet import UNet

PLAN = NetworkPlan(2, 3, (2, 3), ((1, 1, 1),) * 2, ((1, 1, 1), (1, 2, 2)), (1, 1), (1,))
NAME = "encoder.stages.0.0.convs.0.norm.weight"


def state(**changes) -> dict:
    return UNet(PLAN).state_dict() | {NAME: changes["tensor"]} if changes else UNet(PLAN).state_dict()


def with_value(value: float) -> torch.Tensor:
    return torch.tensor([1.0, value])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_weights_of_the_plan_fit(dtype):
    check_states(tuple({k: v.to(dtype) for k, v in state().items()} for _ in range(2)), PLAN)


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (with_value(float("nan")), "not finite"), (with_value(float("inf")), "not finite"),
        (with_value(-float("inf")).half(), "not finite"),
        (torch.ones(3), "size mismatch for encoder.*norm.weight"), (torch.ones(1, 2), "size mismatch"),
        (torch.tensor(1.0), "size mismatch"), (torch.ones(0), "size mismatch"),
        (torch.ones(2, dtype=torch.float64), "float64"), (torch.ones(2, dtype=torch.int32), "int32"),
        (torch.ones(2, dtype=torch.bool), "bool"), (torch.ones(2, dtype=torch.complex64), "complex64"),
        (torch.ones(2).to_sparse(), "no dense"), (torch.ones(2, device="meta"), "no dense"),
        (torch.ones(2, dtype=torch.float8_e4m3fn), "float8"),
        (torch.ones(1).expand(2), "view"), (torch.ones(4)[::2], "view"), (torch.ones(4)[:2], "view"),
        ([1.0, 1.0], "no dense"), (None, "no dense"), ("weights", "no dense"),
        (torch.nn.Parameter(torch.ones(2)), "no dense"),
    ],
)  # fmt: skip
def test_a_tensor_that_is_none_of_the_network_is_named(tensor, message):
    with pytest.raises(ValueError, match=message) as refused:
        check_states((state(tensor=tensor),), PLAN)
    assert NAME in str(refused.value)


def test_missing_unknown_and_shared_tensors_are_refused():
    whole, shared = state(), torch.ones(2)
    without = {name: tensor for name, tensor in whole.items() if name != NAME}
    twice = whole | {NAME: shared, NAME.replace("weight", "bias"): shared}
    for wrong in (without, whole | {"more": shared}, whole | {3: shared}, {}, [whole], None, twice):
        with pytest.raises(ValueError, match="missing or unknown|share"):
            check_states((wrong,), PLAN)
    with pytest.raises(ValueError, match="share"):
        check_states((whole, whole), PLAN)


def test_a_huge_network_takes_no_memory():
    huge = NetworkPlan(2, 3, (4096,) * 12, ((15, 15, 15),) * 12, ((1, 1, 1),) * 12, (32,) * 12, (32,) * 11)
    with pytest.raises(ValueError, match="missing"):
        check_states((state(),), huge)


def test_every_part_counts_in_the_fingerprint_and_the_order_of_names_does_not():
    values, tensors = {"a": [1, 2.0]}, {"x": torch.arange(4.0), "y": torch.zeros(2)}
    known = fingerprint(values, [tensors])
    assert known == fingerprint({"a": [1, 2.0]}, [{"y": torch.zeros(2), "x": torch.arange(4.0)}])
    assert len(known) == 64 and set(known) <= set("0123456789abcdef")
    others = [
        fingerprint({"a": [1, 2]}, [tensors]),
        fingerprint(values, [tensors, tensors]),
        fingerprint(values, [tensors | {"x": torch.tensor([0.0, 1, 2, 4])}]),
        fingerprint(values, [tensors | {"x": torch.arange(4.0).reshape(2, 2)}]),
        fingerprint(values, [tensors | {"y": -torch.zeros(2)}]),
        fingerprint(values, [tensors | {"y": torch.zeros(4, dtype=torch.float16)}]),
        fingerprint(values, [{"z" if name == "x" else name: tensor for name, tensor in tensors.items()}]),
        fingerprint(values, [tensors | {"s": torch.tensor(1.0)}]),
    ]
    assert len({known, *others}) == 9
