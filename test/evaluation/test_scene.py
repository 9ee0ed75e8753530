"""What pictures show is upright, on any rotation, and centred on the largest lesion."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from evaluation.cases import CaseFiles
from evaluation.scene import MARGIN_MM, Scene, focus, read_scene, surroundings
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
        grid_of_scene = (scene.ct.shape, sorted(scene.spacing_zyx))
        assert sorted(grid_of_scene[0]) == sorted(ct.shape) and grid_of_scene[1] == [1.0, 1.5, 3.0]
        own_spacing = dict(zip(label_map.shape, (3.0, 1.5, 1.0), strict=True))
        assert scene.spacing_zyx == tuple(own_spacing[n] for n in scene.ct.shape)
        where = np.argwhere(scene.reference["GTVp"])
        np.testing.assert_array_equal(scene.ct[tuple(where.T)] >= 0, True)
        assert set(scene.ct[scene.reference["GTVnd"]]) == set(ct[label_map == 2])
        np.testing.assert_array_equal(scene.prediction["GTVp"], scene.reference["GTVp"])


def test_an_upright_grid_stays_as_it_is_and_a_flipped_one_is_turned(save, label_map, tmp_path):
    upright = CaseFiles("a", save(label_map, tmp_path / "a.mha"), {})
    flipped = CaseFiles(
        "b", save(label_map[::-1], tmp_path / "b.mha", direction=(1.0, 0, 0, 0, 1, 0, 0, 0, -1)), {}
    )
    for case in (upright, flipped):
        scene = read_scene(None, case, None, ("GTVp",))
        np.testing.assert_array_equal(scene.reference["GTVp"], label_map == 1)
        assert scene.ct is None and scene.prediction == {} and scene.spacing_zyx == (3.0, 1.5, 1.0)


def test_a_ct_on_another_grid_is_refused(save, label_map, tmp_path):
    case = CaseFiles("a", save(label_map, tmp_path / "a.mha"), {})
    ct = save(label_map.astype(np.int16), tmp_path / "ct.mha", origin=(1.0, 0.0, 0.0))
    with pytest.raises(InputError, match="ct.mha: origin"):
        read_scene(ct, case, None, ("GTVp",))


def scene_of(reference: np.ndarray, prediction: np.ndarray) -> Scene:
    return Scene(None, {"GTVp": reference}, {"GTVp": prediction}, (3.0, 1.0, 1.0))


def test_the_focus_is_in_the_middle_of_the_largest_lesion():
    mask, empty = np.zeros((9, 30, 30), bool), np.zeros((9, 30, 30), bool)
    mask[2:7, 4:15, 6:17] = True
    mask[1, 25, 25] = True
    assert focus(scene_of(mask, empty), "GTVp") == (4, 9, 11)
    assert focus(scene_of(empty, mask), "GTVp") == (4, 9, 11)  # of the prediction where there is no reference
    assert focus(scene_of(empty, empty), "GTVp") is None


def test_surroundings_are_a_margin_in_millimetres_within_the_volume():
    mask = np.zeros((60, 200, 200), bool)
    mask[30:32, 100:102, 10:12] = True
    box = surroundings(scene_of(mask, mask))
    assert box == (
        slice(15, 47),
        slice(100 - int(MARGIN_MM), 102 + int(MARGIN_MM)),
        slice(0, 12 + int(MARGIN_MM)),
    )
    empty = np.zeros_like(mask)
    assert surroundings(scene_of(empty, empty)) == tuple(slice(0, n) for n in mask.shape)


def test_turning_is_the_containers_own(save, label_map, tmp_path):
    """The oracle of the first test: to_canonical is the one function that turns."""
    direction = tuple(Rotation.from_euler("xyz", (50, 49, -51), degrees=True).as_matrix().ravel())
    case = CaseFiles("a", save(label_map, tmp_path / "a.mha", direction=direction), {})
    scene = read_scene(None, case, None, ("GTVp",))
    from evaluation.reading import read_masks

    masks = read_masks(case, ("GTVp",))
    np.testing.assert_array_equal(scene.reference["GTVp"], to_canonical(masks.arrays["GTVp"], masks.grid))
