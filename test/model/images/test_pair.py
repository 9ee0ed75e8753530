"""Both CTs on one grid, and what is said of odd ones."""

import itertools

import numpy as np
import pytest
import SimpleITK as sitk

from model.errors import InputError
from model.images.pair import read_pair
from model.images.read import read_grid

SHAPE = (4, 5, 6)


def silent(line: str) -> None:
    pass


def ramp_image(size, spacing, origin, direction) -> sitk.Image:
    """HU that are a linear function of the position, hence exact under linear interpolation."""
    image = sitk.Image(size, sitk.sitkInt16)
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    image.SetDirection(direction)
    for index in itertools.product(*(range(n) for n in size)):
        x, y, z = image.TransformIndexToPhysicalPoint(index)
        image[index] = round(20 * x + 30 * y + 40 * z)
    return image


@pytest.mark.parametrize(
    ("values", "warned"),
    [
        ([0, 0], True),
        ([-1024, -1024], True),
        ([0, 1000, 2000, 4095], True),
        ([-1000, 30000], True),
        ([-1000, 3000], False),
    ],
)
def test_odd_values_are_a_warning(ct_image, save, tmp_path, values, warned):
    array = np.resize(np.array(values, np.int16), SHAPE)
    lines: list[str] = []
    pair = read_pair(
        *[save(ct_image(array), tmp_path / f"{name}.mha") for name in ("ct", "ce")], lines.append
    )
    np.testing.assert_array_equal(pair.ct, array)
    warnings = [line for line in lines if line.startswith("warning: ")]
    assert len(warnings) == (2 if warned else 0)
    assert not warned or ("ct.mha" in warnings[0] and "ce.mha" in warnings[1])


def test_one_file_given_for_both_is_not_told_to_be_the_same_image(ct_image, save, tmp_path):
    array = np.random.default_rng(0).normal(40, 20, (80, 80, 80)).astype(np.int16)
    array[:, :, :30] = -1000
    ct, copy = (save(ct_image(array), tmp_path / name) for name in ("ct.mha", "copy.mha"))
    told = []
    for other in (ct, copy):
        lines: list[str] = []
        read_pair(ct, other, lines.append)
        told.append(any("the same image" in line for line in lines))
    assert told == [False, True]


@pytest.mark.parametrize("values", [[0, 1], [0, 1, 2], [0, 255], [1, 2]])
def test_a_mask_is_no_ct(ct_image, save, tmp_path, values):
    """As where image_mask.nii.gz is all that is called as the CT; and no CT that was scaled to 0 to 1."""
    ct = save(ct_image(np.resize(np.array([-1000, 40], np.int16), SHAPE)), tmp_path / "ct.mha")
    mask = save(ct_image(np.resize(np.array(values, np.int16), SHAPE)), tmp_path / "image_mask.mha")
    for pair in ((ct, mask), (mask, ct)):
        shown = ", ".join(map(str, values))
        with pytest.raises(InputError, match=rf"image_mask\.mha: its values are {shown} alone: a mask, or"):
            read_pair(*pair, silent)


def test_contrast_ct_on_another_grid_is_resampled_and_logged(save, tmp_path):
    ct = ramp_image((6, 6, 6), (1, 1, 1), (5, 5, 5), np.eye(3).ravel().tolist())
    ce = ramp_image((12, 12, 12), (1.5, 1.25, 2), (19, 18, 0), (-1, 0, 0, 0, -1, 0, 0, 0, 1))
    lines: list[str] = []
    pair = read_pair(save(ct, tmp_path / "ct.mha"), save(ce, tmp_path / "ce.mha"), lines.append)
    np.testing.assert_allclose(pair.ce, pair.ct, atol=1)
    assert any("resampled" in line for line in lines)
    assert pair.grid == read_grid(tmp_path / "ct.mha")


def test_where_the_contrast_ct_has_no_data_is_air(ct_image, save, tmp_path):
    ct = ct_image(np.full((4, 8, 8), 40, np.int16), spacing=(1, 1, 1), origin=(0, 0, 0))
    ce = ct_image(np.full((4, 8, 8), 60, np.int16), spacing=(1, 1, 1), origin=(4, 0, 0))
    pair = read_pair(save(ct, tmp_path / "ct.mha"), save(ce, tmp_path / "ce.mha"), silent)
    assert (pair.ce[..., :4] == -1024).all() and (pair.ce[..., 4:] == 60).all()


def test_rounding_of_the_header_is_no_other_grid(ct_image, save, tmp_path):
    lines: list[str] = []
    ce = ct_image(origin=(-10.0001, 20.0001, -300.0001), spacing=(0.50001, 0.75, 3))
    read_pair(save(ct_image(), tmp_path / "ct.mha"), save(ce, tmp_path / "ce.mha"), lines.append)
    assert not any("resampled" in line for line in lines)


def test_pair_without_overlap_is_refused(ct_image, save, error_of, tmp_path):
    ct, ce = (
        save(ct_image(), tmp_path / "ct.mha"),
        save(ct_image(origin=(500, 20, -300)), tmp_path / "ce.mha"),
    )
    assert "ce.mha" in error_of(ct, ce) and "overlap" in error_of(ct, ce)


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 0, 1)])
def test_a_gap_in_the_files_own_slices_is_filled_however_they_are_stored(tmp_path, order):
    """order: of the patient's axes (z, y, x) that follow each other in the file."""
    whole = np.full((12, 14, 16), -1000, np.int16)
    whole[1:-1, 1:-1, 1:-1] = np.random.default_rng(0).integers(20, 60, (10, 12, 14))
    array = whole.transpose(order).copy()
    array[6] = -1024
    image = sitk.GetImageFromArray(array)
    axes = [np.eye(3)[2 - axis] for axis in reversed(order)]  # of x, y, z in the file
    image.SetDirection(np.transpose(axes).ravel().tolist())
    sitk.WriteImage(image, str(tmp_path / "ct.mha"))
    said: list[str] = []
    pair = read_pair(tmp_path / "ct.mha", tmp_path / "ct.mha", said.append)
    assert pair.ct[1:-1, 1:-1, 1:-1].min() > 0
    assert sum("hold no data" in line and " 6," in line for line in said) == 2
