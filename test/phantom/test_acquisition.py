"""Noise, interpolation and streaks against their definitions."""

import numpy as np

from phantom.acquisition import NoiseSource, dental_streaks, doubled

SPACING_XYZ = (0.54, 0.54, 3.0)


def test_noise_has_unit_variance_and_in_plane_correlation() -> None:
    source = NoiseSource((512, 512), SPACING_XYZ, 0.7)
    rng = np.random.default_rng(0)
    first, second = source.draw(rng), source.draw(rng)
    assert abs(first.std() - 1) < 0.05 and abs(first.mean()) < 0.05
    neighbours = np.corrcoef(first[:, :-1].ravel(), first[:, 1:].ravel())[0, 1]
    distant = np.corrcoef(first[:, :-10].ravel(), first[:, 10:].ravel())[0, 1]
    assert neighbours > 0.5 and abs(distant) < 0.1
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.05


def test_doubling_keeps_centres_and_ramps() -> None:
    ramp = np.arange(8, dtype=np.float32)
    fine = doubled(ramp, 0)
    # Fine sample i lies at (i + 0.5) / 2 - 0.5 in coarse samples.
    np.testing.assert_allclose(fine[1:-1], (np.arange(1, 15) + 0.5) / 2 - 0.5, atol=1e-6)


def test_streaks_start_at_metal_and_fade() -> None:
    hu = np.zeros((5, 80, 80), np.float32)
    hu[2, 40, 40] = 3000
    streaks = dental_streaks(hu, 200.0, np.random.default_rng(0))
    assert sorted(streaks) == [1, 2, 3]
    near, far = streaks[2][35:46, 35:46], streaks[2][:5]
    assert np.abs(near).mean() > 5 * np.abs(far).mean()
    assert np.abs(streaks[2]).mean() > np.abs(streaks[1]).mean()
