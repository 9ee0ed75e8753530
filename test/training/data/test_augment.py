"""Augmentation: image and label move together, rotations are those of scipy, all is reproducible."""

from dataclasses import replace

import pytest
import torch
from scipy import ndimage

from model.network.bundle import Normalisation
from training.data.augment import Augmentation, augment

SHAPE = (12, 32, 40)
SPACING = (3.0, 1.0, 1.5)
SCHEMES = (Normalisation(-60, 130, 40, 25), Normalisation(-40, 190, 75, 35))
NOTHING = Augmentation(**{name: 0.0 for name in Augmentation.__annotations__ if name != "scales"})


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def box() -> tuple[torch.Tensor, torch.Tensor]:
    label = torch.zeros((1, *SHAPE), dtype=torch.int64)
    label[0, 4:9, 8:18, 10:26] = 2
    image = torch.stack([label.float(), 3 * label.float()], 1)
    return image, label


def test_nothing_changes_without_probability():
    image, label = box()
    same_image, same_label = augment(image, label, SPACING, SCHEMES, NOTHING, generator())
    assert torch.equal(same_image, image) and torch.equal(same_label, label)


def test_image_and_label_move_together():
    image, label = box()
    plan = replace(NOTHING, rotation=1.0, degrees=30.0, scaling=1.0, mirror=0.5)
    for seed in range(10):
        moved, where = augment(image, label, SPACING, SCHEMES, plan, generator(seed))
        assert 0.3 < (where > 0).sum() / (label > 0).sum() < 3
        torch.testing.assert_close(moved[:, 1], 3 * moved[:, 0])
        differing = ((moved[0, 0] > 1) != (where[0] > 0)).float().sum() / (where > 0).sum()
        assert differing < 0.15  # linear against nearest: along the surface only


@pytest.mark.parametrize("scale", [0.8, 1.0, 1.25])
def test_scaling_is_about_the_centre_in_voxels_of_that_size(scale):
    image, label = box()
    plan = replace(NOTHING, scaling=1.0, scales=(scale, scale))
    moved, _ = augment(image, label, SPACING, SCHEMES, plan, generator())
    offset = [(n - 1) / 2 * (1 - 1 / scale) for n in SHAPE]
    expected = ndimage.affine_transform(image[0, 0].numpy(), [1 / scale] * 3, offset, order=1, mode="nearest")
    torch.testing.assert_close(moved[0, 0], torch.from_numpy(expected), atol=1e-4, rtol=0)


def test_rotation_keeps_millimetres():
    """A disc in mm on anisotropic voxels stays that disc however it is turned about z."""
    y = (torch.arange(SHAPE[1]) - (SHAPE[1] - 1) / 2) * SPACING[1]
    x = (torch.arange(SHAPE[2]) - (SHAPE[2] - 1) / 2) * SPACING[2]
    disc = (y[:, None] ** 2 + x[None] ** 2 < 12**2).float().expand(SHAPE)
    image = disc.expand(1, 2, *SHAPE).contiguous()
    plan = replace(NOTHING, rotation=1.0, degrees=30.0)
    from training.data import augment as module

    moved, _ = module._move(image[0], disc.long(), SPACING, [0.5, 0.0, 0.0], 1.0)
    assert (moved[0] - disc).abs().mean() < 0.02
    tilted, _ = augment(image, disc.long()[None], SPACING, SCHEMES, plan, generator(1))
    assert (tilted[0, 0] - disc).abs().mean() > 0.02


def test_intensities_change_per_channel_and_labels_do_not():
    image, label = torch.randn(2, 2, *SHAPE), torch.randint(0, 3, (2, *SHAPE))
    for name in ("noise", "blur", "brightness", "contrast", "gamma", "low_resolution"):
        changed, same = augment(image, label, SPACING, SCHEMES, replace(NOTHING, **{name: 1.0}), generator())
        assert torch.equal(same, label)
        assert torch.isfinite(changed).all() and (changed - image).abs().amax((2, 3, 4)).min() > 0, name


def test_missing_contrast_is_what_the_plain_ct_given_twice_would_be():
    hu = torch.rand(SHAPE) * 400 - 150
    channels = [(hu.clamp(n.lower, n.upper) - n.mean) / n.std for n in SCHEMES]
    image = torch.stack([channels[0], torch.randn(SHAPE)])[None]
    label = torch.zeros(1, *SHAPE, dtype=torch.int64)
    changed, _ = augment(image, label, SPACING, SCHEMES, replace(NOTHING, no_contrast=1.0), generator())
    assert torch.equal(changed[0, 0], channels[0])
    both = (hu > -40) & (hu < 130)  # neither channel's limits cut it off
    torch.testing.assert_close(changed[0, 1][both], channels[1][both])


def test_what_the_edge_cuts_goes_on_beyond_it_in_image_and_label():
    """A slab across the patch, in its plane without ends, stays without ends when it is turned and shrunk."""
    label = torch.zeros((1, *SHAPE), dtype=torch.int64)
    label[:, 4:8] = 1
    image = torch.stack([label.float()] * 2, 1)
    plan = replace(NOTHING, rotation=1.0, degrees=0.0, scaling=1.0, scales=(0.8, 0.8))
    moved, where = augment(image, label, SPACING, SCHEMES, plan, generator())
    assert ((moved[0, 0] > 0.5) == (where[0] > 0)).all() and (where[0] == where[0, :, :1, :1]).all()


def test_blur_is_the_gaussian_in_plane():
    from training.data import augment as module

    volume = torch.randn(SHAPE)
    expected = ndimage.gaussian_filter(volume.numpy(), (0, 0.8, 0.8), mode="nearest", radius=3)
    torch.testing.assert_close(module._blur(volume, 0.8), torch.from_numpy(expected), atol=1e-5, rtol=0)


def test_same_generator_same_result():
    image, label = torch.randn(2, 2, *SHAPE), torch.randint(0, 3, (2, *SHAPE))
    first = augment(image, label, SPACING, SCHEMES, Augmentation(), generator(3))
    again = augment(image, label, SPACING, SCHEMES, Augmentation(), generator(3))
    other = augment(image, label, SPACING, SCHEMES, Augmentation(), generator(4))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])
