"""What the viewer reads is what was there, as far as its size lets it."""

import base64
import io
import zlib

import numpy as np
import pytest
from PIL import Image

from evaluation import slices
from evaluation.scene import Scene
from evaluation.slices import HU, LEVELS, columns, encode, in_blocks
from evaluation.targets import bins, look


@pytest.fixture
def scene() -> Scene:
    """A smooth CT, a reference and a prediction beside it, of 1 x 1 x 3 mm voxels."""
    z, y, x = np.mgrid[:18, :70, :80]
    ct = (300 * np.sin(y / 9) * np.cos(x / 11) - 20 * z).astype(np.int16)
    truth = (z - 9) ** 2 * 9 + (y - 35) ** 2 + (x - 40) ** 2 < 15**2
    masks = ({"GTVnd": truth}, {"GTVnd": np.roll(truth, 3, 2)})
    return Scene(
        {"CT": ct}, *masks, (3.0, 1.0, 1.0), np.array([5.0, 6.0, 7.0]), np.diag([3.0, 1, 1])[:, ::-1]
    )


def unpacked(text: str, shape) -> np.ndarray:
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8).reshape(shape)


def test_with_room_voxels_are_kept(scene):
    errors = look(scene)[0]
    found = encode(scene, errors, 2_000_000, 1.0)
    assert (found["shape"], found["blocks"]) == ([18, 70, 80], [1, 1, 1])
    masks = unpacked(found["masks"], found["shape"])
    np.testing.assert_array_equal(masks & 2 > 0, scene.reference["GTVnd"])
    np.testing.assert_array_equal(masks & 8 > 0, scene.prediction["GTVnd"])
    ours, theirs = unpacked(found["errors"], (2, 18, 70, 80)).astype(int)
    for numbers, mm in ((ours, errors.prediction_mm), (theirs, errors.reference_mm)):
        np.testing.assert_array_equal(numbers - 1, bins(mm, 1.0))
    image = np.asarray(
        Image.open(io.BytesIO(base64.b64decode(found["cts"]["CT"].split(",")[1]))).convert("L")
    )
    wide = columns(tuple(found["shape"]))
    for z in (0, 7, 17):
        top, left = z // wide * 70, z % wide * 80
        hu = np.interp(image[top : top + 70, left : left + 80], LEVELS, HU)
        inner = np.abs(scene.cts["CT"][z]) < 250
        assert np.abs(hu - scene.cts["CT"][z])[inner].mean() < 10


@pytest.mark.parametrize("most", [6000, 8000, 12000])
def test_with_little_room_the_ct_is_coarser_and_the_masks_stay(scene, most):
    found = encode(scene, look(scene)[0], most, 1.0)
    assert len(found["masks"]) + len(found["errors"]) + len(found["cts"]["CT"]) <= most
    assert max(found["ratio"]) > 1 and found["shape"] == [18, 70, 80]
    image = Image.open(io.BytesIO(base64.b64decode(found["cts"]["CT"].split(",")[1])))
    coarse = [-(-n // r) for n, r in zip(found["shape"], found["ratio"], strict=True)]
    wide = columns(tuple(coarse))
    assert image.size == (wide * coarse[2], -(-coarse[0] // wide) * coarse[1])


def test_of_a_very_large_scene_masks_are_blocks_that_lie_where_they_lay(scene, monkeypatch):
    monkeypatch.setattr(slices, "LARGEST_VOXELS", 20_000)
    found = encode(scene, look(scene)[0], 2_000_000, 1.0)
    assert found["blocks"] == [1, 3, 3]
    masks = unpacked(found["masks"], found["shape"])
    middle = np.argwhere(masks & 2).mean(axis=0) @ np.array(found["steps"]) + found["place"]
    expected = np.argwhere(scene.reference["GTVnd"]).mean(axis=0) @ scene.steps_mm + scene.place_xyz
    np.testing.assert_allclose(middle, expected, atol=1.0)


def test_what_lies_just_beyond_the_tolerance_is_not_shown_as_within():
    """Voxels of 1.0156 mm, a shift by one of them."""
    truth = np.zeros((8, 20, 20), bool)
    truth[2:6, 5:12, 5:12] = True
    masks = ({"GTVp": truth}, {"GTVp": np.roll(truth, 1, 2)})
    scene = Scene({}, *masks, (3.0, 1.0156, 1.0156), np.zeros(3), np.diag([3.0, 1.0156, 1.0156])[:, ::-1])
    for tolerance, most in ((1.0, 2), (1.0156, 1)):
        found = encode(scene, look(scene)[0], 100_000, tolerance)
        assert unpacked(found["errors"], (2, 8, 20, 20)).max() == most


def test_no_speck_vanishes_in_blocks():
    mask = np.zeros((6, 20, 20), bool)
    mask[2, 3, 3] = mask[4, 10:16, 10:16] = True
    found = in_blocks(mask, (1, 4, 4))
    assert np.argwhere(found).tolist() == [[2, 0, 0], [4, 2, 3], [4, 3, 2], [4, 3, 3]]
