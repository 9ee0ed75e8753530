"""Geometry: what is sampled is what scipy samples from the whole case; nothing is smeared; labels keep their values."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage

from training.data.augment import Augmentation
from training.data.cache import CachedCase
from training.data.geometry import Motion, draw_motion, motion_matrix, move, source_box
from training.data.patches import cut

CASE = (30, 70, 80)
PATCH = (12, 32, 40)
SPACING = (3.0, 1.0, 1.5)
STILL = Augmentation(rotation=0, scaling=0, mirror=0)
ALWAYS = replace(STILL, rotation=1.0, scaling=1.0)


@pytest.fixture
def case() -> CachedCase:
    """Smooth, so that interpolation can be compared; labels of any value in blocks."""
    rng = np.random.default_rng(0)
    image = ndimage.gaussian_filter(rng.normal(0, 5, (2, *CASE)), (0, 1, 2, 2)).astype(np.float16)
    label = rng.choice([0, 1, 2, 255], [n // 5 for n in CASE]).repeat(5, 0).repeat(5, 1).repeat(5, 2)
    return CachedCase(image, label.astype(np.uint8), ())


def patch_of(case, motion, start, patch=PATCH):
    low, high = source_box(motion, start, patch, case.label.shape)
    image, label = cut(case, low, high)
    centre = tuple(s + (p - 1) / 2 - first for s, p, first in zip(start, patch, low, strict=True))
    image, label = move(torch.from_numpy(image).float(), torch.from_numpy(label), motion, centre, patch)
    return image.numpy(), label.numpy()


def from_whole(volume, motion, start, order, patch=PATCH):
    """scipy's answer from the whole case, within a wide frame of zeros."""
    frame, half = 60, (np.array(patch) - 1) / 2
    offset = np.array(start) + half - motion.matrix @ half + frame
    framed = np.pad(volume.astype(np.float64), frame)
    return ndimage.affine_transform(framed, motion.matrix, offset, patch, order=order)


@pytest.mark.parametrize("start", [(9, 19, 20), (0, 0, 0), (18, 38, 40), (-5, -8, 60)])
@pytest.mark.parametrize("flat", [True, False])
def test_a_moved_patch_is_what_scipy_samples_from_the_whole_case(case, start, flat):
    plan = replace(ALWAYS, anisotropic_from=1.0 if flat else 4096)
    for seed in range(4):
        motion = draw_motion(plan, PATCH, SPACING, np.random.default_rng(seed))
        assert motion.in_plane == flat
        image, label = patch_of(case, motion, start)
        for channel in (0, 1):
            expected = from_whole(case.image[channel], motion, start, 1)
            np.testing.assert_allclose(image[channel], expected, atol=2e-3)
        differing = label != from_whole(case.label, motion, start, 0).round()
        assert differing.mean() < 1e-3  # a voxel whose place is as near to two
        assert set(np.unique(label)) <= {0, 1, 2, 255}


def test_only_the_end_of_the_case_ends_a_moved_patch():
    """Of a case without zeros, a moved patch in the middle has none: nothing is padded, nothing goes on."""
    full = CachedCase(np.ones((2, 90, 150, 160), np.float16), np.ones((90, 150, 160), np.uint8), ())
    corner, middle = (0, 0, 0), (39, 59, 60)
    for seed in range(10):
        motion = draw_motion(ALWAYS, PATCH, SPACING, np.random.default_rng(seed))
        image, label = patch_of(full, motion, middle)
        assert (label == 1).all() and np.allclose(image, 1, atol=1e-5)
        image, label = patch_of(full, motion, corner)
        assert not label.all() and (image[:, label == 0] < 0.51).all()


def test_a_patch_that_stays_is_cut_as_it_is(case):
    motion = draw_motion(STILL, PATCH, SPACING, np.random.default_rng(0))
    assert motion == Motion(None, ())
    image, label = patch_of(case, motion, (9, 19, 20))
    np.testing.assert_array_equal(image, case.image[:, 9:21, 19:51, 20:60].astype(np.float32))
    np.testing.assert_array_equal(label, case.label[9:21, 19:51, 20:60])


def test_mirrors_turn_image_and_label_round(case):
    motion = draw_motion(replace(STILL, mirror=1.0), PATCH, SPACING, np.random.default_rng(0))
    image, label = patch_of(case, motion, (9, 19, 20))
    np.testing.assert_array_equal(image, case.image[:, 9:21, 19:51, 20:60][:, ::-1, ::-1, ::-1])
    np.testing.assert_array_equal(label, case.label[9:21, 19:51, 20:60][::-1, ::-1, ::-1])


def test_rotation_keeps_millimetres_and_scaling_enlarges():
    """In mm a rotation is orthogonal; a scale above one makes the source smaller than the patch."""
    mm = np.diag(SPACING)
    matrix = mm @ motion_matrix([0.5, 0.2, -0.3], (1.0, 1.0, 1.0), SPACING) @ np.linalg.inv(mm)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(motion_matrix([0.0] * 3, (1.0, 2.0, 4.0), SPACING), np.diag([1, 0.5, 0.25]))
    low, high = source_box(Motion(np.eye(3) / 2, ()), (10, 20, 20), (11, 21, 21), CASE)
    assert (low, high) == ((12, 25, 25), (19, 36, 36))


def test_flat_patches_turn_wholly_in_plane_and_others_by_thirty_degrees():
    mm = np.diag(SPACING)
    for patch, most in (((8, 32, 32), 180), ((16, 32, 32), 30)):
        angles = []
        for seed in range(300):
            plan = replace(STILL, rotation=1.0, tilt_degrees=0.0)
            matrix = draw_motion(plan, patch, SPACING, np.random.default_rng(seed)).matrix
            turn = mm @ matrix @ np.linalg.inv(mm)
            angles.append(np.degrees(np.arctan2(turn[2, 1], turn[1, 1])))
        assert 0.95 * most < np.max(np.abs(angles)) <= most
