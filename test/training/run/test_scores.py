"""DSC of validation patches."""

import torch
from torch import nn

from training.run.scores import patch_scores


class Says(nn.Module):
    """Channel 0 is GTVp, channel 1 GTVnd, as in the tiny cases; or background everywhere."""

    def __init__(self, nothing: bool) -> None:
        super().__init__()
        self.nothing = nothing

    def forward(self, x):
        background = torch.full_like(x[:, :1], 9.0 if self.nothing else 1.0)
        return torch.cat((background, x), 1)


def test_the_scores_of_one_who_knows_and_of_one_who_draws_nothing(tiny_plan, tiny_cases):
    cpu = torch.device("cpu")
    knows = patch_scores(tiny_plan, Says(nothing=False), tiny_cases, cpu)
    assert set(knows) == {"dsc_GTVp", "dsc_GTVnd"} and min(knows.values()) > 0.95
    assert (
        patch_scores(tiny_plan, Says(nothing=False), tiny_cases, cpu) == knows
    )  # the same patches each time
    assert set(patch_scores(tiny_plan, Says(nothing=True), tiny_cases, cpu).values()) == {0.0}
