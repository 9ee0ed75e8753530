"""How many iterations may be left out."""

import pytest
import torch

from training.run.skips import MOST_IN_A_ROW, MOST_IN_A_ROW_SCALED, MOST_IN_WINDOW, is_usual, skip, too_many
from training.run.state import fresh_state

NAN, INF = float("nan"), float("inf")


@pytest.fixture
def state(tiny_plan):
    return fresh_state(tiny_plan, torch.device("cpu"))


def run(state, bad, iterations=300, loss=1.0):
    """The iteration at which a run whose gradients are spoilt where bad(k) ends, and the words; or None."""
    for state.iteration in range(iterations):
        if skip(state, loss, NAN if bad(state.iteration) else 1.0) and (words := too_many(state)):
            return state.iteration, words
    return None


def test_numbers_are_not_left_out(state):
    assert skip(state, 1.0, 5.0) is None and not state.skipped
    assert [skip(state, loss, norm) for loss, norm in ((1.0, INF), (NAN, NAN))] == ["gradient", "loss"]


def test_many_in_a_row_are_too_many(state):
    at, words = run(state, lambda k: k >= 50)
    assert at == 50 + MOST_IN_A_ROW and words == "6 iterations in a row left out (loss 0, gradient 6)"


def test_a_large_share_is_too_many(state):
    assert run(state, lambda k: k % 5 == 0) is None
    state.skipped.clear()
    at, words = run(state, lambda k: k > 100 and k % 3 == 0, loss=NAN)
    assert at == 102 + 3 * MOST_IN_WINDOW and "26 iterations of the last 100" in words and "loss 26" in words


def test_with_scaled_losses_more_is_borne(state):
    state.scaler = torch.amp.GradScaler("cpu", enabled=True)
    assert is_usual(state, "gradient") and not is_usual(state, "loss")
    assert run(state, lambda k: k < MOST_IN_A_ROW_SCALED) is None
    state.skipped.clear()
    assert run(state, lambda k: k >= 0)[0] == MOST_IN_A_ROW_SCALED
