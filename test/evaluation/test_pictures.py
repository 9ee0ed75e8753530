"""Pictures of cases, however they lie and whatever is missing."""

import io
from dataclasses import replace

import matplotlib.image
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image
from scipy.spatial.transform import Rotation

from evaluation.cases import CaseFiles, MatchedCase
from evaluation.pictures import DISTANCE_COLOURS, legend, picture, position, scene_of, strip
from evaluation.run import CaseResult, Settings, evaluate_case
from evaluation.scene import Scene, read_scene
from evaluation.targets import look
from model.errors import InputError

SETTINGS = Settings(("GTVp", "GTVnd"), (1.0,))


def drawn(case: MatchedCase, cts=None) -> np.ndarray:
    return matplotlib.image.imread(io.BytesIO(picture(case, evaluate_case(case, SETTINGS), SETTINGS, cts)))


@pytest.mark.parametrize("angles", [(0, 0, 0), (45, 45, 45), (-50, 51, 49), (30, -52, 40)])
def test_any_rotation_is_drawn(save, label_map, tmp_path, angles):
    direction = tuple(Rotation.from_euler("xyz", angles, degrees=True).as_matrix().ravel())
    mask = CaseFiles("a", save(label_map, tmp_path / "a.mha", direction=direction), {})
    ct = save(100 * label_map.astype(np.int16), tmp_path / "ct.mha", direction=direction)
    image = drawn(MatchedCase("a", mask, mask), ct)
    assert image.ndim == 3 and (image[..., 1] > image[..., 0]).any()  # something green: a node's outline


def test_a_case_without_any_structure_or_prediction_is_drawn(save, label_map, tmp_path):
    empty = CaseFiles("a", save(np.zeros_like(label_map), tmp_path / "a.mha"), {})
    assert drawn(MatchedCase("a", empty, None)).shape[2] == 4


def test_a_prediction_that_could_not_be_scored_is_left_out(save, label_map, tmp_path):
    reference = CaseFiles("a", save(label_map, tmp_path / "a.mha"), {})
    damaged = save(label_map, tmp_path / "b.mha")
    damaged.write_bytes(damaged.read_bytes()[:-9])
    case = MatchedCase("a", reference, CaseFiles("b", damaged, {}))
    assert drawn(case).shape[2] == 4
    with pytest.raises(InputError, match="b.mha"):
        picture(case, CaseResult("a", {}, ()), SETTINGS, None)


@pytest.mark.parametrize(
    "shape", [(1, 1, 1), (400, 2, 2), (2, 2, 400), (1, 30, 30), (300, 1, 1), (1, 900, 2)]
)
def test_images_of_any_shape_are_drawn(save, tmp_path, shape):
    array = np.ones(shape, np.uint8)
    mask = CaseFiles("a", save(array, tmp_path / "a.mha"), {})
    assert max(drawn(MatchedCase("a", mask, mask)).shape) < 2000


@pytest.mark.parametrize("name", ["$x^{$", "\\frac{", "x" * 240, "患者😀", "a_b^c$d$"])
def test_a_case_of_any_name_is_drawn(save, label_map, tmp_path, recwarn, name):
    mask = CaseFiles(name, save(label_map, tmp_path / "a.mha"), {})
    assert drawn(MatchedCase(name, mask, mask)).shape[2] == 4 and not recwarn.list


def shifted_boxes(shift: int) -> Scene:
    """A box of 1 mm voxels, and as the prediction the same further to the patient's left."""
    truth = np.zeros((40, 60, 60), bool)
    truth[12:28, 20:40, 15:30] = True
    masks = ({"GTVp": truth}, {"GTVp": np.roll(truth, shift, 2)})
    return Scene({}, *masks, (1.0, 1.0, 1.0), np.zeros(3), np.eye(3)[::-1])


def colours_in(picture: bytes) -> set[int]:
    """Which of the distances' colours are in it, about."""
    pixels = np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"), float) / 255
    return {
        k
        for k, colour in enumerate(DISTANCE_COLOURS)
        if (np.abs(pixels - to_rgb(colour)).max(axis=2) < 0.12).sum() > 20
    }


@pytest.mark.parametrize("shift, worst", [(0, 0), (2, 1), (4, 2), (8, 3), (13, 4)])
def test_the_outline_has_the_colour_of_its_distance(shift, worst):
    """Both sides that the shift moves along itself stay on the reference's outline."""
    scene = shifted_boxes(shift)
    found = colours_in(strip(scene, look(scene)[0], (20, 30, 30), 1.0))
    assert max(found) == worst and 0 in found


@pytest.mark.parametrize("shift, tolerance, worst", [(4, 5.0, 0), (8, 5.0, 3), (13, 5.0, 4), (13, 20.0, 0)])
def test_a_large_tolerance_takes_the_place_of_the_bounds_below_it(shift, tolerance, worst):
    scene = shifted_boxes(shift)
    found = colours_in(strip(scene, look(scene)[0], (20, 30, 30), tolerance))
    assert found <= {0, 3, 4} and max(found) == worst and 0 in found


def test_the_legend_has_the_colours_and_bounds_of_the_bins():
    blue, green, yellow, orange, red = DISTANCE_COLOURS
    assert legend(1.0) == [
        (blue, "to 1 mm"),
        (green, "to 3 mm"),
        (yellow, "to 5 mm"),
        (orange, "to 10 mm"),
        (red, "beyond 10 mm"),
    ]
    assert legend(5.0) == [(blue, "to 5 mm"), (orange, "to 10 mm"), (red, "beyond 10 mm")]
    assert legend(12.5) == [(blue, "to 12.5 mm"), (red, "beyond 12.5 mm")]


def test_a_reference_with_a_ct_of_its_own_is_shown_on_it(save, label_map, tmp_path):
    """As one in DICOM beside its slices is; what is named with --image goes before."""
    reference = CaseFiles("a", save(label_map, tmp_path / "a.mha"), {})
    cts = [save(np.full_like(label_map, hu, np.int16), tmp_path / f"ct{hu}.mha") for hu in (40, 50)]
    case = MatchedCase("a", reference, reference, ct=cts[0])
    result = evaluate_case(replace(case, ct=None), SETTINGS)
    for named, hu in ((None, 40), (cts[1], 50)):
        assert (scene_of(case, result, SETTINGS, named).cts["CT"] == hu).all()


def test_a_position_is_the_patients(save, label_map, tmp_path):
    """Of voxels of 1 x 1.5 x 3 mm; the file's x runs to the patient's right."""
    direction = (-1.0, 0, 0, 0, 1, 0, 0, 0, 1)
    mask = save(label_map, tmp_path / "a.mha", origin=(20.0, -30.0, 100.0), direction=direction)
    scene = read_scene(None, CaseFiles("a", mask, {}), None, ("GTVp",))
    assert [position(scene, (0, 0, 0), axis) for axis in (2, 1, 0)] == ["L 5.0 mm", "A 30.0 mm", "S 100.0 mm"]
    assert [position(scene, (1, 2, 3), axis) for axis in (2, 1, 0)] == ["L 8.0 mm", "A 27.0 mm", "S 103.0 mm"]
