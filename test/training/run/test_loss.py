"""The loss against independent float64 formulas and known special cases."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from training.data.sources import IGNORED
from training.run.loss import (
    ANY,
    LOWER_TARGETS,
    NEAREST,
    SHARES,
    LossPlan,
    at_resolution,
    deep_supervision_loss,
    focal_loss,
    tversky_loss,
)


@pytest.fixture
def example():
    generator = torch.Generator().manual_seed(3)
    logits = torch.randn(2, 3, 4, 5, 6, generator=generator, dtype=torch.float64)
    target = torch.randint(0, 3, (2, 4, 5, 6), generator=generator)
    return logits, target


def probabilities_and_truth(logits, target):
    values = logits.numpy()
    p = np.exp(values) / np.exp(values).sum(1, keepdims=True)
    return p, np.stack([(target.numpy() == c) for c in range(p.shape[1])], 1).astype(np.float64)


@pytest.mark.parametrize(("alpha", "beta"), [(0.5, 0.5), (0.3, 0.7)])
def test_tversky_equals_the_formula(example, alpha, beta):
    p, g = probabilities_and_truth(*example)
    terms = []
    for c in range(3):
        tp = (p[:, c] * g[:, c]).sum()
        fp = (p[:, c] * (1 - g[:, c])).sum()
        fn = ((1 - p[:, c]) * g[:, c]).sum()
        terms.append(1 - tp / (tp + alpha * fp + beta * fn))
    assert tversky_loss(*example, LossPlan(alpha, beta)).item() == pytest.approx(np.mean(terms), abs=1e-12)


def test_tversky_with_equal_weights_is_dice(example):
    p, g = probabilities_and_truth(*example)
    axes = (0, 2, 3, 4)
    dice = 2 * (p * g).sum(axes) / (p.sum(axes) + g.sum(axes))
    assert tversky_loss(*example, LossPlan()).item() == pytest.approx(1 - dice.mean(), abs=1e-12)


def test_focal_equals_the_formula(example):
    p, g = probabilities_and_truth(*example)
    expected = -(g * (1 - p) ** 2 * np.log(p)).sum() / example[1].numel()
    assert focal_loss(*example, 2.0).item() == pytest.approx(expected, abs=1e-12)


def test_focal_without_focus_is_cross_entropy(example):
    torch.testing.assert_close(focal_loss(*example, 0.0), functional.cross_entropy(*example))


def test_gradients(example):
    logits, target = example
    logits = logits[:1, :, :2, :2, :2].clone().requires_grad_()
    target = target[:1, :2, :2, :2]
    assert torch.autograd.gradcheck(
        lambda x: tversky_loss(x, target, LossPlan(0.3, 0.7)) + focal_loss(x, target, 2.0), logits
    )


def test_absent_class_gives_finite_loss_and_gradient():
    logits = torch.full((1, 3, 2, 2, 2), -200.0)
    logits[:, 0] = 200.0
    logits.requires_grad_()
    loss = tversky_loss(logits, torch.zeros(1, 2, 2, 2, dtype=torch.long), LossPlan())
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(logits.grad).all()


def test_deep_supervision_halves_weights_and_drops_the_lowest(example):
    logits, target = example
    outputs = [logits, logits[:, :, ::2, ::1, ::2][..., :5, :3], torch.full((2, 3, 1, 1, 1), torch.nan)]
    plan = LossPlan()

    def single(output, truth):
        output = output.float()
        return tversky_loss(output, truth, LossPlan()) + focal_loss(output, truth, 2.0)

    small = functional.interpolate(target[:, None].double(), outputs[1].shape[2:], mode="nearest-exact")[
        :, 0
    ].long()
    expected = (2 * single(outputs[0], target) + single(outputs[1], small)) / 3
    torch.testing.assert_close(deep_supervision_loss(outputs, target, plan), expected)


def test_ignored_voxels_count_nowhere(example):
    """The loss of what is left, cut out, is the same; and the gradient there is zero."""
    logits, target = example
    logits.requires_grad_()
    marked = target.clone()
    marked[:, :, :2] = IGNORED
    for loss in (lambda x, t: tversky_loss(x, t, LossPlan()), lambda x, t: focal_loss(x, t, 2.0)):
        value = loss(logits, marked)
        assert value.item() == pytest.approx(loss(logits[:, :, :, 2:], target[:, :, 2:]).item(), abs=1e-12)
        (gradient,) = torch.autograd.grad(value, logits)
        assert not gradient[:, :, :, :2].any() and gradient[:, :, :, 2:].any()
    everything = torch.full_like(target, IGNORED)
    assert focal_loss(logits, everything, 2.0).item() == 0
    assert torch.isfinite(tversky_loss(logits, everything, LossPlan()))


def test_smooth_voxels_push_down_what_is_drawn_where_a_class_is_absent(example):
    logits, target = example
    logits, target = logits.clone().requires_grad_(), target.clamp(max=1)

    def push(smooth):
        (gradient,) = torch.autograd.grad(tversky_loss(logits, target, LossPlan(smooth=smooth)), logits)
        return gradient[:, 2].sum().item()

    p, g = probabilities_and_truth(logits.detach(), target)
    tp, predicted, there = ((x).sum((0, 2, 3, 4)) for x in (p * g, p, g))
    expected = np.mean(1 - (tp + 7) / (0.5 * (predicted + there) + 7))
    assert tversky_loss(logits, target, LossPlan(smooth=7)).item() == pytest.approx(expected, abs=1e-12)
    assert push(50) > push(0)


def test_voxels_for_an_absent_class_count_where_it_is_absent_and_nowhere_else(example):
    """A trace of it costs little, much of it nearly a whole term; classes that are there have their usual one."""
    logits, target = example
    present = tversky_loss(logits, target, LossPlan(absent=100))
    assert present.item() == tversky_loss(logits, target, LossPlan()).item()
    target = target.clamp(max=1)
    p, g = probabilities_and_truth(logits, target)
    tp, predicted, there = ((x).sum((0, 2, 3, 4)) for x in (p * g, p, g))
    smooth = np.array([0, 0, 100])
    expected = np.mean(1 - (tp + smooth) / (0.5 * (predicted + there) + smooth))
    assert tversky_loss(logits, target, LossPlan(absent=100)).item() == pytest.approx(expected, abs=1e-12)


def test_the_focal_term_can_be_scaled_and_background_left_out(example):
    logits, target = example
    base, scaled = (
        deep_supervision_loss([logits, logits], target, LossPlan(focal_weight=weight)).item()
        for weight in (1, 3)
    )
    assert scaled - base == pytest.approx(2 * focal_loss(logits, target, 2.0).item(), rel=1e-5)
    p, g = probabilities_and_truth(logits, target)
    dice = 2 * (p * g).sum((0, 2, 3, 4)) / (p.sum((0, 2, 3, 4)) + g.sum((0, 2, 3, 4)))
    without = tversky_loss(logits, target, LossPlan(background=False)).item()
    assert without == pytest.approx(np.mean(1 - dice[1:]), abs=1e-12)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
def test_what_is_certain_and_right_has_no_gradient_whatever_gamma(gamma):
    logits = torch.zeros(1, 3, 2, 2, 2)
    logits[:, 0] = 200.0
    logits.requires_grad_()
    loss = focal_loss(logits, torch.zeros(1, 2, 2, 2, dtype=torch.long), gamma)
    loss.backward()
    assert loss.item() == 0 and not logits.grad.any()


@pytest.fixture
def coarse():
    """Logits of half the resolution, and a target with all labels, some of it ignored."""
    generator = torch.Generator().manual_seed(4)
    target = torch.randint(0, 3, (2, 4, 4, 6), generator=generator)
    target[:, 1:4, :, 1:3] = IGNORED
    return torch.randn(2, 3, 2, 2, 3, generator=generator, dtype=torch.float64), target


def test_shares_are_as_if_each_voxel_stood_for_all_that_it_covers(coarse):
    """The loss is that of the logits repeated at full resolution, ignored voxels left out."""
    logits, target = coarse
    full = functional.interpolate(logits, target.shape[1:], mode="nearest")
    shares = at_resolution(target, logits.shape, SHARES)
    plan = LossPlan(0.3, 0.7)
    torch.testing.assert_close(
        tversky_loss(logits, shares.double(), plan), tversky_loss(full, target, plan), rtol=1e-6, atol=0
    )
    torch.testing.assert_close(
        focal_loss(logits, shares.double(), 2.0), focal_loss(full, target, 2.0), rtol=1e-6, atol=0
    )
    unknown = at_resolution(torch.full_like(target, IGNORED), logits.shape, SHARES)
    assert not unknown.any() and focal_loss(logits, unknown, 2.0).item() == 0


def test_any_keeps_every_tumour_and_claims_nothing_of_what_is_ignored():
    target = torch.zeros(1, 2, 2, 10, dtype=torch.long)
    target[0, 0, 0, 0] = 2  # one voxel of eight
    target[0, 0, :, 2], target[0, 1, :, 3] = 1, 2
    target[0, 0, 0, 2] = 2  # three of label 2, one of 1
    target[0, 0, 0, 4] = IGNORED
    target[0, 0, 0, 6], target[0, 1, 1, 7] = IGNORED, 1
    expected = [[[[2, 2, IGNORED, 1, 0]]]]
    assert at_resolution(target, (1, 3, 1, 1, 5), ANY).tolist() == expected
    assert at_resolution(target, (1, 3, 1, 1, 5), NEAREST).shape == (1, 1, 1, 5)


@pytest.mark.parametrize("how", LOWER_TARGETS)
def test_at_full_resolution_a_target_stays_as_it_is(coarse, how):
    _, target = coarse
    assert torch.equal(at_resolution(target, (2, 3, *target.shape[1:]), how), target)


def test_deep_supervision_takes_the_lower_target_that_is_asked_for(coarse):
    logits, target = coarse
    full = functional.interpolate(logits, target.shape[1:], mode="nearest")
    values = {
        how: deep_supervision_loss([full, logits, logits], target, LossPlan(lower_target=how)).item()
        for how in LOWER_TARGETS
    }
    whole = deep_supervision_loss([full], target, LossPlan()).item()
    assert values[SHARES] == pytest.approx(whole, rel=1e-5)  # both resolutions say the same
    assert len({round(value, 5) for value in values.values()}) == 3
