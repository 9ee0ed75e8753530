"""How far looks are apart, against the definition in numpy."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from model.inference.disagreement import Disagreement
from model.inference.maps import Wanted
from model.inference.mirrors import Pass
from model.inference.predictor import Predictor, Prepared
from model.inference.shortcuts import DEFAULT, EXHAUSTIVE
from model.inference.windows import Windows, gaussian, windows_touching

CPU = torch.device("cpu")
SHAPE, PATCH = (4, 8, 12), (4, 8, 8)


def looks() -> list[tuple[Pass, torch.Tensor]]:
    """Two overlapping windows, the first in two mirrors, and one pass that takes back."""
    generator = torch.Generator().manual_seed(3)
    passes = [
        Pass((0, 0, 0), (), 1.0),
        Pass((0, 0, 0), (1,), 0.5),
        Pass((0, 0, 4), (), 1.0),
        Pass((0, 0, 0), (), -0.5),
    ]
    return [(one, 3 * torch.randn(3, *PATCH, generator=generator)) for one in passes]


@pytest.mark.parametrize("of_probabilities", [False, True])
def test_deviation_is_that_of_the_unbiased_weighted_variance(of_probabilities):
    weight = gaussian(PATCH)
    sums = Disagreement(Windows(SHAPE, [], weight), 2, CPU, of_probabilities=of_probabilities)
    weights, probabilities = [], []
    for one, output in looks():
        p = output.softmax(0)
        sums.add(one, p if of_probabilities else output)
        if one.share > 0:
            box = tuple(slice(c, c + n) for c, n in zip(one.corner, PATCH, strict=True))
            padded, padded_weight = np.zeros((2, *SHAPE)), np.zeros(SHAPE)
            padded[(slice(None), *box)], padded_weight[box] = p[1:], weight
            weights.append(padded_weight)
            probabilities.append(padded)
    w, p = np.array(weights), np.array(probabilities)
    share = w / w.sum(0)
    mean = (share[:, None] * p).sum(0)
    variance = (share[:, None] * (p - mean) ** 2).sum(0)
    most = mean * (1 - mean)
    with np.errstate(divide="ignore", invalid="ignore"):
        unbiased = variance / (1 - (share**2).sum(0))
    alone = (w > 0).sum(0) == 1
    expected = np.sqrt(np.where(alone, most, np.minimum(unbiased, most)).max(0))
    found = sums.deviation().numpy()
    assert alone.any()
    np.testing.assert_allclose(found[alone], expected[alone], atol=1e-4)
    np.testing.assert_allclose(found, expected, atol=2e-2)  # one look far in front of the others
    even = (share**2).sum(0) < 0.6
    np.testing.assert_allclose(found[even], expected[even], atol=1e-3)


def test_equal_looks_disagree_in_nothing_and_opposite_ones_as_far_as_can_be():
    sums = Disagreement(Windows(PATCH, [], gaussian(PATCH)), 1, CPU, of_probabilities=True)
    for value in (0.0, 1.0):
        output = torch.full((2, *PATCH), value)
        output[:, :2] = 0.3
        sums.add(Pass((0, 0, 0), (), 0.5), output)
    deviation = sums.deviation()
    torch.testing.assert_close(deviation[:2], torch.zeros(2, 8, 8), atol=1e-3, rtol=0)
    torch.testing.assert_close(deviation[2:], torch.full((2, 8, 8), 0.5))


def test_nothing_is_said_where_nobody_looked():
    sums = Disagreement(Windows(PATCH, [], gaussian(PATCH)), 1, CPU, of_probabilities=True)
    assert not sums.deviation().any()


@pytest.mark.parametrize("shortcuts", [DEFAULT, EXHAUSTIVE])
def test_the_masks_are_the_same_to_the_last_bit(bundle, shortcuts):
    bundle = replace(bundle, confidence=((0.0, 1.0), (0.0, 1.0)))
    image = torch.randn(2, 16, 24, 24, generator=torch.Generator().manual_seed(0))
    corners, part = windows_touching(
        (16, 24, 24), bundle.patch_zyx, (slice(0, 16), slice(0, 24), slice(0, 24))
    )
    prepared = Prepared(image, corners, None, part, 1.0)
    plain, looked = (
        Predictor(bundle, "cpu", "fp32", shortcuts, lambda line: None, wanted).predict(prepared)
        for wanted in (Wanted(), Wanted(probabilities=True, uncertainty=True))
    )
    assert torch.equal(plain.logits, looked.logits)
    assert plain.deviation is None
    assert looked.deviation.shape == (16, 24, 24)
    assert 0 < looked.deviation.max() <= 0.5
