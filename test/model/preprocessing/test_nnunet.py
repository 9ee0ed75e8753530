"""nnU-Net's preprocessing, against skimage's resize called as nnU-Net calls it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage
from skimage.transform import resize

from model.images.grid import Grid
from model.images.pair import Pair
from model.inference.predictor import Predictor
from model.inference.shortcuts import Shortcuts
from model.network.bundle import Bundle, Normalisation
from model.network.plan import NetworkPlan
from model.network.unet import UNet
from model.preprocessing import nnunet
from model.preprocessing.pipelines import PIPELINES
from model.preprocessing.restore import restore_labels

PLAN = NetworkPlan(2, 3, (4, 8), ((1, 3, 3), (3, 3, 3)), ((1, 1, 1), (1, 2, 2)), (1, 1), (1,))
PATCH = (8, 16, 16)
CT = Normalisation(-150.0, 220.0, 30.0, 60.0)
WHOLE = (slice(None),) * 3


def pair_of(shape=(14, 40, 44), spacing_zyx=(3.0, 1.0, 1.0), seed=0) -> Pair:
    """Smooth random HU around a body, with a frame of zeros in both CTs that nnU-Net crops away."""
    rng = np.random.default_rng(seed)
    arrays = []
    for _ in range(2):
        hu = ndimage.gaussian_filter(rng.normal(0, 1, shape), 1.5)
        array = (hu / hu.std() * 150).astype(np.int16)
        framed = np.zeros_like(array)
        framed[1:-1, 3:-2, 2:-4] = np.where(array[1:-1, 3:-2, 2:-4] == 0, 1, array[1:-1, 3:-2, 2:-4])
        arrays.append(framed)
    z, y, x = shape
    grid = Grid((x, y, z), spacing_zyx[::-1], (0.0, 0.0, 0.0), (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0))
    return Pair(*arrays, spacing_zyx, grid)


def bundle_of(spacing_zyx, pipeline="nnunet-v2", scheme=CT, channels=("ct", "ce")) -> Bundle:
    torch.manual_seed(1)
    plan = replace(PLAN, in_channels=len(channels))
    schemes, state = (scheme,) * len(channels), UNet(plan).state_dict()
    return Bundle(plan, PATCH, spacing_zyx, schemes, (0, 1, 2), {}, (state,), pipeline, channels)


def find_region(pair: Pair, bundle: Bundle):
    return PIPELINES[bundle.pipeline].find_region(pair, bundle)


def sample(pair: Pair, bundle: Bundle, region, part) -> torch.Tensor:
    return PIPELINES[bundle.pipeline].sample(pair, bundle, region, part)


def resampled(volume: np.ndarray, shape, order: int, across: int | None) -> np.ndarray:
    """As nnU-Net: skimage's resize on the volume, or slice by slice with the nearest slice taken across."""
    volume = volume.astype(float)
    if volume.shape == shape:
        return volume
    if across is None:
        return resize(volume, shape, order, mode="edge", anti_aliasing=False)
    volume, shape_first = np.moveaxis(volume, across, 0), np.roll(shape, 0)
    flat = tuple(n for axis, n in enumerate(shape) if axis != across)
    planes = np.stack([resize(plane, flat, order, mode="edge", anti_aliasing=False) for plane in volume])
    n, m = len(planes), shape_first[across]
    nearest = np.floor((np.arange(m) + 0.5) * n / m - 0.5 + 0.5).astype(int).clip(0, n - 1)
    return np.moveaxis(planes[nearest], 0, across)


GRIDS = [
    ((3.0, 1.0, 1.0), (3.0, 1.0, 1.0), None),  # nothing to resample
    ((3.0, 1.0, 1.0), (3.0, 0.7, 1.3), 0),  # slices apart: 3 / 0.7 > 3
    ((4.0, 1.0, 1.0), (2.5, 1.2, 0.8), 0),
    ((2.0, 1.0, 1.0), (1.5, 1.3, 0.7), None),  # cubic in three dimensions
    ((1.0, 4.0, 1.0), (1.2, 3.0, 0.8), 1),  # the coarse axis is y
]


@pytest.mark.parametrize(("spacing", "target", "across"), GRIDS)
@pytest.mark.parametrize("pipeline", ["nnunet-v2", "nnunet-v1"])
def test_image_equals_nnunets(spacing, target, across, pipeline):
    pair, bundle = pair_of(spacing_zyx=spacing), bundle_of(target, pipeline)
    region, _ = find_region(pair, bundle)
    assert region.box == (slice(1, 13), slice(3, 38), slice(2, 40))
    box = pair.ct[region.box]
    shape = tuple(int(round(s / t * n)) for s, t, n in zip(spacing, target, box.shape, strict=True))
    assert region.network_shape == shape

    def normalised(values):
        return (np.clip(values, CT.lower, CT.upper) - CT.mean) / CT.std

    if pipeline == "nnunet-v2":
        expected = resampled(normalised(box.astype(np.float32)), shape, 3, across)
    else:
        expected = normalised(resampled(box, shape, 3, across))
    image = sample(pair, bundle, region, WHOLE)
    np.testing.assert_allclose(image[0], expected, atol=2e-5)


@pytest.mark.parametrize(("spacing", "target", "across"), GRIDS)
def test_part_equals_the_same_part_of_the_whole(spacing, target, across):
    pair, bundle = pair_of(spacing_zyx=spacing), bundle_of(target)
    region, _ = find_region(pair, bundle)
    part = (slice(2, 7), slice(4, 20), slice(1, 18))
    whole = sample(pair, bundle, region, WHOLE)
    torch.testing.assert_close(
        sample(pair, bundle, region, part), whole[(slice(None), *part)], atol=1e-5, rtol=0
    )


