"""Intensities: per channel, as the definitions say, and never read back from the device."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch._subclasses.fake_tensor import FakeTensorMode

from model.network.bundle import Normalisation
from training.data.augment import Augmentation
from training.data.geometry import draw_motion, move
from training.data.intensities import blurred, change_intensities

SHAPE = (12, 24, 30)
SCHEMES = (Normalisation(-60, 130, 40, 25), Normalisation(-40, 190, 75, 35))
KINDS = ("noise", "blur", "brightness", "contrast", "low_resolution", "gamma_inverted", "gamma")
NOTHING = replace(Augmentation(), **dict.fromkeys(KINDS, (0.0, 1.0)), no_contrast=0.0)
ALL = replace(
    Augmentation(), **dict.fromkeys(KINDS, (1.0, 1.0)), rotation=1, scaling=1, mirror=1, no_contrast=1
)


def changed(image, seed=0, **values):
    return change_intensities(image, SCHEMES, replace(NOTHING, **values), np.random.default_rng(seed))


@pytest.fixture
def image() -> torch.Tensor:
    return torch.randn(2, *SHAPE, generator=torch.Generator().manual_seed(0))


def test_nothing_happens_without_a_chance(image):
    assert torch.equal(changed(image), image)


@pytest.mark.parametrize("kind", KINDS)
def test_each_change_is_of_every_channel_by_its_chance_and_the_image_itself_stays(image, kind):
    before = image.clone()
    both = changed(image, **{kind: (1.0, 1.0)})
    assert torch.isfinite(both).all() and torch.equal(image, before)
    assert ((both - image).abs().amax((1, 2, 3)) > 0).all()
    touched = np.array(
        [
            [
                (c != i).any().item()
                for c, i in zip(changed(image, s, **{kind: (1.0, 0.5)}), image, strict=True)
            ]
            for s in range(12)
        ]
    )
    assert 0 < touched.mean() < 1 and (touched[:, 0] != touched[:, 1]).any()


def test_contrast_keeps_the_mean_or_the_range(image):
    free = changed(image, contrast=(1.0, 1.0), contrast_factor=(2.0, 2.0), contrast_keeps_range=False)
    torch.testing.assert_close(free, (image - image.mean((1, 2, 3), True)) * 2 + image.mean((1, 2, 3), True))
    kept = changed(image, contrast=(1.0, 1.0), contrast_factor=(2.0, 2.0))
    assert torch.equal(kept.amax((1, 2, 3)), image.amax((1, 2, 3)))
    assert torch.equal(kept.amin((1, 2, 3)), image.amin((1, 2, 3)))


def test_gamma_is_the_power_between_least_and_greatest(image):
    low, high = image.amin((1, 2, 3), True), image.amax((1, 2, 3), True)
    values = {"gamma_exponent": (1.4, 1.4), "gamma_keeps_statistics": False}
    plain = changed(image, gamma=(1.0, 1.0), **values)
    torch.testing.assert_close(plain, ((image - low) / (high - low)) ** 1.4 * (high - low) + low)
    upside_down = changed(image, gamma_inverted=(1.0, 1.0), **values)
    torch.testing.assert_close(upside_down, -changed(-image, gamma=(1.0, 1.0), **values))
    kept = changed(image, gamma=(1.0, 1.0), gamma_exponent=(1.4, 1.4))
    torch.testing.assert_close(kept.mean((1, 2, 3)), image.mean((1, 2, 3)), atol=1e-5, rtol=0)
    torch.testing.assert_close(kept.std((1, 2, 3)), image.std((1, 2, 3)), atol=1e-5, rtol=0)


def test_one_value_everywhere_stays_a_number():
    even = torch.full((2, *SHAPE), -1.5)
    result = change_intensities(even, SCHEMES, replace(ALL, no_contrast=0), np.random.default_rng(0))
    assert result.isfinite().all()


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_blur_is_the_gaussian(image, axis):
    expected = ndimage.gaussian_filter1d(image[0].numpy(), 0.8, axis, mode="nearest", radius=3)
    torch.testing.assert_close(blurred(image[0], axis, 0.8), torch.from_numpy(expected), atol=1e-5, rtol=0)


@pytest.mark.parametrize("through_plane", [True, False])
@pytest.mark.parametrize("kind", ["blur", "low_resolution"])
def test_slices_stay_apart_unless_said_otherwise(kind, through_plane):
    slices = torch.arange(12.0)[:, None, None].expand(2, 12, 24, 30).pow(2)
    result = changed(
        slices, **{kind: (1.0, 1.0)}, through_plane=through_plane, low_resolution_factor=(0.5, 0.5)
    )
    assert torch.allclose(result, slices) != through_plane


def test_factors_lie_as_often_below_one_as_above():
    plan = {"brightness": (1.0, 1.0), "brightness_factor": (0.5, 3.0)}
    factors = [changed(torch.ones(1, 1, 4, 4), seed, **plan)[0, 0, 0, 0].item() for seed in range(200)]
    assert 0.35 < np.mean(np.array(factors) < 1) < 0.65 and min(factors) >= 0.5 and max(factors) <= 3


def test_missing_contrast_is_what_the_plain_ct_given_twice_would_be():
    hu = torch.rand(SHAPE, generator=torch.Generator().manual_seed(0)) * 400 - 150
    channels = [(hu.clamp(n.lower, n.upper) - n.mean) / n.std for n in SCHEMES]
    result = changed(torch.stack([channels[0], torch.randn(SHAPE)]), no_contrast=1.0)
    assert torch.equal(result[0], channels[0])
    both = (hu > -40) & (hu < 130)  # neither channel's limits cut it off
    torch.testing.assert_close(result[1][both], channels[1][both])


@pytest.mark.parametrize("flat_from", [1.0, 4096])
def test_nothing_is_read_back_from_the_device(flat_from):
    """Tensors without content, in which torch refuses every look at a value, stand for the GPU's."""
    plan, rng = replace(ALL, anisotropic_from=flat_from), np.random.default_rng(0)
    motion = draw_motion(plan, SHAPE, (3.0, 1.0, 1.0), rng)
    with FakeTensorMode():
        image, label = torch.empty(2, 12, 40, 40), torch.empty(12, 40, 40, dtype=torch.uint8)
        image, label = move(image, label, motion, (5.5, 19.5, 19.5), SHAPE)
        image = change_intensities(image, SCHEMES, plan, rng)
        assert image.shape == (2, *SHAPE) and label.shape == SHAPE
        with pytest.raises(RuntimeError):
            float(image.sum())
