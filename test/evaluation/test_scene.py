"""What pictures show is upright, on any rotation, cut to its surroundings."""

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

from evaluation.cases import CaseFiles
from evaluation.scene import MARGIN_MM, read_scene, surroundings
from model.errors import InputError
from model.images.grid import to_canonical

ROTATIONS = np.random.default_rng(0).uniform(-52, 52, (40, 3))


@pytest.mark.parametrize("flips", [(1, 1, 1), (-1, -1, 1), (1, -1, -1)])
def test_any_rotation_is_turned_as_the_container_turns_it(save, label_map, tmp_path, flips):
    """Up to 52 degrees about each axis; of a quarter of these two axes are nearest to the same patient axis."""
    ct = np.arange(label_map.size, dtype=np.int16).reshape(label_map.shape)
    for number, angles in enumerate(ROTATIONS):
        matrix = Rotation.from_euler("xyz", angles, degrees=True).as_matrix() * flips
        direction = tuple(matrix.ravel())
        mask = save(label_map, tmp_path / f"{number}.mha", direction=direction)
        image = save(ct, tmp_path / f"ct{number}.mha", direction=direction)
        case = CaseFiles("a", mask, {})
        scene = read_scene(image, case, case, ("GTVp", "GTVnd"))
        grid_of_scene = (scene.cts["CT"].shape, sorted(scene.spacing_zyx))
        assert sorted(grid_of_scene[0]) == sorted(ct.shape) and grid_of_scene[1] == [1.0, 1.5, 3.0]
        own_spacing = dict(zip(label_map.shape, (3.0, 1.5, 1.0), strict=True))
        assert scene.spacing_zyx == tuple(own_spacing[n] for n in scene.cts["CT"].shape)
        where = np.argwhere(scene.reference["GTVp"])
        np.testing.assert_array_equal(scene.cts["CT"][tuple(where.T)] >= 0, True)
        assert set(scene.cts["CT"][scene.reference["GTVnd"]]) == set(ct[label_map == 2])
        np.testing.assert_array_equal(scene.prediction["GTVp"], scene.reference["GTVp"])


def test_an_upright_grid_stays_as_it_is_and_a_flipped_one_is_turned(save, label_map, tmp_path):
    upright = CaseFiles("a", save(label_map, tmp_path / "a.mha"), {})
    flipped = CaseFiles(
        "b", save(label_map[::-1], tmp_path / "b.mha", direction=(1.0, 0, 0, 0, 1, 0, 0, 0, -1)), {}
    )
    for case in (upright, flipped):
        scene = read_scene(None, case, None, ("GTVp",))
        np.testing.assert_array_equal(scene.reference["GTVp"], label_map == 1)
        assert scene.cts == {} and scene.prediction == {} and scene.spacing_zyx == (3.0, 1.5, 1.0)


def test_a_ct_on_another_grid_is_refused(save, label_map, tmp_path):
    case = CaseFiles("a", save(label_map, tmp_path / "a.mha"), {})
    ct = save(label_map.astype(np.int16), tmp_path / "ct.mha", origin=(1.0, 0.0, 0.0))
    with pytest.raises(InputError, match="ct.mha: origin"):
        read_scene(ct, case, None, ("GTVp",))


def test_surroundings_are_a_margin_in_millimetres_within_the_volume():
    mask, other = np.zeros((2, 60, 200, 200), bool)
    mask[30:31, 100:102, 10:12] = True
    other[31:32, 100:102, 10:12] = True
    box = surroundings([mask, other], (3.0, 1.0, 1.0))
    margin = int(MARGIN_MM)
    assert box == (slice(15, 47), slice(100 - margin, 102 + margin), slice(0, 12 + margin))
    empty = np.zeros_like(mask)
    assert surroundings([empty, empty], (3.0, 1.0, 1.0)) == tuple(slice(0, n) for n in mask.shape)


def test_a_scene_is_cut_and_knows_where_it_lies(save, tmp_path):
    """Voxels of 1 x 1.5 x 3 mm (x, y, z); the oracle is ITK's own way from an index to a point."""
    array = np.zeros((50, 90, 120), np.uint8)
    array[40, 70, 100] = 1
    mask = save(array, tmp_path / "a.mha", origin=(7.0, -8.0, 9.0), direction=(0.0, -1, 0, 1, 0, 0, 0, 0, -1))
    ct = save(
        np.arange(array.size).reshape(array.shape).astype(np.int32) % 997,
        tmp_path / "ct.mha",
        origin=(7.0, -8.0, 9.0),
        direction=(0.0, -1, 0, 1, 0, 0, 0, 0, -1),
    )
    scene = read_scene(ct, None, CaseFiles("a", mask, {}), ("GTVp",))
    assert scene.reference == {} and scene.shape < array.shape
    (at,) = np.argwhere(scene.prediction["GTVp"])
    expected = sitk.ReadImage(str(mask)).TransformIndexToPhysicalPoint((100, 70, 40))
    np.testing.assert_allclose(scene.position_xyz(tuple(at)), expected)
    assert scene.cts["CT"][tuple(at)] == (40 * 90 * 120 + 70 * 120 + 100) % 997


@pytest.mark.parametrize(
    "names",
    [
        ("a_0000", "a_0001"),
        ("image", "image_contrast"),
        ("head-neck-ct/x", "head-neck-contrast-enhanced-ct/y"),
        ("a", None),
    ],
)
def test_both_cts_are_found_and_the_second_is_brought_to_the_masks_grid(save, label_map, tmp_path, names):
    mask = save(label_map, tmp_path / "m.mha")
    for name, shift in zip(names, (0.0, 1.0), strict=True):
        if name:
            (tmp_path / "cts" / name).parent.mkdir(parents=True, exist_ok=True)
            ct = np.broadcast_to(np.arange(16, dtype=np.int16), label_map.shape)
            save(np.ascontiguousarray(ct), tmp_path / "cts" / f"{name}.mha", origin=(shift, 0.0, 0.0))
    first = tmp_path / "cts" / f"{names[0]}.mha"
    scene = read_scene(first, CaseFiles("a", mask, {}), None, ("GTVp",))
    assert set(scene.cts) == ({"CT", "contrast CT"} if names[1] else {"CT"})
    if names[1]:
        np.testing.assert_array_equal(scene.cts["contrast CT"][0, 0, 1:], np.arange(15))


def test_turning_is_the_containers_own(save, label_map, tmp_path):
    """The oracle of the first test: to_canonical is the one function that turns."""
    direction = tuple(Rotation.from_euler("xyz", (50, 49, -51), degrees=True).as_matrix().ravel())
    case = CaseFiles("a", save(label_map, tmp_path / "a.mha", direction=direction), {})
    scene = read_scene(None, case, None, ("GTVp",))
    from evaluation.reading import read_masks

    masks = read_masks(case, ("GTVp",))
    np.testing.assert_array_equal(scene.reference["GTVp"], to_canonical(masks.arrays["GTVp"], masks.grid))
