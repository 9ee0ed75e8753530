"""The DSC that probabilities expect, against truths drawn from them; and its calibration."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from model.inference.blend import BACKGROUND_LOGIT
from model.inference.confidence import AGREED_CM3, SMALLEST_CM3, calibrated, expected_dsc, trust_in

SHAPE, VOXEL_CM3 = (10, 24, 24), 0.02


def logits_of(gtvp: np.ndarray, gtvnd: np.ndarray) -> torch.Tensor:
    p = torch.from_numpy(np.stack([1 - gtvp - gtvnd, gtvp, gtvnd]).astype(np.float32))
    logits = p.clamp(min=1e-9).log()
    logits[0, :, :3] = BACKGROUND_LOGIT
    return logits


def ball(radius: float, softness: float) -> np.ndarray:
    z, y, x = np.ogrid[:10, :24, :24]
    distance = np.sqrt((z - 5.0) ** 2 + (y - 13.0) ** 2 + (x - 12.0) ** 2)
    return 0.98 / (1 + np.exp((distance - radius) / softness))


@pytest.mark.parametrize("softness", [0.2, 1.0, 2.0])
def test_it_is_the_mean_dsc_with_truths_drawn_from_the_probabilities(softness):
    p = ball(4, softness)
    (found, _), (volume, _) = expected_dsc(logits_of(p, 0 * p), VOXEL_CM3, (0, 0), of_probabilities=False)
    rng, mask = np.random.default_rng(0), p > 0.5
    p[:, :3] = 0  # the search made these background
    truths = rng.random((300, *SHAPE)) < p
    scores = 2 * (truths & mask).sum((1, 2, 3)) / (truths.sum((1, 2, 3)) + mask.sum())
    assert found == pytest.approx(scores.mean(), abs=0.01)
    assert volume == pytest.approx(mask[:, 3:].sum() * VOXEL_CM3)


def test_nothing_drawn_and_nothing_expected_is_no_doubt_and_a_missed_volume_is_one():
    p = np.full(SHAPE, 0.0)
    dsc, volumes = expected_dsc(logits_of(p, p), VOXEL_CM3, (0, 0), of_probabilities=False)
    assert dsc == pytest.approx([1, 1], abs=1e-5) and volumes == [0, 0]
    missed = np.full(SHAPE, 0.4)
    (gtvp, gtvnd), _ = expected_dsc(logits_of(missed, p), VOXEL_CM3, (0, 0), of_probabilities=False)
    litres = 0.4 * VOXEL_CM3 * missed[:, 3:].size
    assert gtvp == pytest.approx(AGREED_CM3 / (AGREED_CM3 + litres), rel=1e-3)
    assert gtvnd == pytest.approx(1, abs=1e-5)


def test_where_nothing_was_looked_at_there_is_no_doubt():
    logits = torch.full((3, *SHAPE), 0.0)
    logits[0] = BACKGROUND_LOGIT
    assert expected_dsc(logits, VOXEL_CM3, (0, 0), of_probabilities=False) == ([1, 1], [0, 0])


def test_pieces_that_are_left_out_of_the_mask_are_not_in_it():
    p = ball(4, 0.2)
    (kept, _), _ = expected_dsc(logits_of(p, 0 * p), VOXEL_CM3, (0, 0), of_probabilities=False)
    (dropped, _), (volume, _) = expected_dsc(
        logits_of(p, 0 * p), VOXEL_CM3, (1000, 0), of_probabilities=False
    )
    assert kept > 0.85
    assert dropped < 0.05 and volume == 0


def test_probabilities_that_come_as_such_give_the_same():
    p = ball(4, 1)
    logits = logits_of(p, p * 0)
    logits[:, :, :3] = torch.tensor([0, -30, -30.0])[:, None, None, None]
    as_logits, _ = expected_dsc(logits, VOXEL_CM3, (0, 0), of_probabilities=False)
    found, _ = expected_dsc(logits.softmax(0), VOXEL_CM3, (0, 0), of_probabilities=True)
    assert found == pytest.approx(as_logits)


def test_calibration_keeps_the_order_and_stays_between_0_and_1():
    values, ones = np.linspace(0, 1, 101), np.ones(101)
    np.testing.assert_allclose(calibrated(values, ones, 0, 1), values.clip(1e-3, 1 - 1e-3))
    confidence = calibrated(values, ones, -1.5, 0.6)
    assert (np.diff(confidence) >= 0).all()
    assert 0 < confidence[0] < confidence[-1] < 1
    assert calibrated(np.array(0.5), np.array(3.0), 0.4, 2) == pytest.approx(1 / (1 + np.exp(-0.4)))


def test_volumes_count_by_their_logarithm_and_nothing_for_itself():
    expected, volumes = np.full(4, 0.5), np.array([0.0, 1.0, np.e, np.e**2])
    odds = np.array([0.3 + 0.5 * k for k in (0, 1, 2)])
    np.testing.assert_allclose(
        calibrated(expected, volumes, 0.3, 1, 0.5, 0.9), [0.9, *1 / (1 + np.exp(-odds))]
    )
    nothing = calibrated(expected[:1], volumes[:1], 0.3, 1, 0.5)  # as in files without a number for it
    assert nothing == pytest.approx(1 / (1 + np.exp(-(0.3 + 0.5 * np.log(SMALLEST_CM3)))))


def test_without_a_calibration_there_is_no_confidence(bundle):
    p = ball(4, 1)
    without = trust_in(logits_of(p, 0 * p), VOXEL_CM3, bundle, of_probabilities=False)
    assert without.confidence is None
    with_one = trust_in(
        logits_of(p, 0 * p), VOXEL_CM3, replace(bundle, confidence=((0, 0), (0, 1))), of_probabilities=False
    )
    assert with_one.expected_dsc == without.expected_dsc
    assert with_one.confidence == {"GTVp": 0.5, "GTVnd": pytest.approx(0.999)}
    by_volume = replace(bundle, confidence=((0, 0, 1, 0.2), (0, 1, 0, 0.25)))
    trust = trust_in(logits_of(p, 0 * p), VOXEL_CM3, by_volume, of_probabilities=False)
    cm3 = expected_dsc(logits_of(p, 0 * p), VOXEL_CM3, bundle.least_cm3, of_probabilities=False)[1][0]
    assert trust.confidence == {"GTVp": pytest.approx(cm3 / (1 + cm3), abs=1e-4), "GTVnd": 0.25}
