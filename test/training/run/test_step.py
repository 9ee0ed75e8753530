"""One iteration changes the weights, or nothing where it would spoil them."""

import torch

import training.run.step
from training.run.state import fresh_state
from training.run.step import step


def test_a_step_lowers_the_loss_of_its_batch(tiny_plan, weights_of):
    state = fresh_state(tiny_plan, torch.device("cpu"))
    state.iteration = 60  # past the warm-up
    images = torch.randn(1, 2, *tiny_plan.data.patch_zyx, generator=torch.Generator().manual_seed(0))
    batch = (images, (images[:, 0] > 1).long())
    losses = [step(tiny_plan, state, state.network, batch, 0.0) for _ in range(12)]
    assert losses[-1] < losses[0]
    assert state.optimiser.param_groups[0]["lr"] == tiny_plan.learning_rate


def test_a_loss_that_is_no_number_changes_nothing(tiny_plan, weights_of, monkeypatch):
    state = fresh_state(tiny_plan, torch.device("cpu"))
    before = weights_of(state)
    monkeypatch.setattr(training.run.step, "deep_supervision_loss", lambda *given: torch.tensor(float("nan")))
    images = torch.randn(1, 2, *tiny_plan.data.patch_zyx)
    assert step(tiny_plan, state, state.network, (images, torch.zeros(images.shape[::2])), 0.0) != 0
    assert torch.equal(weights_of(state), before)
