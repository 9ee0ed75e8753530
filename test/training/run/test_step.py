"""One iteration changes the weights, or nothing where it would spoil them; the device is waited for once."""

from dataclasses import replace

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import training.run.state
import training.run.step
from training.run.state import fresh_state
from training.run.step import step

CPU = torch.device("cpu")
READS = (
    torch.ops.aten._local_scalar_dense.default,
    torch.ops.aten.equal.default,
    torch.ops.aten.nonzero.default,
)


class CountReads(TorchDispatchMode):
    """Counts what would make the host wait for a GPU: a number taken out of a tensor, sizes that depend on values."""

    reads = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func in READS:
            self.reads += 1
        return func(*args, **kwargs or {})


def batch_of(plan):
    images = torch.randn(1, 2, *plan.data.patch_zyx, generator=torch.Generator().manual_seed(0))
    return images, (images[:, 0] > 1).long()


def reads_in_a_step(plan, state, monkeypatch) -> int:
    lists, tolist = [], torch.Tensor.tolist
    # On a GPU it looks at no value.
    one_hot = lambda target, classes: (target[..., None] == torch.arange(classes)).long()  # noqa: E731
    monkeypatch.setattr(torch.nn.functional, "one_hot", one_hot)
    monkeypatch.setattr(torch.Tensor, "tolist", lambda tensor: lists.append(1) or tolist(tensor))
    with CountReads() as counted:
        step(plan, state, state.network, batch_of(plan), 0.0)
    return len(lists) + counted.reads


def test_a_step_lowers_the_loss_of_its_batch(tiny_plan, weights_of):
    state = fresh_state(tiny_plan, CPU)
    state.iteration = 60  # past the warm-up
    losses = [step(tiny_plan, state, state.network, batch_of(tiny_plan), 0.0) for _ in range(12)]
    assert losses[-1] < losses[0]
    assert state.optimiser.param_groups[0]["lr"] == tiny_plan.learning_rate


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_a_loss_that_is_no_number_changes_nothing(tiny_plan, weights_of, monkeypatch, dtype):
    for module in (training.run.state, training.run.step):
        monkeypatch.setattr(module, "training_dtype", lambda device: dtype)
    state = fresh_state(tiny_plan, CPU)
    before = weights_of(state)
    loss_of = training.run.step.deep_supervision_loss
    monkeypatch.setattr(
        training.run.step, "deep_supervision_loss", lambda *given: loss_of(*given) * float("nan")
    )
    for _ in range(2):
        loss = step(tiny_plan, state, state.network, batch_of(tiny_plan), 0.0)
        assert loss != loss
        assert torch.equal(weights_of(state), before)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_the_device_is_waited_for_once(tiny_plan, monkeypatch, dtype):
    """On the CPU, in the place of a GPU; SGD, as AdamW reads its step count, which lies on the host."""
    for module in (training.run.state, training.run.step):
        monkeypatch.setattr(module, "training_dtype", lambda device: dtype)
    plan = replace(tiny_plan, optimiser="sgd")
    state = fresh_state(plan, CPU)
    assert state.scaler.is_enabled() == (dtype == torch.float16)
    before = [p.clone() for p in state.network.parameters()]
    assert reads_in_a_step(plan, state, monkeypatch) == 1
    assert any((p != b).any() for p, b in zip(state.network.parameters(), before, strict=True))
