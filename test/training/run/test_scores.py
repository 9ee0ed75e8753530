"""Loss and DSC of validation patches."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import training.run.scores
from training.run.scores import AVERAGED, mean_dsc, patch_scores, validation_scores
from training.run.state import fresh_state

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def several_patches(monkeypatch):
    monkeypatch.setattr(training.run.scores, "VALIDATION_PATCHES", 8)


class Says(nn.Module):
    """Channel 0 is GTVp, channel 1 GTVnd, as in the tiny cases; or background everywhere. At two resolutions."""

    def __init__(self, nothing: bool, sure: float = 1.0) -> None:
        super().__init__()
        self.nothing, self.sure = nothing, sure

    def forward(self, x):
        background = torch.full_like(x[:, :1], 9.0 if self.nothing else 1.0)
        logits = self.sure * torch.cat((background, x), 1)
        return [logits, logits[:, :, ::2, ::2, ::2]]


def test_the_scores_of_one_who_knows_and_of_one_who_draws_nothing(tiny_plan, tiny_cases):
    knows = patch_scores(tiny_plan, Says(nothing=False, sure=20), tiny_cases, CPU, torch.float32)
    assert set(knows) == {"validation_loss", "dsc_GTVp", "dsc_GTVnd"}
    assert min(knows["dsc_GTVp"], knows["dsc_GTVnd"]) > 0.95 and mean_dsc(knows) > 0.95
    # the same patches each time
    assert patch_scores(tiny_plan, Says(nothing=False, sure=20), tiny_cases, CPU, torch.float32) == knows
    nothing = patch_scores(tiny_plan, Says(nothing=True), tiny_cases, CPU, torch.float32)
    assert mean_dsc(nothing) == 0 and nothing["validation_loss"] > knows["validation_loss"]


def test_the_loss_is_the_training_loss_of_such_batches(tiny_plan, tiny_cases):
    """Where all classes are equally likely: Dice of the shares of the classes, focal (1 - 1/3)^2 log 3."""
    case = replace(tiny_cases[0], image=np.zeros_like(tiny_cases[0].image))
    plan = replace(tiny_plan, data=replace(tiny_plan.data, patch_zyx=case.label.shape))
    loss = patch_scores(plan, Says(nothing=False, sure=0.0), [case], CPU, torch.float32)["validation_loss"]
    shares = np.bincount(case.label.ravel(), minlength=3) / case.label.size
    dice = np.mean(1 - (shares / 3) / (0.5 / 3 + 0.5 * shares))
    assert loss == pytest.approx(dice + (2 / 3) ** 2 * math.log(3), abs=2e-4)


def test_a_structure_that_is_nowhere_has_no_dsc(tiny_plan, tiny_cases):
    label = np.where(tiny_cases[0].label == 2, 0, tiny_cases[0].label)
    case = replace(tiny_cases[0], label=label, tumour=tiny_cases[0].tumour[:1])
    scores = patch_scores(tiny_plan, Says(nothing=False), [case], CPU, torch.float32)
    assert "dsc_GTVp" in scores and "dsc_GTVnd" not in scores
    empty = replace(case, label=label * 0, tumour=())
    assert mean_dsc(patch_scores(tiny_plan, Says(nothing=False), [empty], CPU, torch.float32)) is None


def test_both_weights_are_scored(tiny_plan, tiny_cases):
    state = fresh_state(tiny_plan, CPU)
    scores = validation_scores(tiny_plan, state, tiny_cases, CPU)
    assert scores["dsc_GTVp"] == scores[f"{AVERAGED}dsc_GTVp"] and scores["validation_seconds"] > 0
    with torch.no_grad():
        for parameter in state.averaged.parameters():
            parameter.zero_()
    scores = validation_scores(tiny_plan, state, tiny_cases, CPU)
    assert scores["validation_loss"] != scores[f"{AVERAGED}validation_loss"]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_validation_is_in_the_numbers_that_the_run_trains_in(tiny_plan, tiny_cases, dtype):
    """Whatever this processor would begin with: a run may have gone back to float32."""
    state, seen = fresh_state(tiny_plan, CPU), set()
    state.dtype = dtype
    for network in (state.network, state.averaged):
        network.register_forward_hook(lambda module, inputs, outputs: seen.add(outputs[0].dtype))
    validation_scores(tiny_plan, state, tiny_cases, CPU)
    assert seen == {dtype}