@pytest.mark.parametrize(("spacing", "target", "across"), GRIDS)
def test_labels_equal_argmax_of_nnunets_resampled_logits(spacing, target, across):
    pair, bundle = pair_of(spacing_zyx=spacing), bundle_of(target)
    region, _ = find_region(pair, bundle)
    rng = np.random.default_rng(3)
    logits = ndimage.gaussian_filter(rng.normal(0, 5, (3, *region.network_shape)), (0, 1, 2, 2))
    logits[0] += 0.3
    lengths = tuple(axis.stop - axis.start for axis in region.box)
    back = 0 if across == 0 else across
    expected = np.zeros(pair.ct.shape, np.uint8)
    expected[region.box] = np.stack([resampled(c, lengths, 1, back) for c in logits]).argmax(0)
    labels = restore_labels(torch.from_numpy(logits.astype(np.float32)), region)
    assert 0.1 < (labels > 0).mean() < 0.9
    assert (labels != expected).mean() < 1e-4


def test_zscore_with_and_without_mask():
    pair = pair_of()
    box = pair.ct[1:13, 3:38, 2:40].astype(np.float64)
    for scheme in ("zscore", "masked-zscore"):
        bundle = bundle_of((3.0, 1.0, 1.0), scheme=Normalisation(scheme=scheme))
        region, _ = find_region(pair, bundle)
        image = sample(pair, bundle, region, WHOLE)
        np.testing.assert_allclose(image[0], (box - box.mean()) / box.std(), atol=1e-5)


def test_mask_leaves_what_lies_outside_as_it_is():
    pair = pair_of()
    pair.ct[1:13, 3:9, 2:8] = 0
    pair.ce[1:13, 3:9, 2:8] = 0
    bundle = bundle_of((3.0, 1.0, 1.0), scheme=Normalisation(scheme="masked-zscore"))
    region, _ = find_region(pair, bundle)
    image = sample(pair, bundle, region, WHOLE).numpy()
    mask = nnunet.nonzero_mask([pair.ct, pair.ce])[region.box]
    values = pair.ct[region.box][mask]
    assert not mask[:, :6, :6].any() and not image[:, :, :6, :6].any()
    np.testing.assert_allclose(image[0][mask], (values - values.mean()) / values.std(), atol=1e-5)


@pytest.mark.parametrize(("name", "other"), [("ct", "ce"), ("ce", "ct")])
@pytest.mark.parametrize("pipeline", ["nnunet-v2", "nnunet-v1"])
def test_a_network_of_one_ct_knows_nothing_of_the_other(name, other, pipeline):
    """It gives the same image whatever the other CT is: another frame of zeros, or air alone."""
    scheme = Normalisation(scheme="masked-zscore" if pipeline == "nnunet-v2" else "zscore")
    bundle = bundle_of((3.0, 0.8, 0.8), pipeline, scheme, (name,))
    pair = pair_of()
    getattr(pair, name)[:, 5:12, 4:9] = 0
    given = []
    for values in (np.ones_like(pair.ct), np.full_like(pair.ct, -1000), getattr(pair, name)):
        getattr(pair, other)[...] = values
        region, part = find_region(pair, bundle)
        assert region.box == (slice(1, 13), slice(3, 38), slice(2, 40))
        given.append((part, sample(pair, bundle, region, WHOLE)))
    for part, image in given[1:]:
        assert part == given[0][0]
        torch.testing.assert_close(image, given[0][1])


def test_channels_may_be_reversed():
    pair = pair_of()
    straight, reverse = (bundle_of((3.0, 0.8, 0.8), channels=c) for c in (("ct", "ce"), ("ce", "ct")))
    region, _ = find_region(pair, straight)
    a, b = (sample(pair, bundle, region, WHOLE) for bundle in (straight, reverse))
    torch.testing.assert_close(a.flip(0), b)


def test_windows_are_nnunets_and_those_without_body_are_left_out():
    """In a wide scan with a small body the windows that touch it are the same ones, their logits too."""
    pair = pair_of((14, 90, 100))
    for array in (pair.ct, pair.ce):
        array[...] = -1000
        array[2:12, 40:60, 30:55] = pair_of((14, 90, 100), seed=4).ct[2:12, 40:60, 30:55]
    bundle = bundle_of((3.0, 1.0, 1.0))
    full = Predictor(bundle, "cpu", "fp32", Shortcuts(search=False, mirrors="one"), lambda line: None)
    quick = Predictor(bundle, "cpu", "fp32", Shortcuts(mirrors="one"), lambda line: None)
    all_of_it, some = full.prepare(pair), quick.prepare(pair)
    assert all_of_it.image.shape[1:] == (14, 90, 100)
    starts = [axis.start for axis in some.part]
    moved = {tuple(c + s for c, s in zip(corner, starts, strict=True)) for corner in some.corners}
    assert moved < set(all_of_it.corners) and len(moved) < len(all_of_it.corners) / 2
    torch.testing.assert_close(some.image, all_of_it.image[(slice(None), *some.part)])
    inner = (slice(None), *some.part)
    body = (slice(None), slice(4, 10), slice(45, 55), slice(35, 50))
    expected = full.predict(all_of_it).logits[body]
    logits = torch.full((3, 14, 90, 100), torch.nan)
    logits[inner] = full.predict(some).logits
    torch.testing.assert_close(logits[body], expected)


def test_all_zero_scan_is_empty():
    pair = pair_of()
    pair.ct[...], pair.ce[...] = 0, 0
    predictor = Predictor(bundle_of((3.0, 1.0, 1.0)), "cpu", "fp32", log=lambda line: None)
    assert not predictor.segment(pair).labels.any()
