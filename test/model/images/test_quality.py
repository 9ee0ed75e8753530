"""What is said of odd pairs, on a patient of head, neck and shoulders with vessels that contrast shows."""

import itertools

import numpy as np
import pytest

from model.images.quality import covered_share, findings

SPACING = (4.0, 3.0, 3.0)
SHAPE = (70, 120, 160)


def patient(*, contrast: bool, seed: int = 0, noise: float = 12) -> np.ndarray:
    """int16 HU (z, y, x), z to the head: shoulders up to slice 20, neck to 40, head above with a skull."""
    z, y, x = (axis.astype(float) for axis in np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]])
    wide = np.interp(z, [0, 12, 24, 40, 50, 69], [72, 62, 24, 22, 28, 22])
    deep = np.interp(z, [0, 12, 24, 40, 50, 69], [40, 36, 23, 22, 33, 26])
    inside = ((x - 80) / wide) ** 2 + ((y - 60) / deep) ** 2
    array = np.full(SHAPE, -1000.0)
    array[inside < 1] = 40
    skull = np.interp(z, [36, 50], [0, 0.25])  # grows thicker slice by slice
    array[(inside < 0.95) & (inside > 0.95 - skull)] = 900
    array[((x - 80) ** 2 + (y - 72) ** 2 < 36) & (z <= 46)] = 500
    array[((np.abs(x - 80) - 12) ** 2 + (y - 58) ** 2 < 8) & (z < 60)] = 200 if contrast else 45
    array[((x - 80) ** 2 + (y - 52) ** 2 < 25) & (z < 38)] = -1000  # the windpipe
    wave = 60 * np.sin(z / 3 + x / 9) * np.cos(y / 7)  # anatomy that changes from slice to slice
    array[inside < 1] += np.broadcast_to(wave, SHAPE)[inside < 1] * 0.3
    return (array + np.random.default_rng(seed).normal(0, noise, SHAPE)).astype(np.int16)


CT, CE = patient(contrast=False), patient(contrast=True, seed=1)


def found(ct: np.ndarray = CT, ce: np.ndarray = CE) -> str:
    return " | ".join(findings(ct, ce, SPACING))


def test_nothing_is_said_of_a_good_pair():
    assert found() == ""
    assert found(patient(contrast=False, seed=5), patient(contrast=True, seed=6, noise=25)) == ""


def test_the_same_image_twice_is_told_alone():
    assert found(CT, CT) == "both CTs are the same image: what contrast would show is missing"


@pytest.mark.parametrize("mirrored", [CE[:, ::-1], CE[::-1]], ids=["front to back", "head to foot"])
def test_a_mirrored_contrast_ct_is_told(mirrored):
    assert "hardly look alike" in found(CT, mirrored) or "off the non-contrast CT" in found(CT, mirrored)


def test_swapped_cts_are_told():
    assert "swapped" in found(CE, CT) and found(CE, CT).count("|") == 0


def test_missing_contrast_is_told():
    assert found(CT, patient(contrast=False, seed=3)) == "the contrast CT shows hardly any contrast"


@pytest.mark.parametrize("shift", [(0, 5, 0), (0, 0, -4), (3, 0, 0), (-4, 6, 3)])
def test_a_shift_is_measured(shift):
    moved = np.roll(CE, shift, (0, 1, 2))
    z, y, x = np.multiply(shift, SPACING)
    assert f"lie {x:+.0f}, {y:+.0f}, {z:+.0f} mm" in found(CT, moved)


def test_what_breathing_moves_is_not_told():
    assert "off the" not in found(CT, np.roll(CE, (1, 1, -1), (0, 1, 2)))


def test_the_part_without_data_is_measured():
    ce = CE.copy()
    ce[:50] = -1024
    share = covered_share(CT, ce)
    assert f"shows only {share:.0%} of the body" in found(CT, ce)
    body = CT > -400
    assert abs(share - body[50:].sum() / body.sum()) < 0.03
    for edge in (np.s_[:50], np.s_[:, :, :70]):  # registration leaves 0 where it has no data
        gone = np.zeros(SHAPE, bool)
        gone[edge] = True
        air, zero = (np.where(gone, value, CE) for value in (-1024, 0))
        assert found(CT, zero) == found(CT, air) and "of the body" in found(CT, air)


@pytest.mark.parametrize(
    "change", [lambda a: a + 1024, lambda a: a // 10, lambda a: -a, lambda a: a * 3], ids=range(4)
)
def test_values_that_are_no_hu_are_told(change):
    odd = change(CT.astype(int)).clip(-32768, 32767).astype(np.int16)
    assert "non-contrast CT's values look unlike HU" in found(odd)
    assert "the contrast CT's values look unlike HU" in found(
        CT, change(CE.astype(int)).clip(-32768, 32767).astype("i2")
    )


@pytest.mark.parametrize("outside", [0, -2000, -3024])
def test_what_lies_outside_the_scanners_circle_does_not_matter(outside):
    y, x = np.ogrid[: SHAPE[1], : SHAPE[2]]
    corner = ((y - 60) / 60) ** 2 + ((x - 80) / 80) ** 2 > 1
    ct, ce = CT.copy(), CE.copy()
    ct[:, corner], ce[:, corner] = outside, outside
    assert "HU" not in found(ct, ce)


def test_much_metal_is_told_and_a_filling_is_not():
    z, y, x = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    for radius, told in ((2, False), (6, True)):
        ct = CT.copy()
        ct[(z - 45) ** 2 + (y - 40) ** 2 + (x - 80) ** 2 < radius**2] = 3071
        assert ("metal" in found(ct)) == told


def test_a_field_of_view_without_head_or_neck_is_told():
    assert "without the head" in found(CT[:38], CE[:38])
    assert "without the neck" in found(CT[50:], CE[50:])
    assert "without the head" in found(CT[:18], CE[:18])


@pytest.mark.parametrize("missing", [6, 9])
def test_missing_slices_are_told(missing):
    kept = np.r_[:30, 30 + missing : SHAPE[0]]
    assert "missing between 29 and 30" in found(CT[kept], CE[kept])


def test_repeated_slices_are_told():
    kept = np.r_[:31, 30 : SHAPE[0]]
    assert f"slices 30 and 31 of {len(kept)} are the same" in found(CT[kept], CE[kept])


def test_nothing_is_said_of_images_too_small():
    assert findings(CT[:4, :5, :6], CE[:4, :5, :6], (1, 1, 1)) == []
    for n, axis in itertools.product((1, 2, 3), range(3)):  # of which the coarse copy has no voxel, or few
        thin = (slice(None),) * axis + (slice(n),)
        spacing = [0.4 if a == axis else mm for a, mm in enumerate(SPACING)]
        assert findings(CT[thin], CE[thin], spacing) == []
    assert findings(np.zeros_like(CT), CE, SPACING) == []


def test_an_offset_of_the_contrast_ct_is_no_contrast():
    assert "HU brighter everywhere" in found(CT, CE + np.int16(100))


def test_a_scan_that_is_upside_down_is_told():
    assert "upside down" in found(CT[::-1], CE[::-1])


def test_a_head_too_small_is_told():
    assert "mm wide" in " | ".join(findings(CT, CE, (2.0, 1.2, 1.2)))


def test_slices_out_of_order_are_told():
    order = np.random.default_rng(3).permutation(len(CT))
    assert "out of order" in found(CT[order], CE[order])
