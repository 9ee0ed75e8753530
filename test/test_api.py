"""The three functions for notebooks, with the bundled weights' stand-in: a predictor that thresholds."""

import subprocess
import sys

import numpy as np
import pytest
import SimpleITK as sitk
import torch

import api
import model.inference.predictor
import model.network.bundle
from api import Contours, load, score, segment
from evaluation.metrics import score as score_masks
from model.errors import InputError
from model.images.grid import Grid
from model.inference.predictor import Segmentation

SIZE_XYZ, SPACING_XYZ = (6, 5, 4), (2.0, 3.0, 5.0)
PRIMARY, NODE = (1, 2, 3), (2, 0, 0)  # voxels (z, y, x) along the file's axes


class FakePredictor:
    """GTVp where the CT is above 1000, GTVnd where the contrast CT is above 2000."""

    device = torch.device("cpu")

    def __init__(self, bundle, device, precision, log) -> None:
        self.given = (bundle, device, precision)

    def prepare(self, pair, log=None) -> np.ndarray:
        labels = (pair.ct > 1000).astype(np.uint8)
        labels[pair.ce > 2000] = 2
        return labels

    def predict_and_restore(self, prepared, input_shape, log=None) -> Segmentation:
        log("predict: 1 passes")
        return Segmentation(prepared, 0.25)


@pytest.fixture
def network(monkeypatch):
    monkeypatch.setattr(model.network.bundle, "load_bundle", lambda path: path)
    monkeypatch.setattr(model.inference.predictor, "Predictor", FakePredictor)
    return load()


@pytest.fixture
def pair(tmp_path) -> list:
    """Two files whose axes run the other way than canonical ones do."""
    paths = []
    for name, voxel, value in (("ct", PRIMARY, 1500), ("ce", NODE, 2500)):
        array = np.full(SIZE_XYZ[::-1], -500, np.int16)
        array[voxel] = value
        image = sitk.GetImageFromArray(array)
        image.SetSpacing(SPACING_XYZ)
        image.SetDirection((-1, 0, 0, 0, 1, 0, 0, 0, -1))
        paths.append(tmp_path / f"{name}.nii.gz")
        sitk.WriteImage(image, str(paths[-1]))
    return paths


def test_masks_lie_voxel_for_voxel_on_the_file(network, pair, tmp_path):
    result = segment(network, str(pair[0]), pair[1])
    assert result.labels.shape == sitk.GetArrayFromImage(sitk.ReadImage(str(pair[0]))).shape
    expected = np.zeros(SIZE_XYZ[::-1], np.uint8)
    expected[PRIMARY], expected[NODE] = 1, 2
    np.testing.assert_array_equal(result.labels, expected)
    assert result.grid.spacing_xyz == pytest.approx(SPACING_XYZ)
    assert result.volumes_cm3 == pytest.approx({"GTVp": 0.03, "GTVnd": 0.03})  # 2 x 3 x 5 mm³
    result.save(tmp_path / "made/mask.nii.gz")
    saved = sitk.ReadImage(str(tmp_path / "made/mask.nii.gz"))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(saved), expected)
    assert saved.GetDirection() == sitk.ReadImage(str(pair[0])).GetDirection()


def test_one_ct_given_twice_is_warned_of_and_lines_are_handed_on(network, pair):
    lines = []
    result = segment(network, pair[0], pair[0], lines.append)
    assert any("stands for both" in warning for warning in result.warnings)
    assert lines[-1] == "predict: 1 passes" and f"warning: {result.warnings[0]}" in lines


def test_what_cannot_be_segmented_is_an_input_error(network, pair, tmp_path, monkeypatch):
    with pytest.raises(InputError, match="none.mha"):
        segment(network, tmp_path / "none.mha", pair[1])

    def no_memory(self, pair, log=None):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(FakePredictor, "prepare", no_memory)
    with pytest.raises(InputError, match="not enough memory"):
        segment(network, *pair)


def test_weights_device_and_precision_are_handed_on_or_refused(network, tmp_path, monkeypatch):
    assert load("mine.pt", "cpu", "fp32").given[1:] == ("cpu", "fp32")
    assert str(load("mine.pt").given[0]) == "mine.pt"
    assert network.given[0] == model.installed.usual_weights()
    for given in ({"device": "tpu"}, {"precision": "fp8"}):
        with pytest.raises(InputError, match="makes no sense; give"):
            load(**given)
    monkeypatch.undo()
    with pytest.raises(InputError, match="no such weights file"):
        load(tmp_path / "none.pt")


def contours(voxels: list, spacing_xyz=SPACING_XYZ) -> Contours:
    labels = np.zeros((8, 9, 10), np.uint8)
    for label, box in enumerate(voxels, 1):
        labels[box] = label
    return Contours(labels, Grid((10, 9, 8), spacing_xyz, (0.0, 0.0, 0.0), tuple(np.eye(3).ravel())))


BOXES = [np.s_[1:4, 1:4, 1:4], np.s_[5:7, 5:8, 5:9]]
MOVED = [np.s_[1:4, 1:4, 2:5], np.s_[5:7, 5:8, 5:9]]


def test_scores_are_the_evaluators_from_memory_and_from_files(tmp_path):
    prediction, reference = contours(MOVED), contours(BOXES)
    reference.save(tmp_path / "reference.mha")
    scores = score(prediction, tmp_path / "reference.mha", (1.0, 2.0))
    assert scores["GTVp"].dsc == pytest.approx(2 / 3) and scores["GTVnd"].dsc == 1
    masks = (prediction.mask("GTVp"), reference.mask("GTVp"))
    assert scores["GTVp"] == score_masks(*masks, SPACING_XYZ[::-1], (1.0, 2.0))
    assert scores == score(prediction, reference, (1, 2)) and len(scores["GTVp"].nsd) == 2


def test_what_cannot_be_scored_is_an_input_error(tmp_path):
    good = contours(BOXES)
    for prediction, tolerances, fact in (
        (contours(BOXES, (1.0, 1.0, 1.0)), (1.0,), "spacing"),
        (tmp_path / "none.mha", (1.0,), "none.mha"),
        (good, (), "makes no sense"),
        (good, (-1.0,), "makes no sense"),
        (good, (float("nan"),), "makes no sense"),
    ):
        with pytest.raises(InputError, match=fact):
            score(prediction, good, tolerances)
    for name in ("mask", "mask.mhd"):
        with pytest.raises(InputError, match="give one such as"):
            good.save(tmp_path / name)
    with pytest.raises(InputError, match="known are GTVp, GTVnd"):
        good.mask("GTV")


def test_scoring_loads_no_torch(root):
    code = "import sys, api; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, timeout=120)
    assert done.stdout == "False\n", done.stderr


def test_the_example_names_what_there_is():
    for name in ("load", "segment", "score"):
        assert name in api.__doc__ and getattr(api, name).__doc__
