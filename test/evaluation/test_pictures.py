"""Pictures of cases, however they lie and whatever is missing."""

import io

import matplotlib.image
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from evaluation.cases import CaseFiles, MatchedCase
from evaluation.pictures import picture
from evaluation.run import CaseResult, Settings, evaluate_case
from model.errors import InputError

SETTINGS = Settings(("GTVp", "GTVnd"), (1.0,))


def drawn(case: MatchedCase, cts=None) -> np.ndarray:
    return matplotlib.image.imread(
        io.BytesIO(picture(case, evaluate_case(case, SETTINGS), SETTINGS, cts, "png"))
    )


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
        picture(case, CaseResult("a", {}, ()), SETTINGS, None, "png")


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
