"""The weighted mean over windows."""

import torch

from model.inference.blend import BACKGROUND_LOGIT, Blend
from model.inference.windows import STEP, Windows, gaussian, window_corners
from model.network import placement

PATCH = (8, 16, 16)
CPU = torch.device("cpu")


def blend_over(*shape: int, of_probabilities: bool = False) -> tuple[Windows, Blend]:
    windows = Windows(shape, window_corners(shape, PATCH, STEP), gaussian(PATCH))
    return windows, Blend(windows, 3, CPU, of_probabilities=of_probabilities)


def test_windows_are_averaged_with_gaussian_weights():
    windows, blend = blend_over(8, 16, 24)
    outputs = torch.randn(2, 3, *PATCH)
    total, weights = torch.zeros(3, 8, 16, 24), torch.zeros(8, 16, 24)
    for corner, output in zip(windows.corners, outputs, strict=True):
        blend.add(corner, output, 1.0)
        x = corner[2]
        total[..., x : x + 16] += output * gaussian(PATCH)
        weights[..., x : x + 16] += gaussian(PATCH)
    torch.testing.assert_close(blend.mean(), total / weights)


def test_shares_of_a_window_add_up():
    _, blend = blend_over(*PATCH)
    one, other = torch.randn(2, 3, *PATCH)
    blend.add((0, 0, 0), one, 1.0)
    blend.add((0, 0, 0), one, -0.5)
    blend.add((0, 0, 0), other, 0.5)
    torch.testing.assert_close(blend.mean(), (one + other) / 2, atol=1e-4, rtol=0)


def test_what_no_window_saw_is_background():
    _, blend = blend_over(8, 16, 24)
    blend.add((0, 0, 0), torch.randn(3, *PATCH), 1.0)
    unseen = blend.mean()[..., 16:]
    assert (unseen[0] == BACKGROUND_LOGIT).all() and not unseen[1:].any()


def test_likelihoods_are_the_softmax_of_logits_and_probabilities_as_they_are():
    output = torch.randn(3, *PATCH)
    for of_probabilities, expected in ((False, output.softmax(0)), (True, output)):
        _, blend = blend_over(*PATCH, of_probabilities=of_probabilities)
        blend.add((0, 0, 0), output, 1.0)
        torch.testing.assert_close(blend.likelihoods(), expected, atol=1e-6, rtol=1e-5)


def test_a_very_large_volume_is_kept_in_16_bits(monkeypatch):
    """As close as they are, also where more mirrors take results back, and up to the corners."""
    outputs = 5 * torch.randn(4, 3, *PATCH, generator=torch.Generator().manual_seed(0))
    exact = blend_over(8, 16, 24)[1]
    monkeypatch.setattr(placement, "MOST_IN_FLOAT32", 0)
    small = blend_over(8, 16, 24)[1]
    for blend in (exact, small):
        for corner, of_corner in (((0, 0, 0), outputs[:2]), ((0, 0, 8), outputs[2:])):
            blend.add(corner, of_corner[0], 1.0)
            blend.add(corner, of_corner[0], -0.5)
            blend.add(corner, of_corner[1], 0.5)
    assert exact.sums.dtype == torch.float32 and small.sums.dtype == torch.bfloat16
    assert small.mean().dtype == torch.float32
    assert (small.mean() - exact.mean()).abs().max() < 0.02 * exact.mean().abs().max()
    assert (small.last_mean().argmax(0) == exact.last_mean().argmax(0)).float().mean() > 0.99


def test_weights_are_those_of_the_windows_times_their_shares():
    _, blend = blend_over(8, 16, 24)
    blend.add((0, 0, 0), torch.randn(3, *PATCH), 1.0)
    torch.testing.assert_close(blend.weights()[..., :16], gaussian(PATCH), rtol=0, atol=0)
    blend.add((0, 0, 8), torch.randn(3, *PATCH), 0.5)
    torch.testing.assert_close(blend.weights()[..., 16:], gaussian(PATCH)[..., 8:] / 2)
